"""Pictures that were animated and are no files: kept once each, so that their clips can be made again."""

from __future__ import annotations

from pathlib import Path

from lib_svd import images
from lib_svd.animate import Order
from lib_svd.companions import keep_picture
from lib_svd.errors import BadInput


def keep(order: Order, clips: Path) -> str:
    """Say where an order's picture is; one that no file has to the pixel is written below the folder `clips`.

    Raises:
        BadOutput: it cannot be written; nothing is left behind.
    """
    if _is_in(order.picture_path, order):
        return order.picture_path
    return str(keep_picture(order.original, clips))


def keep_companions(order: Order, clips: Path) -> None:
    """Keep the pictures that an order came with beside the one that is animated; raises BadOutput as `keep` does."""
    for picture in order.companions.kept:
        keep_picture(picture, clips)


def _is_in(path: str, order: Order) -> bool:
    """Tell whether a file is the picture, and not what a web UI made of it, such as a JPEG."""
    try:
        read = images.read_picture(path, order.request.background) if path else None
    except BadInput:
        return False
    return read is not None and order.original in (read.image, read.cut_out)
