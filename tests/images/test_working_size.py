"""`--size auto`: the picture's aspect at the model's area, on the model's grid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_svd.images import choose_working_size

NATIVE = (1024, 576)
AREA = 1024 * 576


@pytest.mark.parametrize("picture", [(1920, 1080), (1280, 720), (1366, 768), (3840, 2160), (160, 90), (1024, 576)])
@pytest.mark.parametrize("grid", [8, 64])
def test_a_picture_of_the_native_aspect_gets_the_native_size(picture: tuple[int, int], grid: int) -> None:
    assert choose_working_size(picture, NATIVE, grid) == NATIVE
    assert choose_working_size(picture[::-1], NATIVE, grid) == NATIVE[::-1]


def test_a_square_model_makes_square_clips() -> None:
    assert choose_working_size((3000, 3000), (576, 576), 64) == (576, 576)


ASPECTS = {"1:1": 1, "4:3": 4 / 3, "3:2": 3 / 2, "21:9": 21 / 9, "1:3": 1 / 3, "2:3": 2 / 3, "3:4": 3 / 4, "5:4": 5 / 4}


@pytest.mark.parametrize("aspect", ASPECTS.values(), ids=ASPECTS)
def test_common_aspects_stay_near_the_native_area_and_lose_little(aspect: float) -> None:
    picture = (round(3000 * aspect), 3000)
    width, height = choose_working_size(picture, NATIVE, 64)
    assert width % 64 == height % 64 == 0
    assert 0.85 * AREA <= width * height <= 1.05 * AREA
    assert width / height == pytest.approx(aspect, rel=0.05)
    width, height = choose_working_size(picture, NATIVE, 8)
    assert width % 8 == height % 8 == 0
    assert 0.96 * AREA <= width * height <= 1.04 * AREA
    assert width / height == pytest.approx(aspect, rel=0.006)


def test_a_panorama_is_bounded_by_its_longer_side() -> None:
    assert choose_working_size((16_000, 1000), NATIVE, 64) == (2048, 128)
    assert choose_working_size((1000, 16_000), NATIVE, 64) == (128, 2048)


def test_no_side_is_shorter_than_a_clip_may_be() -> None:
    assert choose_working_size((2340, 158), (64, 64), 8) == (128, 32)
    assert choose_working_size((158, 2340), (64, 64), 8) == (32, 128)


@settings(max_examples=60, deadline=None, database=None)
@given(
    picture=st.tuples(st.integers(64, 8000), st.integers(64, 8000)),
    native=st.sampled_from([(1024, 576), (576, 576), (768, 512), (256, 256), (64, 64)]),
    grid=st.sampled_from([16, 32, 64]),
)
def test_never_more_memory_than_the_model_was_made_for(
    picture: tuple[int, int], native: tuple[int, int], grid: int
) -> None:
    width, height = choose_working_size(picture, native, grid)
    assert width % grid == height % grid == 0
    assert max(grid, 32) <= min(width, height)
    assert max(width, height) <= 2 * max(native)
    assert width * height <= 1.05 * native[0] * native[1]
    assert choose_working_size(picture[::-1], native, grid) == (height, width)
