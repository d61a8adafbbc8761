"""Find the settings text in what was saved: a clip, a frame, or the .txt beside it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from lib_svd import video
from lib_svd.errors import BadInput
from lib_svd.request import MOST_TEXT
from lib_svd.strangers import text_of


def read_infotext(path: Path) -> str:
    """Read the settings text that a file carries.

    Raises:
        BadInput: no such file, or it carries none.
    """
    if not path.is_file():
        raise BadInput(f"{path} is not there: name a clip, a frame or a .txt file with settings.")
    try:
        text = _READERS.get(path.suffix.lower(), _from_video)(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow lets out
        raise BadInput(
            f"{path} cannot be read ({error}): name a clip, a frame or a .txt file with settings."
        ) from error
    if "SVD " not in text:
        raise BadInput(f"{path} carries no settings of a clip: name one that was made here.")
    return text


def read_start(path: Path) -> str:
    """Read a text file, up to one character more than settings may have.

    Raises:
        OSError, ValueError: it cannot be read, or is no text.
    """
    with path.open("rb") as file:
        return text_of(file.read(4 * MOST_TEXT))[: MOST_TEXT + 1].replace("\r\n", "\n")


def _from_picture(path: Path) -> str:
    with Image.open(path) as picture:
        return str(getattr(picture, "text", picture.info).get("parameters", ""))


def _from_video(path: Path) -> str:
    return video.probe(path).metadata.get("comment", "")


_READERS = {".txt": read_start, ".png": _from_picture}
