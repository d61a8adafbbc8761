"""Find the settings text in what was saved: a clip in any format, a frame, or the .txt beside it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from lib_svd import video
from lib_svd.errors import BadInput
from lib_svd.request import MOST_TEXT
from lib_svd.strangers import decode_text

_EXIF, _USER_COMMENT = 0x8769, 0x9286


def read_infotext(path: Path) -> str:
    """Read the settings text that a file carries, or else the .txt of its clip.

    Raises:
        BadInput: no such file, or there is none.
    """
    if not path.is_file():
        raise BadInput(f"{path} is not there: name a clip, a frame or a .txt file with settings.")
    try:
        text = _READERS.get(path.suffix.lower(), _read_video)(path)
        if "SVD " not in text and (beside := _find_beside(path)).is_file():
            text = read_start(beside)
    except (OSError, ValueError, SyntaxError, KeyError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
        raise BadInput(
            f"{path} cannot be read ({error}): name a clip, a frame or a .txt file with settings."
        ) from error
    if "SVD " not in text:
        raise BadInput(f"{path} carries no settings of a clip: name one that was made here.")
    return text


def _find_beside(path: Path) -> Path:
    """Find the .txt of the clip that a file is the same as, in another format."""
    suffixes = [row.suffix for row in video.FORMATS.values() if path.name.lower().endswith(row.suffix)]
    suffix = max(suffixes, key=len, default=path.suffix)
    return path.with_name(path.name[: len(path.name) - len(suffix)] + ".txt")


def read_start(path: Path) -> str:
    """Read a text file, up to one character more than settings may have.

    Raises:
        OSError, ValueError: it cannot be read, or is no text.
    """
    with path.open("rb") as file:
        return decode_text(file.read(4 * MOST_TEXT))[: MOST_TEXT + 1].replace("\r\n", "\n")


def _read_picture(path: Path | BinaryIO) -> str:
    """Read a picture's settings, wherever web UIs put them."""
    with Image.open(path) as picture:
        texts = {**picture.info, **getattr(picture, "text", {})}
        if "parameters" in texts:
            return str(texts["parameters"])
        if picture.format == "GIF":
            return decode_text(bytes(picture.info.get("comment", b"")))
        comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
        return bytes(comment)[8:].decode("utf-16-be") if bytes(comment[:7]) == b"UNICODE" else ""


def _read_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as packed, packed.open(packed.namelist()[0]) as first:
        return _read_picture(first)  # type: ignore[arg-type]


def _read_video(path: Path) -> str:
    return video.probe(path).metadata.get("comment", "")


_PICTURES = (".png", ".apng", ".webp", ".gif", ".jpg", ".jpeg")
_READERS = {".txt": read_start, ".zip": _read_zip, **dict.fromkeys(_PICTURES, _read_picture)}
