"""Where a user sees a cut, and where not."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from lib_svd.finish.cuts import find_cuts
from tests.finish.motions import PICTURES, make_moving, read_photo


def make_pan(step: int, num_frames: int = 6, number: int = 0, width: int = 128, height: int = 96):
    """The camera goes right over a photograph by so many pixels a frame."""
    wide = read_photo(number, width + step * num_frames, height)
    return [wide[:, step * t : step * t + width] for t in range(num_frames)]


def light_up(frame, light: float):
    return np.clip(frame * light, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("one", "other"), permutations(range(len(PICTURES)), 2))
def test_from_one_photograph_to_another_is_a_cut(one, other):
    assert find_cuts([*make_pan(1, number=one), *make_pan(1, number=other)]) == [6]


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_between_two_single_photographs_there_is_a_cut(number):
    assert find_cuts([read_photo(number), read_photo(number - 1)]) == [1]


def test_from_a_whole_to_a_part_of_it_is_a_cut():
    whole = read_photo(width=640, height=480)
    part = Image.fromarray(whole[60:220, 300:500]).resize((640, 480), Image.Resampling.LANCZOS)
    assert find_cuts([whole] * 3 + [np.asarray(part)] * 3) == [3]


def test_every_one_of_several_cuts_is_found():
    assert find_cuts([*make_pan(2, 4, 0), *make_pan(2, 3, 1), *make_pan(2, 5, 2)]) == [4, 7]


@pytest.mark.parametrize("number", range(len(PICTURES)))
@pytest.mark.parametrize("step", [0, 1, 4, 10, 16])
def test_motion_is_no_cut_be_it_an_eighth_of_the_picture_a_frame(number, step):
    assert find_cuts(make_pan(step, number=number)) == []


def test_motion_that_begins_at_once_is_no_cut():
    assert find_cuts([*[make_pan(12)[0]] * 4, *make_pan(12)]) == []


def test_motion_of_nearly_all_of_the_picture_a_frame_is_no_cut_as_it_goes_on():
    assert find_cuts(make_pan(100)) == []


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_steady_flicker_is_no_cut(number):
    assert find_cuts([light_up(frame, 1 if t % 2 else 0.6) for t, frame in enumerate(make_pan(2, number=number))]) == []
    assert find_cuts([light_up(frame, 1 - 0.3 * (t % 3 == 0)) for t, frame in enumerate(make_pan(2, 8, number))]) == []


def test_two_pictures_in_turn_are_flicker():
    assert find_cuts([read_photo(t % 2) for t in range(8)]) == []


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_light_that_changes_once_is_no_cut(number):
    assert (
        find_cuts([*make_pan(2, number=number), *(light_up(frame, 0.7) for frame in make_pan(2, number=number))]) == []
    )


def test_a_fade_is_no_cut():
    before, after = read_photo(0).astype(float), read_photo(1)
    assert find_cuts([np.round(before + (after - before) * t / 8).astype(np.uint8) for t in range(9)]) == []


def test_noise_on_a_still_picture_is_no_cut():
    drawn = np.random.default_rng(0)
    noisy = [np.clip(read_photo() + drawn.normal(0, 20, read_photo().shape), 0, 255).astype(np.uint8) for _ in range(6)]
    assert find_cuts(noisy) == []


def test_even_pictures_are_alike():
    assert find_cuts([np.full((40, 60, 3), level, np.uint8) for level in (0, 0, 30, 200, 0)]) == []


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (33, 31), (1024, 576)])
def test_any_size_and_length(size):
    assert find_cuts([]) == []
    assert find_cuts(make_moving([0], *size)) == []
    assert find_cuts(make_moving([0, 0.1, 0.2], *size)) == []
