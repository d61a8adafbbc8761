"""Pictures that were animated and are no files: kept once each, so that their clips can be made again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from lib_svd import images
from lib_svd.animate import Order
from lib_svd.errors import BadInput, BadOutput
from lib_svd.files import make_hidden_names, sync

FOLDER = "pictures"  # below the clips' own


def keep(order: Order, clips: Path) -> str:
    """Say where an order's picture is; one that no file has to the pixel is written below the folder `clips`.

    Raises:
        BadOutput: it cannot be written; nothing is left behind.
    """
    if _is_in(order.picture_path, order):
        return order.picture_path
    path = clips.absolute() / FOLDER / f"{_hash_pixels(order.original)}.png"
    try:
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            with make_hidden_names(path.parent) as hidden:
                unfinished = hidden(".png")
                order.original.save(unfinished, compress_level=1)  # faster than 6 by half, and little larger
                sync(unfinished)
                unfinished.replace(path)
    except OSError as error:
        raise BadOutput(f"{path} cannot be written ({error.strerror or error}): make room there.") from error
    return str(path)


def _is_in(path: str, order: Order) -> bool:
    """Tell whether a file is the picture, and not what a web UI made of it, such as a JPEG."""
    try:
        return bool(path) and images.read_picture(path, order.request.background).image == order.original
    except BadInput:
        return False


def _hash_pixels(picture: Image.Image) -> str:
    """Give the same digits for the same pixels."""
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()[:32]
