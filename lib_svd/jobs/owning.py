"""Which files are a clip's own: never told by their names alone, and never through a link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest

_OWN = re.compile(r"(\.\w+){1,2}|(\.\w+)?/\d{5,}\.png")  # what follows the clip's stem in the names of its files


def list_endings(video: Path, files: Iterable[Path]) -> list[str]:
    """Say what is to be noted of files that were written with a clip: how their names go on after its own."""
    stem = str(video.with_suffix(""))
    after = (str(path).removeprefix(stem) for path in files if str(path).startswith(stem))
    return [name for name in (each.replace("\\", "/") for each in after) if _OWN.fullmatch(name)]


def list_own_files(video: Path, noted: Sequence[str] | None) -> list[Path]:
    """List what is there of the files that a clip's note lists, or without a list of those that carry its settings.

    Args:
        video: the clip.
        noted: what `list_endings` gave, from the clip's `.json`; None: nothing is listed there.
    """
    if noted is None:
        files = _list_by_settings(video)
    else:
        files = [video.parent / f"{video.stem}{name}" for name in noted if _OWN.fullmatch(name)]
    return [path for path in files if path.is_file() and not path.is_symlink() and not _is_linked(video, path)]


def list_frames(video: Path, infotext: str) -> tuple[Path, ...]:
    """List the pictures in the folder that is called like a clip, in order, if they carry the clip's settings; else
    none.
    """
    folder = video.with_suffix("")
    paths = tuple(sorted(folder.glob("*.png")))
    if folder.is_symlink() or any(path.is_symlink() for path in paths):
        return ()
    return paths if {text for path in paths if (text := _read_settings(path)) is not None} == {infotext} else ()


def _is_linked(video: Path, path: Path) -> bool:
    return path.parent != video.parent and path.parent.is_symlink()


def _list_by_settings(video: Path) -> list[Path]:
    """List the clip and its `.txt`, where that holds settings, and the frames that carry the same."""
    text = video.with_suffix(".txt")
    try:
        infotext = text.read_bytes().decode()
        ClipRequest.from_infotext(infotext)
    except (OSError, ValueError, BadRequest):
        return []
    if "SVD " not in infotext:
        return []
    frames = [path for path in list_frames(video, infotext) if _OWN.fullmatch(f"/{path.name}")]
    return [video, text, *frames]


def _read_settings(path: Path) -> str | None:
    """Read what stands in a picture, "" for nothing; None: it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return str(picture.info.get("parameters", ""))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
