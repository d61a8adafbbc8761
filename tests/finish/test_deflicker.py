"""Flicker is taken away: how much, what stays, and what is said of it. Without a model."""

from __future__ import annotations

import numpy as np
import pytest

from lib_svd.errors import Interrupted
from lib_svd.finish.deflicker import Scene, deflicker_frames
from lib_svd.finish.even import even_brightness
from lib_svd.finish.finishing import Finishing
from lib_svd.finish.recipe import Tools, finish_frames
from lib_svd.review import measure_flicker
from tests.finish import flickering
from tests.finish.flickering import alternate, compare_all, expose, jump, make_disc, make_pan, patch

FLICKERS = [alternate, jump, expose, patch]


def ignore(*told):
    pass


@pytest.mark.parametrize("flicker", FLICKERS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("frames", [make_pan(25), make_pan(25, step=4), make_disc(18)], ids=["slow", "fast", "disc"])
def test_flicker_is_more_than_halved_and_sharpness_stays(frames, flicker):
    before = flicker(frames)
    after = even_brightness(before)
    assert measure_flicker(after) < measure_flicker(before) / 2
    assert 0.95 < compare_all(after, before) < 1.05


def measure_decibels(a, b):
    return 10 * np.log10(255**2 / max(1e-9, float(((a.astype(float) - b) ** 2).mean())))


@pytest.mark.parametrize("flicker", FLICKERS, ids=lambda each: each.__name__)
def test_what_comes_is_nearer_to_the_clip_without_flicker(flicker):
    frames = make_pan(25)
    before = flicker(frames)
    assert measure_decibels(even_brightness(before), frames) > measure_decibels(before, frames) + 2


def test_a_clip_without_flicker_stays_whatever_moves_in_it():
    disc = make_disc(18)
    assert np.array_equal(even_brightness(disc), disc)
    fast = make_pan(25, step=6)
    assert measure_decibels(even_brightness(fast), fast) > 40


def test_a_light_that_is_turned_up_is_no_flicker():
    frames = flickering.add(make_pan(1).repeat(12, axis=0) * 0.5, 3.0 * np.arange(12)[:, None, None, None])
    assert np.abs(even_brightness(frames).astype(int) - frames).max() <= 1


def test_a_loop_is_evened_over_its_end():
    frames = make_pan(1).repeat(12, axis=0)
    frames[0] = flickering.add(frames[0], np.full(1, 12.0))
    apart = [
        float(np.abs(made[0].astype(float) - made[-1]).mean())
        for made in (even_brightness(frames), even_brightness(frames, closed=True))
    ]
    assert apart[1] < apart[0] / 2


@pytest.mark.parametrize("count", [1, 2])
def test_frames_too_few_to_flicker_stay(count):
    made, notes = deflicker_frames(make_pan(count), None, ignore)
    assert np.array_equal(made, make_pan(count))
    assert notes == ("100% of the sharpness is kept.",)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (7, 90), (33, 3)])
def test_frames_of_any_size_can_be_evened(width, height):
    frames = np.random.default_rng(0).integers(0, 256, (5, height, width, 3), np.uint8)
    assert even_brightness(frames).shape == frames.shape


class Blurring:
    """What a VAE could do: it loses details, and notes with which scenes it was asked."""

    def __init__(self):
        self.notes, self.scenes = ["It was slow.", "It was slow."], []

    def redecode(self, frames, scenes, report):
        self.scenes = list(scenes)
        report(1, 1)
        return ((frames.astype(int) + np.roll(frames, 1, 2) + np.roll(frames, 2, 2)) // 3).astype(np.uint8)


def test_where_the_model_loses_details_that_is_said_in_figures():
    _, notes = deflicker_frames(alternate(make_pan(12)), Blurring(), ignore)
    slow, change, advice = notes
    assert slow == "It was slow."
    assert change.startswith("Flicker was 4.")
    assert "% (flickers) before, and 0." in change
    assert "(steady) now; drift of colours was" in change
    assert int(change.split("; ")[-1].split("%")[0]) < 95
    assert advice.startswith("This model's VAE does not carry all details")


def test_scenes_are_taken_each_by_itself():
    other = flickering.read_photo(1, 192, 128)[None].repeat(10, axis=0)
    frames = np.concatenate([make_pan(10), other])
    tool = Blurring()
    deflicker_frames(frames, tool, ignore, closed=True)
    assert tool.scenes == [Scene(0, 10, False), Scene(10, 20, False)]
    assert np.array_equal(deflicker_frames(frames, None, ignore)[0][10:], other)
    deflicker_frames(make_pan(10), tool, ignore, closed=True)
    assert tool.scenes == [Scene(0, 10, True)]


def test_in_the_recipe_it_comes_after_trimming_and_before_all_else():
    tool = Blurring()
    tools = Tools(redecoder=lambda: tool)
    frames, _, notes = finish_frames(
        make_pan(12), 7, Finishing(deflicker="svd", first=3, loop="pingpong"), tools, ignore, closed=True
    )
    assert tool.scenes == [Scene(0, 10, False)]
    assert len(frames) == 18
    assert "Flicker was" in notes[1]
    finish_frames(make_pan(12), 7, Finishing(deflicker="svd"), tools, ignore, closed=True)
    assert tool.scenes == [Scene(0, 12, True)]


def test_it_is_stopped():
    def stop(*told):
        raise Interrupted("Stopped.")

    with pytest.raises(Interrupted):
        finish_frames(make_pan(5), 7, Finishing(deflicker="brightness"), Tools(), stop)
