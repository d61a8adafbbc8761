"""Clips that come in over HTTP: kept in a file while they are finished, if they are what can be one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib_svd.errors import BadInput, BadOutput
from lib_svd.files import make_hidden_names

_BEGINS = (  # where, what, and the suffix that says how it is read
    (4, b"ftyp", ".mp4"),
    (0, b"\x1a\x45\xdf\xa3", ".mkv"),
    (0, b"GIF8", ".gif"),
    (8, b"WEBP", ".webp"),
    (8, b"AVI ", ".avi"),
    (0, b"\x89PNG", ".png"),
)
HEAD = 16  # bytes that tell


def find_suffix(head: bytes) -> str:
    """Tell the suffix for a clip that begins so; by its content, since ffmpeg opens lists of other files by theirs.

    Args:
        head: HEAD bytes or more.

    Raises:
        BadInput: it is none of the kinds that are taken.
    """
    for place, mark, suffix in _BEGINS:
        if head[place : place + len(mark)] == mark:
            return suffix
    raise BadInput("This is no clip that is taken here: send an mp4, mov, webm, mkv, avi, gif, WebP or APNG file.")


@contextmanager
def keep_upload(content: bytes, folder: Path) -> Iterator[Path]:
    """Keep a file with a clip, in a hidden folder which goes at the end; what a kill leaves of it the next start
    removes.

    Raises:
        BadInput: it is no clip, see `find_suffix`.
        BadOutput: it cannot be written there.
        what is raised inside; where a sentence names that file, it says "the clip that was sent" instead.
    """
    suffix = find_suffix(content[:HEAD])
    try:
        with make_hidden_names(folder) as hidden:
            path = hidden(suffix)
            path.write_bytes(content)
            try:
                yield path
            except BadInput as error:
                raise type(error)(str(error).replace(str(path), "The clip that was sent")) from error
    except OSError as error:
        raise BadOutput(f"The clip cannot be kept in {folder} ({error.strerror or error}): make room there.") from error
