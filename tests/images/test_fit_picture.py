"""What a user sees of the picture after it was cropped, letterboxed or stretched to the working size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib_svd.errors import BadRequest
from lib_svd.images import View, convert_to_tensor, fit_picture
from lib_svd.settings import FITS

MIDDLE = View()
HD = (1024, 576)


def make_noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def make_ramp(width: int, height: int) -> Image.Image:
    """Red tells x, green tells y: a pixel says where in the picture it comes from."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return Image.fromarray((np.stack([x, y, 0 * x], -1) * 255).round().astype(np.uint8))


@pytest.mark.parametrize("mode", FITS)
@pytest.mark.parametrize("picture", [(600, 900), (1920, 1080), (64, 64), (4000, 250), (1023, 577)])
def test_every_way_of_fitting_gives_exactly_the_size(mode: str, picture: tuple[int, int]) -> None:
    fitted = fit_picture(make_noise(*picture), (256, 144), mode, MIDDLE)
    assert (fitted.image.size, fitted.image.mode) == ((256, 144), "RGB")
    left, top, right, bottom = fitted.box
    assert 0 <= left < right <= picture[0]
    assert 0 <= top < bottom <= picture[1]


@pytest.mark.parametrize("mode", FITS)
def test_a_picture_of_the_right_size_keeps_every_pixel(mode: str) -> None:
    fitted = fit_picture(make_noise(*HD), HD, mode, View(0.1, 0.9))
    assert fitted.image.tobytes() == make_noise(*HD).tobytes()
    assert fitted.box == (0, 0, *HD)
    assert fitted.notes == ()


def test_an_unknown_way_of_fitting_is_refused() -> None:
    with pytest.raises(BadRequest, match="crop, letterbox, stretch, not 'squeeze'"):
        fit_picture(make_noise(64, 64), HD, "squeeze", MIDDLE)


def test_cropping_says_how_much_went_from_where() -> None:
    assert fit_picture(make_noise(1280, 576), HD, "crop", MIDDLE).notes == (
        "Cropped 10 % from the left and 10 % from the right to fit 1024x576.",
    )
    assert fit_picture(make_noise(1024, 1152), HD, "crop", View(0.5, 0)).notes == (
        "Cropped 50 % from the bottom to fit 1024x576.",
    )


def test_a_crop_nobody_would_see_is_not_mentioned() -> None:
    assert fit_picture(make_noise(1366, 768), HD, "crop", MIDDLE).notes == ()


@pytest.mark.parametrize(("focus", "left"), [(0.0, 0), (0.1, 0), (0.5, 250), (0.7, 450), (0.95, 500), (1.0, 500)])
def test_the_focus_is_as_near_the_middle_as_the_borders_allow(focus: float, left: float) -> None:
    box = fit_picture(make_ramp(1000, 500), (200, 200), "crop", View(focus)).box
    assert box == pytest.approx((left, 0, left + 500, 500))


def test_the_crop_shows_the_part_that_its_box_tells() -> None:
    fitted = fit_picture(make_ramp(1000, 500), (200, 200), "crop", View(0.7))
    seen = np.asarray(fitted.image)[100, :, 0] / 255 * 1000  # source x of each column
    assert seen == pytest.approx(np.linspace(*fitted.box[::2], 200), abs=5)


@settings(max_examples=60, deadline=None, database=None)
@given(
    picture=st.tuples(st.integers(64, 700), st.integers(64, 700)),
    size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    view=st.builds(View, st.floats(0, 1), st.floats(0, 1), st.just(1.0) | st.floats(1, 8)),
)
def test_a_crop_keeps_the_focus_the_aspect_and_all_it_can(
    picture: tuple[int, int], size: tuple[int, int], view: View
) -> None:
    size = (size[0] * 8, size[1] * 8)
    left, top, right, bottom = fit_picture(Image.new("RGB", picture), size, "crop", view).box
    assert 0 <= left <= view.focus_x * picture[0] <= right + 1e-6
    assert 0 <= top <= view.focus_y * picture[1] <= bottom + 1e-6
    assert right <= picture[0]
    assert bottom <= picture[1]
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1])
    largest = max((right - left) / picture[0], (bottom - top) / picture[1])
    assert largest == pytest.approx(1 / view.zoom)


def test_a_zoom_keeps_a_smaller_part_and_says_what_that_costs() -> None:
    fitted = fit_picture(make_ramp(*HD), HD, "crop", View(0.5, 0.5, 2))
    assert fitted.box == (256, 144, 768, 432)
    middle = np.asarray(fitted.image)[288, :, 0] / 255
    assert middle == pytest.approx(np.linspace(0.25, 0.75, 1024), abs=5e-3)
    assert fitted.notes[0].startswith("Cropped 25 % from the left")
    assert fitted.notes[-1].startswith("Enlarged 2.0 times")


def test_reducing_does_not_alias() -> None:
    checks = Image.fromarray((np.indices((1024, 1024)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    inside = np.asarray(fit_picture(checks, (200, 200), "crop", MIDDLE).image)[8:-8, 8:-8].astype(int)
    assert abs(inside - 127.5).max() < 8


def test_letterbox_shows_all_of_the_picture_in_the_middle() -> None:
    fitted = fit_picture(make_ramp(400, 800), (512, 256), "letterbox", View(0, 0))
    shown = np.asarray(fitted.image)[:, 192:320].astype(float)  # 128 of 512 columns
    assert fitted.box == (0, 0, 400, 800)
    assert np.abs(shown - np.asarray(make_ramp(128, 256))).max() <= 3
    assert fitted.notes == ("Blurred bars at the left and right fill 75 % of 512x256.",)


def test_the_bars_of_a_letterbox_are_smooth_and_of_the_pictures_colours() -> None:
    picture = make_noise(200, 400)
    bars = np.asarray(fit_picture(picture, (512, 256), "letterbox", MIDDLE).image)[:, :190].astype(float)
    assert bars.std() < 12
    assert bars.mean() == pytest.approx(np.asarray(picture).mean(), abs=6)


def test_a_wide_picture_gets_bars_above_and_below() -> None:
    assert "top and bottom" in fit_picture(make_ramp(800, 200), (512, 256), "letterbox", MIDDLE).notes[0]


def test_a_letterbox_of_the_same_aspect_has_no_bars() -> None:
    fitted = fit_picture(make_ramp(2048, 1152), HD, "letterbox", MIDDLE)
    assert fitted.image.tobytes() == fit_picture(make_ramp(2048, 1152), HD, "crop", MIDDLE).image.tobytes()
    assert fitted.notes == ()


def test_stretch_shows_all_of_the_picture_edge_to_edge() -> None:
    fitted = fit_picture(make_ramp(400, 800), (400, 400), "stretch", View(0, 0))
    assert np.abs(np.asarray(fitted.image).astype(float) - np.asarray(make_ramp(400, 400))).max() <= 3
    assert fitted.box == (0, 0, 400, 800)
    assert fitted.notes == ("Stretched 100 % wider to fit 400x400.",)


def test_stretching_the_other_way_is_told_apart() -> None:
    assert "50 % taller" in fit_picture(make_ramp(600, 400), (400, 400), "stretch", MIDDLE).notes[0]


@pytest.mark.parametrize("mode", FITS)
def test_a_small_picture_is_said_to_give_a_soft_clip(mode: str) -> None:
    assert fit_picture(make_noise(512, 288), HD, mode, MIDDLE).notes == (
        "Enlarged 2.0 times, which makes a soft clip; a picture of 1024x576 or more is sharper.",
    )
    assert fit_picture(make_noise(768, 432), HD, mode, MIDDLE).notes == ()


def test_the_tensor_is_the_pixels_in_minus_one_to_one() -> None:
    picture = make_noise(96, 64)
    x = convert_to_tensor(picture)
    u8 = torch.from_numpy(np.array(picture))
    assert (x.shape, x.dtype) == ((1, 3, 64, 96), torch.float32)
    assert torch.equal(x[0].permute(1, 2, 0), u8.float() / 255 * 2 - 1)
    assert (x.min().item(), x.max().item()) == (-1, 1)


def test_the_tensor_is_rgb_and_rows_run_down() -> None:
    picture = Image.new("RGB", (96, 64), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 32, 96, 64))
    x = convert_to_tensor(picture)
    assert x[0, :, 0, 0].tolist() == [1, -1, -1]
    assert x[0, :, 63, 0].tolist() == [-1, -1, 1]
