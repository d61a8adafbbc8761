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
        """The picture, RGB, about `scale` times as large; of any size that is not smaller."""
        ...


def upscaler_names(there: Upscalers) -> list[str]:
    """All that can be asked for: Lanczos, and what the program around us has."""
    return [LANCZOS, *there.names()]


def upscaler_called(name: str, there: Upscalers) -> Upscaler:
    """The upscaler of that name, in whatever letters.

    Raises:
        BadRequest: there is none, or it cannot be used here; the text names those that there are.
    """
    if name.lower() == LANCZOS:
        return _lanczos
    known = there.named(name)
    return lambda picture, scale: there.enlarged(known, picture, scale)


def enlarged_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Width and height of frames that were so large, enlarged."""
    width, height = (round(side * scale) for side in size)
    return width, height


def enlarged(frames: Frames, scale: float, upscaler: Upscaler, report: Report) -> Frames:
    """Every frame by an upscaler, and by Lanczos to the very size where that gives another one.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        scale: times as large, 1 or more; see `enlarged_size`.
        upscaler: makes one larger.
        report: told after each frame.

    Raises:
        SvdError: the upscaler failed.
        whatever `report` raises.
    """
    size = enlarged_size((frames.shape[2], frames.shape[1]), scale)
    return _each(frames, size, lambda picture: _exactly(upscaler(picture, scale), size), report)


def fitted(frames: Frames, size: tuple[int, int], fit: str, report: Report) -> tuple[Frames, tuple[str, ...]]:
    """Every frame brought to a width and height, as pictures are, and what is to be said of it: `images.fit_picture`.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        size: width and height, pixels.
        fit: crop, letterbox or stretch.
        report: told after each frame.
    """

    def fit_one(picture: Image.Image) -> images.Fitted:
        return images.fit_picture(picture, size, fit, images.View())

    notes = fit_one(Image.fromarray(frames[0])).notes
    return _each(frames, size, lambda picture: fit_one(picture).image, report), notes


def _each(frames: Frames, size: tuple[int, int], work: Callable[[Image.Image], Image.Image], report: Report) -> Frames:
    made = np.empty((len(frames), size[1], size[0], 3), np.uint8)
    for number, frame in enumerate(frames):
        made[number] = np.asarray(work(Image.fromarray(frame)).convert("RGB"))
        report(number + 1, len(frames))
    return made


def _lanczos(picture: Image.Image, scale: float) -> Image.Image:
    return _exactly(picture, enlarged_size(picture.size, scale))


def _exactly(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
