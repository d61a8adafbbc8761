"""Loops: no frame twice in a row, no seam where there need be none."""

from __future__ import annotations

import numpy as np
import pytest

from lib_svd.finish.loop import crossfade, find_best_cut, play_pingpong
from lib_svd.finish.retime import fit_length, hold_ends, trim_frames
from tests.review import clips


def make_numbered(count, height=8, width=12):
    """Frames that tell their number by their brightness, from 1."""
    return np.stack([np.full((height, width, 3), number + 1, np.uint8) for number in range(count)])


def read_numbers(frames):
    return frames[:, 0, 0, 0].tolist()


def measure_differences(frames):
    """Between neighbours, the last and the first too."""
    round_ = np.concatenate([frames, frames[:1]]).astype(np.int16)
    return np.abs(np.diff(round_, axis=0)).mean((1, 2, 3))


def test_pingpong_shows_neither_end_twice_in_a_row():
    assert read_numbers(play_pingpong(make_numbered(5))) == [1, 2, 3, 4, 5, 4, 3, 2]
    assert read_numbers(play_pingpong(make_numbered(3))) == [1, 2, 3, 2]


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_too_short_to_go_back_stays(count):
    assert np.array_equal(play_pingpong(make_numbered(count)), make_numbered(count))


def test_a_crossfade_leaves_no_jump():
    frames = clips.make_pan(6)
    made = crossfade(frames, 4)
    assert len(made) == len(frames) - 4
    assert np.array_equal(made[4:], frames[4:6])
    assert (
        measure_differences(made).max() < 1.2 * measure_differences(frames)[:-1].max() < measure_differences(frames)[-1]
    )


def test_a_crossfade_goes_over_in_even_steps():
    frames = np.concatenate([np.full((4, 2, 2, 3), 0, np.uint8), np.full((4, 2, 2, 3), 100, np.uint8)])
    assert read_numbers(crossfade(frames, 4)) == [80, 60, 40, 20]
    assert frames.max() == 100  # what was given is as it was
    assert read_numbers(frames) == [0] * 4 + [100] * 4


def make_turning(count, turn):
    """A thing that goes round, once in `turn` frames."""
    frames = np.full((count, 64, 96, 3), 40, np.uint8)
    for t in range(count):
        x = round(48 + 24 * np.cos(2 * np.pi * t / turn))
        y = round(32 + 20 * np.sin(2 * np.pi * t / turn))
        frames[t, y - 6 : y + 6, x - 6 : x + 6] = 220
    return frames


def test_the_best_cut_finds_where_it_comes_round():
    begin, end = find_best_cut(make_turning(25, 16))
    assert end - begin == 16


def test_the_best_cut_goes_on_in_the_same_direction():
    """A thing that swings is at a place twice in each swing: only half of them go on as they came."""
    frames = np.full((26, 48, 96, 3), 40, np.uint8)
    for t in range(26):
        x = round(48 + 30 * np.sin(2 * np.pi * t / 20))
        frames[t, 20:32, x - 6 : x + 6] = 220
    begin, end = find_best_cut(frames)
    assert end - begin == 20


def test_of_cuts_that_look_alike_the_longest_is_taken():
    assert find_best_cut(make_numbered(1).repeat(20, axis=0)) == (0, 19)


def test_the_best_cut_leaves_half_of_the_clip():
    begin, end = find_best_cut(clips.make_pan(3))
    assert end - begin >= 5


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_best_cut_of_a_few_frames_is_one(count):
    begin, end = find_best_cut(make_numbered(count))
    assert 0 <= begin < end < count


def test_four_thousand_frames_are_looked_at_in_seconds():
    frames = np.random.default_rng(0).integers(0, 255, (4000, 8, 8, 3), np.uint8)
    begin, end = find_best_cut(frames)
    assert end - begin >= 2000


def test_trimming_counts_from_one():
    assert read_numbers(trim_frames(make_numbered(9), 1, 0)) == list(range(1, 10))
    assert read_numbers(trim_frames(make_numbered(9), 3, 5)) == [3, 4, 5]
    assert read_numbers(trim_frames(make_numbered(9), 9, 0)) == [9]


def test_held_frames_are_shown_longer_at_both_ends():
    assert read_numbers(hold_ends(make_numbered(3), 2, 1)) == [1, 1, 1, 2, 3, 3]
    assert read_numbers(hold_ends(make_numbered(1), 2, 1)) == [1, 1, 1, 1]
    assert read_numbers(hold_ends(make_numbered(3), 0, 0)) == [1, 2, 3]


def test_a_clip_that_is_to_last_longer_begins_again():
    assert read_numbers(fit_length(make_numbered(3), 7)) == [1, 2, 3, 1, 2, 3, 1]
    assert read_numbers(fit_length(make_numbered(3), 2)) == [1, 2]
