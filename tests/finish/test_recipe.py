"""The whole of finishing on frames: its order, its reports, what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PIL import Image

from lib_svd.errors import BadRequest, Interrupted
from lib_svd.finish.enlarge import enlarge_frames, find_upscaler, list_upscalers
from lib_svd.finish.finishing import Finishing
from lib_svd.finish.plan import Shape, plan_clip
from lib_svd.finish.recipe import Tools, finish_frames
from lib_svd.finish.smooth import Motion
from lib_svd.progress import Stage
from lib_svd.testing import make_fake_host
from tests.finish.test_loops import make_numbered, read_numbers
from tests.review import clips


def ignore(stage, done, total):
    pass


def enlarge_by_lanczos(picture, scale):
    return picture.resize((int(picture.width * scale), int(picture.height * scale)), Image.Resampling.LANCZOS)


def finish(frames, tools=None, *, fps=7, closed=False, report=ignore, **what):
    return finish_frames(frames, fps, Finishing(**what), tools or Tools(), report, closed=closed)


def test_nothing_leaves_every_frame_to_the_bit():
    frames, fps, notes = finish(clips.make_pan(3))
    assert np.array_equal(frames, clips.make_pan(3))
    assert (fps, notes) == (7, ())


def test_trimming_comes_before_turning_round_and_looping_and_holding_comes_last():
    frames, fps, _ = finish(make_numbered(9), first=2, last=5, reverse=True, loop="pingpong", hold_last=0.5)
    assert (read_numbers(frames), fps) == ([5, 4, 3, 2, 3, 4, 4, 4, 4, 4], 7)


def test_a_length_ends_or_repeats_what_is_there():
    assert read_numbers(finish(make_numbered(3), loop="pingpong", length=1.0)[0]) == [1, 2, 3, 2, 1, 2, 3]


def test_without_a_smoother_speed_shows_the_same_frames_faster():
    frames, fps, _ = finish(make_numbered(5), speed=2.0)
    assert (read_numbers(frames), fps) == ([1, 2, 3, 4, 5], 14)
    frames, fps, _ = finish(make_numbered(3), speed=0.5)
    assert (read_numbers(frames), fps) == ([1, 1, 2, 2, 3, 3], 7)


@given(fps=st.integers(1, 60), speed=st.floats(0.1, 10))
@example(fps=4, speed=4.923828125)  # 39 frames a second, each twice, are 0.99 % slower and 1.002 % longer
def test_without_a_smoother_it_is_as_fast_as_was_asked(fps, speed):
    """As near as whole frames a second allow, of which each frame is shown up to ten times."""
    assume(fps * speed <= 120)  # no clip has more
    clip = Shape(num_frames=8, size=(48, 32), fps=fps)
    made = plan_clip(Finishing(speed=speed), clip)
    assert made.seconds == pytest.approx(clip.seconds / speed, rel=0.01 if fps * speed >= 10 else 0.06)


@pytest.mark.parametrize("loop", ["none", "pingpong", "crossfade"])
@pytest.mark.parametrize("smooth", ["", "2x", "10", "28"])
@pytest.mark.parametrize("speed", [0.5, 1.0, 1.3])
def test_there_are_as_many_frames_as_were_promised(loop, smooth, speed):
    what = Finishing(loop=loop, smooth=smooth, speed=speed, crossfade=3, hold_first=0.3)
    clip = Shape(num_frames=9, size=(48, 32), fps=7)
    tools = Tools(smoother=Motion if smooth else None)
    frames, fps, _ = finish_frames(np.resize(clips.make_pan(2), (9, 32, 48, 3)), 7, what, tools, ignore)
    made = plan_clip(what, clip)
    assert (len(frames), fps) == (made.num_frames, made.fps)


def test_a_loop_is_smoothed_from_its_end_to_its_beginning():
    frames, _, _ = finish(clips.make_pan(2), Tools(smoother=Motion), smooth="2x", loop="pingpong")
    assert len(frames) == 2 * 18
    assert np.array_equal(frames[::2], finish(clips.make_pan(2), loop="pingpong")[0])
    again, _, _ = finish(frames, Tools(smoother=Motion), fps=14, smooth="2x", closed=True)
    assert len(again) == 2 * 36


def test_the_best_cut_says_which_frames_it_took():
    frames, _, notes = finish(make_numbered(1).repeat(10, axis=0), loop="cut")
    assert len(frames) == 9
    assert notes == ("The best loop is of frames 1 to 9, 9 of 10.",)


def test_frames_are_enlarged_to_the_very_size_and_flicker_is_told():
    frames, _, notes = finish(clips.make_pan(2), Tools(upscaler=enlarge_by_lanczos), upscale="lanczos", scale=1.5)
    assert frames.shape == (10, 192, 288, 3)
    (said,) = notes
    assert said.startswith("Flicker was 0.")
    assert " % (steady) before it was enlarged, and is 0." in said


def test_an_upscaler_that_flickers_is_told_on():
    states = iter([False, True] * 50)

    def enlarge_with_flicker(picture, scale):
        brighter = 12 * next(states)
        return enlarge_by_lanczos(picture, scale).point(lambda value: min(255, value + brighter))

    _, _, (said,) = finish(clips.make_pan(2), Tools(upscaler=enlarge_with_flicker), upscale="lanczos")
    assert "(flickers)" in said


def test_a_size_crops_and_says_so():
    frames, _, notes = finish(clips.make_pan(2), size="96x96")
    assert frames.shape == (10, 96, 96, 3)
    assert notes == ("Cropped 17 % from the left and 17 % from the right to fit 96x96.",)


def test_every_frame_is_reported_and_a_stop_ends_the_work():
    seen = []

    def report(stage, done, total):
        seen.append((stage, done, total))
        if done == 3:
            raise Interrupted("Stopped.")

    with pytest.raises(Interrupted):
        finish(clips.make_pan(2), Tools(upscaler=enlarge_by_lanczos), report=report, upscale="lanczos")
    assert seen == [(Stage.ENLARGING, number, 10) for number in (1, 2, 3)]


@pytest.mark.parametrize(("width", "height", "scale"), [(101, 75, 2), (100, 60, 1.5), (64, 48, 1), (7, 5, 3.3)])
def test_whatever_an_upscaler_gives_the_size_is_right(width, height, scale):
    """Web UIs round to multiples of 8."""

    def enlarge_and_round(picture, by):
        return picture.resize((int(picture.width * by) // 8 * 8 or 8, int(picture.height * by) // 8 * 8 or 8))

    frames = np.zeros((2, height, width, 3), np.uint8)
    made = enlarge_frames(frames, scale, enlarge_and_round, lambda done, total: None)
    assert made.shape[1:3] == (round(height * scale), round(width * scale))


def test_an_upscaler_that_is_not_there_is_a_sentence(tmp_path):
    there = make_fake_host(tmp_path).upscalers
    assert list_upscalers(there) == ["lanczos"]
    assert find_upscaler("Lanczos", there)(Image.new("RGB", (4, 4)), 2).size == (8, 8)
    with pytest.raises(BadRequest, match="There is no upscaler 'x', there is lanczos: choose of these, or put a"):
        find_upscaler("x", there)
