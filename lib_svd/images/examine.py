"""All that can be said of a picture before a clip is made of it, for programs and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lib_svd.images.check import Concern, check_picture, find_tighter_crop
from lib_svd.images.fit import View, choose_working_size, fit_picture
from lib_svd.images.read import Picture, read_picture


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What may go wrong with a clip of a picture."""

    concerns: tuple[Concern, ...]
    tighter: View  # round the subject; zoom 1 where nothing is gained
    size: tuple[int, int]  # of the clip, width and height in pixels
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give the same fit for JSON."""
        concerns = [asdict(each) for each in self.concerns]
        told = {"concerns": concerns, "tighter_crop": self.tighter._asdict()}
        return {**told, "size": list(self.size), "notes": list(self.notes)}


def examine(
    source: str | Path | BinaryIO,
    native: tuple[int, int],
    grid: int,
    background: str | None,
    place: Callable[[Picture], Picture] = lambda read: read,
) -> Examined:
    """Look at a picture as a model would get it.

    Args:
        source: the picture, see `read_picture`.
        native: width and height that the model was made for, pixels.
        grid: pixels that sizes are multiples of.
        background: what shows through transparent parts, `#rrggbb`; None: black.
        place: places its object, where the model wants it so.

    Raises:
        BadInput: it cannot be read.
    """
    read = place(read_picture(source, background))
    size = choose_working_size(read.image.size, native, grid)
    fitted = fit_picture(read.image, size, "crop", View())
    return Examined(
        concerns=check_picture(read.image, fitted, is_transparent=read.is_transparent, is_placed=read.is_placed),
        tighter=find_tighter_crop(read.image, size),
        size=size,
        notes=(*read.notes, *fitted.notes),
    )
