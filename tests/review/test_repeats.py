"""A clip of few frames a second stored at many is measured by the pictures it shows, and said to repeat them."""

from __future__ import annotations

import numpy as np
import pytest

from lib_svd.review import review
from lib_svd.review.repeats import find_own_pictures
from lib_svd.review.words import MEASURES, is_frozen
from tests.review import clips

pytestmark = pytest.mark.usefixtures("one_thread")
STOPS = np.concatenate([clips.make_pan(3), clips.make_pan(3)[-1:].repeat(12, 0)])


def make_sway(pixels):
    """The camera goes forth and back, and slows down where it turns."""
    places = pixels * np.sin(0.7 * np.arange(25))
    moves = [np.float32([[1, 0, -40 - place], [0, 1, -30]]) for place in places]
    return np.stack([clips.cv2.warpAffine(clips.read_scene(), move, (clips.WIDTH, clips.HEIGHT)) for move in moves])


@pytest.mark.parametrize("quality", [18, 23, 30])
@pytest.mark.parametrize("times", [(2,), (3,), (4, 4, 5)], ids=str)
def test_repeats_are_found_however_they_are_coded(times, quality, tmp_path):
    made = clips.code_as_video(clips.repeat(clips.make_pan(1), *times), tmp_path, quality)
    lasts = np.resize(times, clips.T)
    assert find_own_pictures(made).tolist() == [0, *np.cumsum(lasts)[:-1]]


@pytest.mark.parametrize("made", [clips.make_pan(2), clips.make_walker(4), clips.add_flicker(clips.make_pan(3), 10)])
def test_a_clip_with_repeats_measures_as_the_one_without(made, tmp_path):
    alone = review(made)
    found = review(clips.code_as_video(clips.repeat(made, 4, 3), tmp_path, 18))
    assert found.motion.flow == pytest.approx(alone.motion.flow, rel=0.1, abs=0.02)
    assert found.motion.speed == pytest.approx(alone.motion.speed, rel=0.15)
    assert found.motion.camera == pytest.approx(alone.motion.camera, abs=0.1)
    assert found.consistency.flicker == pytest.approx(alone.consistency.flicker, rel=0.1, abs=0.002)
    assert found.consistency.sharpness == pytest.approx(alone.consistency.sharpness, rel=0.2)
    assert found.consistency.repeated == pytest.approx(25 / 35)
    assert alone.consistency.repeated == 0
    assert len(found.series["flow"]) == clips.T - 1


def test_a_clip_that_repeats_its_frames_does_not_look_smooth():
    word = next(measure.choose_word for measure in MEASURES if measure.name == "repeated")
    assert "stutters" in word(review(clips.repeat(clips.make_pan(3), 3)).measures)
    assert word(review(clips.make_pan(3)).measures) == "every frame is new"


@pytest.mark.parametrize("quality", [18, 30])
@pytest.mark.parametrize(
    "made",
    [
        clips.make_pan(0.1),
        clips.make_pan(0.3),
        clips.make_zoom(0.1),
        clips.make_pan(3),
        make_sway(1),
        make_sway(8),
        clips.add_grain(clips.make_pan(0), 5),
    ],
    ids=["slow", "slow too", "slow zoom", "pan", "sway", "wide sway", "grain"],
)
def test_what_moves_slowly_or_unevenly_is_no_repeat(made, quality, tmp_path):
    assert len(find_own_pictures(clips.code_as_video(made, tmp_path, quality))) == len(made)


def test_a_frozen_clip_stays_frozen(tmp_path):
    for made in (clips.make_pan(0), clips.repeat(clips.make_pan(0), 4)):
        found = review(clips.code_as_video(made, tmp_path, 23))
        assert is_frozen(found.measures)
        assert (found.motion.standstill, found.consistency.repeated) == (pytest.approx(1, abs=0.12), 0)


@pytest.mark.parametrize("times", [1, 4])
def test_a_clip_that_stops_is_seen_to_stand_still_for_as_long_as_it_does(times, tmp_path):
    found = review(clips.code_as_video(clips.repeat(STOPS, times), tmp_path, 23))
    assert found.motion.standstill == pytest.approx(12 / 21, abs=0.03)
    assert found.motion.flow_top5 == pytest.approx(3 * 9 / 21, rel=0.2)
    assert found.consistency.repeated == pytest.approx(1 - 1 / times)
    assert max(found.series["flow_top5"][10:]) < 0.2
    assert review(clips.make_pan(3)).motion.standstill == 0


def test_a_cut_and_two_stills_are_no_rhythm(tmp_path):
    repeated = clips.repeat(clips.cut(clips.make_pan(1)), 3)
    found = review(clips.code_as_video(repeated, tmp_path, 23))
    assert (found.consistency.cuts, found.consistency.repeated) == (1, pytest.approx(2 / 3))
    assert len(find_own_pictures(clips.cut(clips.make_pan(0)))) == clips.T
