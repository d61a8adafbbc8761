"""What may go wrong with a picture, before a clip is made of it: each with its measure and a remedy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib_svd.errors import spell
from lib_svd.images.fit import SOFT_FROM, Box, Fitted, View

Grey = npt.NDArray[np.float64]
T = TypeVar("T", np.float32, np.float64)

LOOKED_AT = 512  # pixels of the longer side at which sharpness and edges are measured
BLURRED = 40.0  # variance of the Laplacian of grey 0..255 below which a picture looks blurred
CONTRAST = 30.0  # deviation of grey levels; the Laplacian of a picture with less is smaller by that
EDGE, BUSY = 60.0, 0.2  # gradient of an edge, grey levels a pixel; share of edges from which a picture is busy
CUT_OFF = 0.3  # share of the picture that a crop takes away
DARK, BRIGHT = 45.0, 215.0  # mean grey
CLIPPED = 0.15  # share of pixels that are quite black or quite white
SALIENCY_SIDE = 64  # pixels at which the subject is looked for
SUBJECT = 0.9  # of what strikes the eye is in the subject's box
SMALL_SUBJECT = 0.06  # share of the picture
MARGIN = 1.8  # how much wider than the subject a tighter crop is
CLOSEST = 8.0  # zoom


@dataclass(frozen=True, kw_only=True)
class Concern:
    """One thing that may go wrong."""

    name: str  # small, blurred, busy, shape, subject, background, dark, bright, clipped
    value: float  # the measure
    text: str  # what it means
    remedy: str  # what to do


def check_picture(
    image: Image.Image, fitted: Fitted, *, is_transparent: bool = False, is_placed: bool = False
) -> tuple[Concern, ...]:
    """Look at an RGB picture as it was fitted; well under a second.

    Args:
        image: the whole picture.
        fitted: what of it goes in.
        is_transparent: whether a background shows through, which is then to blame for what is dark or bright.
        is_placed: whether it is an object before a background that the model wants so, however bright.
    """
    seen = image.crop(_round_to_pixels(fitted.box))
    grey = _convert_to_grey(seen, LOOKED_AT)
    light = () if is_placed else _check_light(grey)
    if light and is_transparent:
        text, remedy = "The background behind its transparent parts fills much of it.", "Choose another background."
        light = (Concern(name="background", value=light[0].value, text=text, remedy=remedy),)
    return (*_check_size(image, fitted), *_check_sharpness(grey), *light, *_check_subject(seen))


def find_subject(image: Image.Image) -> Box:
    """Find where what strikes the eye is: left, top, right, bottom, each 0..1 of the picture.

    The spectral residual of Hou and Zhang (2007): what is unlike the rest of the spectrum.
    """
    grey = np.asarray(image.convert("L").resize((SALIENCY_SIDE, SALIENCY_SIDE), Image.Resampling.BOX), float)
    window = np.hanning(SALIENCY_SIDE + 2)[1:-1] ** 0.5  # else the step from border to border strikes most
    spectrum = np.fft.fft2((grey - grey.mean()) * np.outer(window, window))
    log = np.log(np.abs(spectrum) + 1e-3)
    back = np.fft.ifft2(np.exp(log - _average_box(log, 1) + 1j * np.angle(spectrum)))
    map_ = np.abs(back) ** 2
    for _ in range(3):  # three boxes are nearly a Gaussian
        map_ = _average_box(map_, 2)
    map_ = np.clip(map_ - map_.mean() - map_.std(), 0, None)
    left, right = _find_middle(map_.sum(0))
    top, bottom = _find_middle(map_.sum(1))
    return left, top, right, bottom


def find_tighter_crop(image: Image.Image, size: tuple[int, int]) -> View:
    """Find what a crop to `size` (width, height) would keep round the subject; of zoom 1 where there is nothing to
    gain.

    As wide as the subject with some room, and no smaller than `size` where the picture has so many pixels.
    """
    left, top, right, bottom = (
        side * n for side, n in zip(find_subject(image), (image.width, image.height) * 2, strict=True)
    )
    aspect = size[0] / size[1]
    widest = min(image.width, image.height * aspect)
    width = max(MARGIN * max(right - left, (bottom - top) * aspect), size[0])
    width = min(max(width, widest / CLOSEST), widest)
    x = min(max((left + right - width) / 2, 0), image.width - width)
    y = min(max((top + bottom - width / aspect) / 2, 0), image.height - width / aspect)
    centre = ((x + width / 2) / image.width, (y + width / aspect / 2) / image.height)
    zoom = max(1.0, math.floor(100 * widest / width) / 100)
    return View(round(centre[0], 3), round(centre[1], 3), zoom)


def _check_size(image: Image.Image, fitted: Fitted) -> tuple[Concern, ...]:
    left, top, right, bottom = fitted.box
    found = []
    scale = max(fitted.image.width / (right - left), fitted.image.height / (bottom - top))
    if scale > SOFT_FROM:
        text = f"It has to be enlarged {scale:.1f} times, so the clip will be soft."
        found.append(Concern(name="small", value=scale, text=text, remedy="Use a larger picture, or upscale it first."))
    shapes = (right - left) / (bottom - top), image.width / image.height
    lost = 1 - min(shapes) / max(shapes)  # of the largest crop, however far it is zoomed in
    if lost > CUT_OFF:
        text = f"Its shape is far from the clip's: {100 * lost:.0f} % of it is cut away."
        size, crop = spell("a size", "a --size"), spell("what the crop keeps in view", "--focus-x and --focus-y")
        remedy = f"Choose {size} of the picture's shape, or set {crop}."
        found.append(Concern(name="shape", value=lost, text=text, remedy=remedy))
    return tuple(found)


def laplacian(grey: npt.NDArray[T]) -> npt.NDArray[T]:
    """Add up the four neighbours less four times the pixel: `[H, W]` to `[H - 2, W - 2]`, without the border."""
    return grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]


def _check_sharpness(grey: Grey) -> tuple[Concern, ...]:
    blur = float(laplacian(grey).var())
    if blur <= BLURRED * min(1.0, float(grey.std()) / CONTRAST) ** 2:  # what is dark or pale is not blurred by that
        remedy = "Use a sharper picture; the model makes what is blurred wobble."
        return (Concern(name="blurred", value=blur, text="It is blurred, or has hardly any detail.", remedy=remedy),)
    slopes = np.hypot(grey[1:-1, 2:] - grey[1:-1, :-2], grey[2:, 1:-1] - grey[:-2, 1:-1])
    edges = float((slopes > EDGE).mean())
    if edges > BUSY:
        text = f"It is busy: {100 * edges:.0f} % of it are edges, and fine detail flickers."
        remedy = f"Crop to one subject, and lower {spell('Motion', '--motion')}."
        return (Concern(name="busy", value=edges, text=text, remedy=remedy),)
    return ()


def _check_light(grey: Grey) -> tuple[Concern, ...]:
    mean, clipped = float(grey.mean()), float(((grey < 3) | (grey > 252)).mean())
    if mean < DARK:
        remedy = "Brighten it first: in the dark there is little to move."
        return (Concern(name="dark", value=mean, text="It is very dark.", remedy=remedy),)
    if mean > BRIGHT:
        return (Concern(name="bright", value=mean, text="It is very bright.", remedy="Darken it first."),)
    if clipped > CLIPPED:
        text = f"{100 * clipped:.0f} % of it are quite black or quite white, with no detail left."
        return (Concern(name="clipped", value=clipped, text=text, remedy="Lower its contrast, or its exposure."),)
    return ()


def _check_subject(image: Image.Image) -> tuple[Concern, ...]:
    left, top, right, bottom = find_subject(image)
    share = (right - left) * (bottom - top)
    if share >= SMALL_SUBJECT:
        return ()
    text = f"Its subject seems small: {100 * share:.0f} % of the picture."
    return (Concern(name="subject", value=share, text=text, remedy="Crop tighter round it: clear subjects move best."),)


def _convert_to_grey(image: Image.Image, side: int) -> Grey:
    """Give levels 0..255, made smaller until the longer side has so many pixels."""
    grey = image.convert("L")
    grey.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(grey, float)


def _round_to_pixels(box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return int(left), int(top), max(int(left) + 3, round(right)), max(int(top) + 3, round(bottom))


def _average_box(values: Grey, radius: int) -> Grey:
    """Take the mean over a square of that radius, the borders going round as the spectrum does."""
    for axis in (0, 1):
        values = np.mean([np.roll(values, shift, axis) for shift in range(-radius, radius + 1)], 0)
    return values


def _find_middle(weights: Grey) -> tuple[float, float]:
    """Find between which shares of a side the middle SUBJECT of the weight lies."""
    if weights.sum() == 0:
        return 0.0, 1.0
    risen = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    places = np.linspace(0, 1, len(risen))
    low, high = np.interp(((1 - SUBJECT) / 2, (1 + SUBJECT) / 2), risen, places)
    return float(low), float(high)
