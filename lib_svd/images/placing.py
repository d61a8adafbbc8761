"""An object cut out of its picture and placed as SV3D was trained on them: in the middle, before one colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from lib_svd.errors import BadPicture, spell
from lib_svd.images.cutting import remove_background
from lib_svd.images.read import MIN_SIDE, Picture, parse_colour
from lib_svd.request import ClipRequest
from lib_svd.settings import CUTS, SETTINGS

PLAIN = 250  # grey of a border from which a picture counts as one before white, as in Stability's sv4d_helpers.py
MOST_SIDE = 4096  # pixels of what an object is placed in


def has_object(read: Picture, cut_out: str) -> bool:
    """Tell whether an object will be cut out of a picture: by what `cut_out` names, of `settings.CUTS`."""
    return cut_out == "rembg" or (cut_out == "alpha" and read.cut_out is not None)


def place_object(read: Picture, request: ClipRequest, shape: tuple[int, int]) -> Picture:
    """Cut out a picture's object and place it in the middle of a frame, its longer side as large as asked for.

    What Stability's simple_video_sample.py does with `image_frame_ratio`: the box round all that is not quite
    transparent, in a frame of which it takes that part. A picture without an object stays as it is.

    Args:
        read: the picture, whole.
        request: what tells the object from its background, how much of the frame it fills, and the background.
        shape: (width, height) of the clip.

    Raises:
        BadPicture: there is no object, or hardly one.
        BadRequest: rembg is asked for and not there.
    """
    if not has_object(read, request.cut_out):
        return replace(read, notes=(*read.notes, *_advise(read, request.cut_out)))
    notes, own, by = read.notes, read.cut_out, "its own transparency"
    if own is not None and request.cut_out == "rembg":
        notes += ("The picture has transparency of its own, which was taken and not rembg's.",)
    if own is None:
        own, by = remove_background(read.image), "rembg"
    found, size = _choose_frame(_crop(own, by), shape, request.object_fill)
    frame = Image.new("RGB", size, parse_colour(request.background or "#000000"))
    frame.paste(found, ((size[0] - found.width) // 2, (size[1] - found.height) // 2), found)
    notes += (f"The object was cut out by {by} and centred; it fills {100 * request.object_fill:.0f} % of the frame.",)
    return Picture(image=frame, notes=notes, is_placed=True)


def _crop(cut_out: Image.Image, by: str) -> Image.Image:
    """Crop to the box round all that is not quite transparent."""
    box = cut_out.getchannel("A").getbbox()
    never = f"{SETTINGS['cut_out'].called} to {spell(CUTS['never'], 'never')}"
    if box is None:
        raise BadPicture(f"By {by} there is no object in the picture: choose another picture, or set {never}.")
    found = cut_out.crop(box)
    if max(found.size) < MIN_SIDE:
        size = f"{found.width}x{found.height}"
        raise BadPicture(f"By {by} the object is only {size} pixels: choose a larger picture, or set {never}.")
    return found


def _choose_frame(found: Image.Image, shape: tuple[int, int], fill: float) -> tuple[Image.Image, tuple[int, int]]:
    """Choose width and height of a frame of that shape, of which an object fills a part; pixels. Of a large object in a
    larger frame, gives a smaller one, in a frame of `MOST_SIDE`.
    """
    scale = max(side / (fill * whole) for side, whole in zip(found.size, shape, strict=True))
    shrunk = min(1.0, MOST_SIDE / (scale * max(shape)))
    if shrunk < 1:
        width, height = (max(1, round(shrunk * side)) for side in found.size)
        found = found.resize((width, height), Image.Resampling.LANCZOS)
    across, down = (max(side, int(shrunk * scale * whole)) for side, whole in zip(found.size, shape, strict=True))
    return found, (across, down)


def _advise(read: Picture, cut_out: str) -> tuple[str, ...]:
    """Say what a model for objects would rather have than a picture with a background."""
    pixels = np.asarray(read.image.convert("L"))
    border = min(pixels[0].min(), pixels[-1].min(), pixels[:, 0].min(), pixels[:, -1].min())
    if cut_out == "never" or border >= PLAIN:
        return ()
    called = f"{SETTINGS['cut_out'].called} to {CUTS['rembg']}"
    advice = f"give the picture a transparent background, or set {called}"
    return (f"The picture goes in as it is; an object before white turns best: {advice}.",)
