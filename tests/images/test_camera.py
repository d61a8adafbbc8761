"""A camera over a picture sees its real pixels as far as there are any, goes evenly, and begins with the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lib_svd.images import Shot, View, fit_picture, plan_path, plan_shot
from lib_svd.request import ClipRequest
from lib_svd.settings import CAMERAS

MOVES = [move for move in CAMERAS if move != "free"]


@pytest.fixture
def picture() -> Image.Image:
    """192x96, no two pixels alike, smooth enough to be seen at half its size."""
    y, x = np.mgrid[:96, :192]
    waves = [
        127 + 60 * np.sin(x / a + y / b) + 60 * np.cos(y / c - x / 31)
        for a, b, c in ((7, 11, 5), (9, 6, 8), (5, 9, 13))
    ]
    return Image.fromarray(np.stack(waves, -1).clip(0, 255).astype(np.uint8))


def plan(picture: Image.Image, move: str, strength: float, fit: str = "crop", **view: float) -> Shot:
    """Over five frames of 64x96."""
    request = ClipRequest(camera=move, camera_strength=strength, num_frames=5, fit=fit, **view)
    shot = plan_shot(picture, fit_picture(picture, (64, 96), fit, View.of(request)), request)
    assert shot is not None
    return shot


def film(*given, **more) -> list[np.ndarray]:
    return [np.asarray(frame).astype(int) for frame in plan(*given, **more).film()]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("fit", ["crop", "letterbox", "stretch"])
def test_every_camera_begins_with_the_picture_and_keeps_its_size(picture, move: str, fit: str) -> None:
    frames = film(picture, move, 30, fit)

    assert np.array_equal(frames[0], np.asarray(fit_picture(picture, (64, 96), fit, View()).image))
    assert {frame.shape for frame in frames} == {(96, 64, 3)}


def test_a_pan_shows_the_pixels_that_the_crop_left_out(picture) -> None:
    pixels, frames = np.asarray(picture).astype(int), film(picture, "pan_right", 100)

    for t, frame in enumerate(frames):
        assert np.array_equal(frame, pixels[:, 64 + 16 * t : 128 + 16 * t])
    assert not plan(picture, "pan_right", 100).note_mirrored()


def test_the_other_way_is_the_other_way(picture) -> None:
    pixels = np.asarray(picture).astype(int)

    assert np.array_equal(film(picture, "pan_left", 50)[-1], pixels[:, 32:96])


def test_beyond_the_picture_it_is_mirrored_and_that_is_said(picture) -> None:
    last = film(picture, "pan_down", 25)[-1]

    assert np.array_equal(last[:72], np.asarray(picture).astype(int)[24:, 64:128])
    assert np.array_equal(last[72:], last[:72][::-1][:24])
    (note,) = plan(picture, "pan_down", 25).note_mirrored()
    assert "25 % beyond the picture" in note


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_what_is_not_cropped_has_nothing_beyond(picture, fit: str) -> None:
    (note,) = plan(picture, "pan_left", 50, fit).note_mirrored()

    assert "50 % beyond" in note


def test_a_zoom_ends_where_a_tighter_crop_would_be(picture) -> None:
    closer = np.asarray(fit_picture(picture, (64, 96), "crop", View(zoom=2)).image).astype(int)
    wider = np.asarray(picture.crop((64, 0, 128, 96)).resize((32, 48), Image.Resampling.LANCZOS)).astype(int)

    assert np.abs(film(picture, "zoom_in", 100)[-1] - closer)[4:-4, 4:-4].max() <= 1
    assert np.abs(film(picture, "zoom_out", 100)[-1][24:72, 16:48] - wider)[4:-4, 4:-4].max() <= 1


def test_a_zoom_is_even_in_ratios() -> None:
    scales = plan_path("zoom_in", 44, 3)[:, 0, 0]

    assert scales == pytest.approx([1, 1 / 1.2, 1 / 1.44])


def test_an_orbit_leaves_the_middle_and_takes_near_and_far_apart(picture) -> None:
    """To the right: what is near goes to the left, what is far to the right, 10 % of the width each."""
    frames, pixels = film(picture, "orbit_right", 20), np.asarray(picture).astype(float)
    rows = np.arange(96)
    shifted = [64 + 64 * 0.2 * ((row + 0.5) / 96 - 0.5) for row in rows]
    expected = [
        [np.interp(np.arange(64) + shift, np.arange(192), pixels[row, :, c]) for c in range(3)]
        for row, shift in zip(rows, shifted, strict=True)
    ]

    assert shifted[-1] - shifted[0] == pytest.approx(12.8, abs=0.2)
    assert np.abs(frames[-1] - np.transpose(expected, (0, 2, 1))).mean() < 1.5
