"""Frames between frames: which places there are, what stays, what is never blended."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_svd.errors import BadRequest, Interrupted
from lib_svd.finish import smooth
from lib_svd.finish.smooth import smooth_frames
from tests.finish.motions import Blend, Liar, make_counted, read_photo

RATES = st.one_of(st.integers(1, 120), st.sampled_from([23.976, 29.97, 59.94, 12.5, 7.3]))


@pytest.mark.parametrize(
    ("num_frames", "fps", "to_fps", "closed", "expected"),
    [
        (25, 7, 14, False, 49),
        (25, 7, 14, True, 50),
        (25, 7, 28, False, 97),
        (25, 7, 28, True, 100),
        (25, 7, 7, False, 25),
        (14, 7, 60, False, 113),
        (2, 7, 14, False, 3),
        (1, 7, 14, False, 1),
        (1, 7, 14, True, 2),
    ],
)
def test_how_many_frames_there_are(num_frames, fps, to_fps, closed, expected):
    assert len(smooth_frames(make_counted(num_frames), fps, to_fps, Blend(), closed=closed)) == expected


@pytest.mark.parametrize("speed", [1, 0.5, 0.3, 1.5])
@pytest.mark.parametrize(("fps", "to_fps"), [(7, 14), (7, 28), (7, 16), (7, 24), (7, 30), (24, 7), (25, 23.976)])
def test_every_frame_shows_what_was_there_at_its_time(fps, to_fps, speed):
    made = smooth_frames(make_counted(20), fps, to_fps, Blend(), speed=speed)[:, 0, 0, 0]
    shown = 10 * np.arange(len(made) - 1) * fps * speed / to_fps
    assert np.abs(made[:-1] - shown).max() < 0.52  # rounded to a level
    assert shown[-1] < 190 <= shown[-1] + 10 * fps * speed / to_fps + 1e-3
    assert made[-1] == 190


@pytest.mark.parametrize(("fps", "to_fps"), [(7, 14), (7, 28), (7, 16), (7, 30)])
def test_a_loop_goes_on_from_its_last_frame_to_its_first(fps, to_fps):
    made = smooth_frames(make_counted(8), fps, to_fps, Blend(), closed=True)[:, 0, 0, 0]
    places = np.arange(len(made)) * fps / to_fps
    assert np.abs(made - np.interp(places, range(9), [*range(0, 80, 10), 0])).max() < 0.52
    assert 8 - fps / to_fps <= places[-1] < 8


@given(
    num_frames=st.integers(1, 9),
    fps=RATES,
    to_fps=RATES,
    speed=st.sampled_from([1, 0.5, 0.25, 2, 1.7]),
    closed=st.booleans(),
)
def test_what_is_at_a_whole_place_stays_to_the_bit_and_both_ends_are_there(num_frames, fps, to_fps, speed, closed):
    frames = make_counted(num_frames)
    made = smooth_frames(frames, fps, to_fps, Liar(), speed=speed, closed=closed)
    assert np.array_equal(made[0], frames[0])
    if not closed:
        assert np.array_equal(made[-1], frames[-1])
    if all(isinstance(each, int) for each in (fps, to_fps)):
        for number, frame in enumerate(made if closed else made[:-1]):
            place = number * Fraction(fps) * Fraction(str(speed)) / to_fps
            if place.denominator == 1 and place < num_frames:
                assert np.array_equal(frame, frames[int(place)])


def test_all_originals_are_there_at_twice_and_four_times_the_rate():
    frames = np.stack([read_photo(0, 64 + t, 48)[:, t:] for t in range(9)])
    for times in (2, 4):
        for closed in (False, True):
            assert np.array_equal(smooth_frames(frames, 7, 7 * times, Liar(), closed=closed)[::times], frames)


def cut(closed: bool = False):
    """Four frames of one photograph, then five of another, at four times the rate; a loop ends with the first one."""
    frames = np.stack(
        [read_photo(0, 80 + t, 60)[:, t:] for t in range(4)] + [read_photo(1, 80 + t, 60)[:, t:] for t in range(5)]
    )
    liar = Liar()
    return frames, smooth_frames(frames, 7, 28, liar, closed=closed), liar


def test_across_a_cut_the_nearer_frame_is_repeated():
    frames, made, _ = cut()
    assert len(made) == 33
    for number, source in [(13, 3), (14, 4), (15, 4)]:
        assert np.array_equal(made[number], frames[source])


def test_each_scene_is_filled_on_its_own():
    _, made, liar = cut()
    quarters = [Fraction(number, 4) for number in range(17)]
    assert liar.asked == [(4, quarters[:12]), (5, quarters[:16])]  # the last frame of a scene needs nobody
    assert all((made[number] == 77).all() for number in (1, 11, 17, 31))


def test_a_loop_with_a_cut_at_its_end_is_not_blended_there():
    frames, made, _ = cut(closed=True)
    assert len(made) == 36
    for number, source in [(32, 8), (33, 8), (34, 0), (35, 0)]:
        assert np.array_equal(made[number], frames[source])


def test_scenes_of_a_single_frame_need_nobody():
    frames = np.stack([read_photo(number) for number in (0, 1)])
    made = smooth_frames(frames, 7, 28, Liar())
    assert [int((frame == frames[1]).all()) for frame in made] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("value", [0, -7, math.inf, math.nan])
@pytest.mark.parametrize("which", ["fps", "to_fps", "speed"])
def test_what_is_no_rate_is_refused(which, value):
    asked = {"fps": 7, "to_fps": 14, "speed": 1, which: value}
    with pytest.raises(BadRequest, match=r"is (0|-7|inf|nan): give a number above 0\.$"):
        smooth_frames(make_counted(3), asked["fps"], asked["to_fps"], Blend(), speed=asked["speed"])


def test_a_rate_beyond_all_sense_is_refused():
    with pytest.raises(BadRequest, match="choose fewer"):
        smooth_frames(make_counted(3), 7, 7_000_000, Blend())


def test_what_does_not_fit_in_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(smooth, "MOST_BYTES", 5 * 8 * 8 * 3)
    assert len(smooth_frames(make_counted(3), 7, 14, Blend())) == 5
    with pytest.raises(BadRequest, match=r"^6 frames of 8x8 are too many .*: choose fewer frames a second"):
        smooth_frames(make_counted(3), 7, 14, Liar(), closed=True)


def test_every_frame_is_told():
    told: list[tuple[int, int]] = []
    smooth_frames(make_counted(4), 7, 14, Blend(), report=lambda *done: told.append(done))
    assert told == [(number, 7) for number in range(1, 8)]


def test_who_is_told_can_stop_it_and_the_smoother_ends_at_once():
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Interrupted("Smoothing was stopped.")

    blend = Blend()
    with pytest.raises(Interrupted) as stopped:
        smooth_frames(make_counted(4), 7, 14, blend, report=stop)
    assert blend.is_closed
    del stopped
