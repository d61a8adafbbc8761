"""A picture brought to the size that the model works in: which size, which part, which pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS

if TYPE_CHECKING:
    import torch

MAX_AREA = 1.05  # of the native area; memory grows with it
MIN_AREA = 0.85  # of the area aimed at; the model was trained at one size and draws worse far below it
MAX_LONG_SIDE = 2  # of the native longer side, for panoramas
SOFT_FROM = 1.5  # enlargement from which a clip looks soft
BLUR = 1 / 16  # radius of the blur behind a letterbox, of the shorter side

_MODES = ("crop", "letterbox", "stretch")
Box = tuple[float, float, float, float]


class View(NamedTuple):
    """What a crop keeps of a picture."""

    focus_x: float = 0.5  # 0..1 from the left: as near the crop's middle as the borders allow
    focus_y: float = 0.5  # 0..1 from the top
    zoom: float = 1.0  # 1 and more: how many times smaller than the largest crop

    @classmethod
    def of(cls, request: ClipRequest) -> View:
        """Read what a request asks for."""
        return cls(request.focus_x, request.focus_y, request.zoom)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A picture of exactly the size asked for, and what became of the source."""

    image: Image.Image  # RGB
    box: Box  # the part of the source that is seen: left, top, right, bottom in source pixels
    notes: tuple[str, ...] = ()  # what was cropped, stretched, enlarged


def choose_working_size(picture_size: tuple[int, int], native_size: tuple[int, int], grid: int) -> tuple[int, int]:
    """Choose the (width, height) to work in, multiples of `grid`: the picture's aspect at about the model's own area.

    A picture of the native aspect gets exactly `native_size`, one of the turned aspect that size turned. The area is
    at most `MAX_AREA` of the native one, the longer side at most `MAX_LONG_SIDE` of the native longer side, and no side
    is shorter than a clip's may be: a panorama loses more of its ends to a small model.
    """
    aspect = picture_size[0] / picture_size[1]
    native_area = native_size[0] * native_size[1]
    longest = MAX_LONG_SIDE * max(native_size)
    aim = min(native_area, longest**2 * min(aspect, 1 / aspect))  # a panorama reaches the bound of its longer side
    shortest = grid * math.ceil(SETTINGS["height"].low / grid)
    sides = range(shortest, max(longest, shortest) + 1, grid)
    sizes = [(w, h) for w in sides for h in sides if w * h <= MAX_AREA * native_area]
    near = [(w, h) for w, h in sizes if w * h >= MIN_AREA * aim] or sizes or [(shortest, shortest)]

    def rate_size(size: tuple[int, int]) -> tuple[float, float, float]:
        error = abs(math.log(size[0] / size[1] / aspect))
        # In steps of 1 %, which nobody sees cropped: a fine grid must not trade area for a thousandth of aspect.
        return round(error, 2), abs(size[0] * size[1] - aim), error

    return min(near, key=rate_size)


def fit_picture(image: Image.Image, size: tuple[int, int], mode: str, view: View) -> Fitted:
    """Bring an RGB picture to `size` (width, height); one that has it already keeps every pixel, unless zoomed.

    mode: "crop" fills the size with a part of the picture; "letterbox" shows all of the picture before a blurred copy
    of itself; "stretch" shows all of it and gives up the aspect.
    view: which part a crop keeps.

    Raises:
        BadRequest: the mode is none of the three.
    """
    if mode not in _MODES:
        raise BadRequest(f"Fit must be one of {', '.join(_MODES)}, not {mode!r}.")
    if image.size == size and (view.zoom == 1 or mode != "crop"):
        return Fitted(image=image, box=(0, 0, *size))
    if mode == "crop":
        return _crop(image, size, view)
    return _letterbox(image, size) if mode == "letterbox" else _stretch(image, size)


def soften(mask: Image.Image, edge: int) -> Image.Image:
    """Let a mask, 8 bit grey, go from black to white over about so many pixels, half of them to each side."""
    return mask.filter(ImageFilter.GaussianBlur(edge / 4)) if edge else mask


def convert_to_tensor(image: Image.Image) -> torch.Tensor:
    """Turn an RGB picture into [1, 3, H, W], float32, RGB in [-1, 1]: u8 / 255 * 2 - 1."""
    import torch  # here, so that looking at a picture does not wait for torch to load

    pixels = torch.from_numpy(np.array(image))  # [H, W, 3]; a copy, since Pillow's memory is read-only
    return pixels.permute(2, 0, 1)[None].contiguous().float() / 255 * 2 - 1


def _crop(image: Image.Image, size: tuple[int, int], view: View) -> Fitted:
    box = _find_crop(image.size, size, view)
    notes = (*_note_crop(image.size, box, size), *_note_enlarging(size[0] / (box[2] - box[0]), size))
    return Fitted(image=_resize(image, size, box), box=box, notes=notes)


def _letterbox(image: Image.Image, size: tuple[int, int]) -> Fitted:
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    whole = _resize(image, inner, _box_whole(image))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    notes = (*_note_bars(inner, size), *_note_enlarging(scale, size))
    if inner == size:
        return Fitted(image=whole, box=_box_whole(image), notes=notes)
    filled = _resize(image, size, _find_crop(image.size, size, View()))
    canvas = filled.filter(ImageFilter.GaussianBlur(min(size) * BLUR))
    canvas.paste(whole, (left, top))
    return Fitted(image=canvas, box=_box_whole(image), notes=notes)


def _stretch(image: Image.Image, size: tuple[int, int]) -> Fitted:
    across, down = size[0] / image.width, size[1] / image.height
    notes = (*_note_stretch(across / down, size), *_note_enlarging(max(across, down), size))
    return Fitted(image=_resize(image, size, _box_whole(image)), box=_box_whole(image), notes=notes)


def _find_crop(source: tuple[int, int], size: tuple[int, int], view: View) -> Box:
    """Choose a part of the source with the aspect of `size`, round the focus but inside the source."""
    scale = view.zoom * max(size[0] / source[0], size[1] / source[1])
    width, height = min(size[0] / scale, source[0]), min(size[1] / scale, source[1])
    left = min(max(view.focus_x * source[0] - width / 2, 0), source[0] - width)
    top = min(max(view.focus_y * source[1] - height / 2, 0), source[1] - height)
    return left, top, min(left + width, source[0]), min(top + height, source[1])


def _box_whole(image: Image.Image) -> Box:
    return (0, 0, image.width, image.height)


def _resize(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    # Pillow widens the filter when it reduces, so this one resampling crops, scales and prevents aliasing.
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def _note_crop(source: tuple[int, int], box: Box, size: tuple[int, int]) -> tuple[str, ...]:
    cut = {
        "left": box[0] / source[0],
        "right": 1 - box[2] / source[0],
        "top": box[1] / source[1],
        "bottom": 1 - box[3] / source[1],
    }
    sides = [f"{100 * share:.0f} % from the {side}" for side, share in cut.items() if share >= 0.005]
    return (f"Cropped {' and '.join(sides)} to fit {size[0]}x{size[1]}.",) if sides else ()


def _note_bars(inner: tuple[int, int], size: tuple[int, int]) -> tuple[str, ...]:
    across, down = 1 - inner[0] / size[0], 1 - inner[1] / size[1]
    where = "at the left and right" if across > down else "at the top and bottom"
    share = max(across, down)
    return (f"Blurred bars {where} fill {100 * share:.0f} % of {size[0]}x{size[1]}.",) if share >= 0.005 else ()


def _note_stretch(ratio: float, size: tuple[int, int]) -> tuple[str, ...]:
    more = 100 * (max(ratio, 1 / ratio) - 1)
    return (
        (f"Stretched {more:.0f} % {'wider' if ratio > 1 else 'taller'} to fit {size[0]}x{size[1]}.",)
        if more >= 0.5
        else ()
    )


def _note_enlarging(scale: float, size: tuple[int, int]) -> tuple[str, ...]:
    if scale <= SOFT_FROM:
        return ()
    return (
        f"Enlarged {scale:.1f} times, which makes a soft clip; a picture of {size[0]}x{size[1]} or more is sharper.",
    )
