"""Frames larger, one by one: by Lanczos, or by an upscaler of the program around us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from PIL import Image

from lib_svd import images
from lib_svd.clip import Frames
from lib_svd.ports import Upscalers

LANCZOS = "lanczos"
Report = Callable[[int, int], None]
"""Told how many of how many frames are done; may raise, and then the work ends."""


class Upscaler(Protocol):
    """Makes one picture larger."""

    def __call__(self, picture: Image.Image, scale: float, /) -> Image.Image:
        """Give the picture, RGB, about `scale` times as large; of any size that is not smaller."""
        ...


def list_upscalers(there: Upscalers) -> list[str]:
    """List all that can be asked for: Lanczos, and what the program around us has."""
    return [LANCZOS, *there.list_names()]


def find_upscaler(name: str, there: Upscalers) -> Upscaler:
    """Find the upscaler of that name, in whatever letters.

    Raises:
        BadRequest: there is none, or it cannot be used here; the text names those that there are.
    """
    if name.lower() == LANCZOS:
        return _enlarge_by_lanczos
    known = there.find_name(name)
    return lambda picture, scale: there.enlarge(known, picture, scale)


def compute_enlarged_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Work out width and height of frames that were so large, enlarged."""
    width, height = (round(side * scale) for side in size)
    return width, height


def enlarge_frames(frames: Frames, scale: float, upscaler: Upscaler, report: Report) -> Frames:
    """Enlarge every frame by an upscaler, and by Lanczos to the very size where that gives another one.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        scale: times as large, 1 or more; see `compute_enlarged_size`.
        upscaler: makes one larger.
        report: told after each frame.

    Raises:
        SvdError: the upscaler failed.
        whatever `report` raises.
    """
    size = compute_enlarged_size((frames.shape[2], frames.shape[1]), scale)
    return _map_frames(frames, size, lambda picture: _resize_exactly(upscaler(picture, scale), size), report)


def fit_frames(frames: Frames, size: tuple[int, int], fit: str, report: Report) -> tuple[Frames, tuple[str, ...]]:
    """Bring every frame to a width and height, as pictures are, and say what is to be said of it: `images.fit_picture`.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        size: width and height, pixels.
        fit: crop, letterbox or stretch.
        report: told after each frame.
    """

    def fit_one(picture: Image.Image) -> images.Fitted:
        return images.fit_picture(picture, size, fit, images.View())

    notes = fit_one(Image.fromarray(frames[0])).notes
    return _map_frames(frames, size, lambda picture: fit_one(picture).image, report), notes


def _map_frames(
    frames: Frames, size: tuple[int, int], work: Callable[[Image.Image], Image.Image], report: Report
) -> Frames:
    made = np.empty((len(frames), size[1], size[0], 3), np.uint8)
    for number, frame in enumerate(frames):
        made[number] = np.asarray(work(Image.fromarray(frame)).convert("RGB"))
        report(number + 1, len(frames))
    return made


def _enlarge_by_lanczos(picture: Image.Image, scale: float) -> Image.Image:
    return _resize_exactly(picture, compute_enlarged_size(picture.size, scale))


def _resize_exactly(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
