"""Pictures beside the one that is animated: what the clip ends with, and where it may move.

Settings name such a picture by its pixels, so that a clip says which it was without saying where it lay, and jobs,
notes and infotext carry a name and no picture. It is kept by that name below the folder of clips.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image, ImageOps

from lib_svd import images
from lib_svd.errors import BadOutput, BadPicture
from lib_svd.files import make_hidden_names, sync
from lib_svd.request import ClipRequest, CompleteRequest
from lib_svd.settings import SETTINGS

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "pictures"  # below the clips' own
NAMED = ("last_picture", "mask")  # settings that name one
_NAME = re.compile(r"[0-9a-f]{32}\.png")
R = TypeVar("R", bound=ClipRequest[Any])


@dataclass(frozen=True, kw_only=True)
class Companions:
    """The pictures that a request names, as the clip needs them."""

    last: images.Fitted | None = None  # what the clip ends with
    mask: Image.Image | None = None  # of the clip's size, 8 bit grey: white moves
    kept: tuple[Image.Image, ...] = ()  # as they were given, to be kept beside the clip
    notes: tuple[str, ...] = ()

    @property
    def last_image(self) -> Tensor | None:
        """The last picture as the model takes it, [1, 3, H, W] in [-1, 1]."""
        return None if self.last is None else images.convert_to_tensor(self.last.image)

    @property
    def moves(self) -> Tensor | None:
        """The mask, [H, W]: 1 where the clip may move, 0 where not."""
        return None if self.mask is None else (images.convert_to_tensor(self.mask.convert("RGB"))[0, 0] + 1) / 2


def name_picture(picture: Image.Image) -> str:
    """Give the same name to the same pixels: 32 hexadecimal digits and .png."""
    pixels = f"{picture.mode} {picture.size}" if picture.mode != "RGB" else f"{picture.size}"
    return hashlib.sha256(pixels.encode() + picture.tobytes()).hexdigest()[:32] + ".png"


def keep_picture(picture: Image.Image, clips: Path) -> Path:
    """Keep a picture below the folder of clips, by the name of its pixels; one that is there already stays.

    Raises:
        BadOutput: it cannot be written; nothing is left behind.
    """
    path = clips.absolute() / FOLDER / name_picture(picture)
    try:
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            with make_hidden_names(path.parent) as hidden:
                unfinished = hidden(".png")
                picture.save(unfinished, "PNG", compress_level=1)  # faster than 6 by half, and little larger
                sync(unfinished)
                unfinished.replace(path)
    except OSError as error:
        raise BadOutput(f"{path} cannot be written ({error.strerror or error}): make room there.") from error
    return path


def find_kept(name: str, folders: Sequence[Path]) -> Path | None:
    """Find a picture that is kept below one of these folders of clips; None: there is none of that name."""
    if not is_kept_name(name):
        return None
    paths = (folder / FOLDER / name for folder in folders)
    return next((path for path in paths if path.is_file() and not path.is_symlink()), None)


def name_files(request: R) -> tuple[R, tuple[Image.Image, ...]]:
    """Name by their pixels the files that a request names by their paths; gives these pictures too, for `keep_picture`.

    Raises:
        BadPicture: one is not there, or is none.
    """
    given = {name: getattr(request, name) for name in NAMED}
    paths = {name: path for name, path in given.items() if path and not is_kept_name(path)}
    pictures = {name: images.read_picture(path).image for name, path in paths.items()}
    named = request.replace(**{name: name_picture(picture) for name, picture in pictures.items()})
    return named, tuple(pictures.values())


def is_kept_name(given: object) -> bool:
    """Tell whether this names a picture by its pixels."""
    return isinstance(given, str) and bool(_NAME.fullmatch(given))


def read_companions(
    request: CompleteRequest, original: Image.Image, folders: Sequence[Path], *, anywhere: bool = False
) -> tuple[CompleteRequest, Companions]:
    """Read the pictures that a request names, and fit them as the picture is fitted.

    Args:
        request: names them, by what `keep_picture` called them.
        original: the picture to be animated, upright.
        folders: of clips, below which they are kept.
        anywhere: whether a name may be any path, as on a command line.

    Returns:
        The request, in which each has the name of its pixels, and the pictures.

    Raises:
        BadPicture: one is not there, or is none.
    """
    found = {name: _read(name, getattr(request, name), folders, anywhere=anywhere) for name in NAMED}
    read = {name: each for name, each in found.items() if each is not None}
    request = request.replace(**{name: name_picture(each.image) for name, each in read.items()})
    last, mask = found["last_picture"], found["mask"]
    fitted = None if last is None else _fit_last(last.image, request)
    notes = (*last.notes, *fitted.notes) if last and fitted else ()
    return request, Companions(
        last=fitted,
        mask=None if mask is None else _fit_mask(mask.image, request, original.size),
        kept=tuple(each.image for each in read.values()),
        notes=tuple(f"Last picture: {note}" for note in notes),
    )


def _read(name: str, given: str, folders: Sequence[Path], *, anywhere: bool) -> images.Picture | None:
    if not given:
        return None
    path = find_kept(given, folders) or (Path(given) if anywhere and Path(given).is_file() else None)
    if path is None:
        raise BadPicture(f"{SETTINGS[name].called} {given} is not there: choose the picture again.")
    return images.read_picture(path)


def _fit_last(picture: Image.Image, request: CompleteRequest) -> images.Fitted:
    """Fit the last picture as the first one is."""
    return images.fit_picture(picture, (request.width, request.height), request.fit, images.View.of(request))


def _fit_mask(mask: Image.Image, request: CompleteRequest, original: tuple[int, int]) -> Image.Image:
    """Fit a mask, soft at its edge: as the picture is fitted where it has the picture's size, else to all of the clip.

    Bars beside a picture that is shown whole stay as they are.
    """
    size = (request.width, request.height)
    if mask.size == original and request.fit != "stretch":
        mask = _fit_like_picture(mask, request)
    fitted = mask.convert("L").resize(size, Image.Resampling.BOX)
    if request.mask_means == "stays":
        fitted = ImageOps.invert(fitted)
    return images.soften(fitted, request.mask_edge)


def _fit_like_picture(mask: Image.Image, request: CompleteRequest) -> Image.Image:
    size, view = (request.width, request.height), images.View.of(request)
    box = images.fit_picture(mask, size, "crop", view).box
    if request.fit == "crop":
        return mask.resize(size, Image.Resampling.BOX, box=box)
    scale = min(size[0] / mask.width, size[1] / mask.height)
    inner = (max(1, round(mask.width * scale)), max(1, round(mask.height * scale)))
    canvas = Image.new("RGB", size, "white" if request.mask_means == "stays" else "black")
    canvas.paste(mask.resize(inner, Image.Resampling.BOX), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return canvas
