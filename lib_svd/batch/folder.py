"""The pictures of a folder: by the endings of their names, in natural order, and none that is still being written."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from lib_svd.errors import BadInput
from lib_svd.strangers import pad_numbers

PICTURES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".jxl",
        ".jp2",
        ".j2k",
        ".jpx",
        ".mpo",
        ".psd",
        ".tga",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".ico",
        ".icns",
        ".qoi",
        ".dds",
    ]
)
"""What names of pictures end in; of those that cannot be read here, too, so that their user is told."""
PATIENCE = 2.0  # seconds for which a file must not have changed
Stamp = tuple[int, int, int]
"""Size, time of change and number of a file: another one, another file."""


class Folder:
    """Gives the pictures of a folder, each once, and again when it has changed.

    Args:
        path: the folder.
        recursive: whether to look into the folders in it, too.
        apart: the folder of the clips, which is not looked into.
        patience: seconds for which a file must not have changed; 0: it is taken as it is.
    """

    def __init__(self, path: Path, *, recursive: bool, apart: Path, patience: float = 0.0) -> None:
        self.path = path
        self._recursive, self._apart, self._patience = recursive, apart.resolve(), patience
        self._seen: dict[str, tuple[Stamp, float]] = {}  # how a file is, and since when
        self._taken: dict[str, Stamp] = {}

    def take(self) -> list[str]:
        """Name the pictures that are new or have changed, below the folder and with /, in natural order.

        Raises:
            BadInput: the folder is not there, or cannot be looked into.
        """
        now = time.monotonic()
        stamps = dict(self._list_stamps())
        before = self._seen
        self._seen = {
            name: before[name] if before.get(name, ((), 0))[0] == stamp else (stamp, now)
            for name, stamp in stamps.items()
        }
        settled = {name: stamp for name, (stamp, since) in self._seen.items() if now - since >= self._patience}
        new = [name for name, stamp in settled.items() if self._taken.get(name) != stamp]
        self._taken.update(settled)
        return sorted(new, key=pad_numbers)

    def _list_stamps(self) -> Iterator[tuple[str, Stamp]]:
        for place, folders, files in os.walk(self.path, onerror=self._refuse):
            here = Path(place)
            folders[:] = [each for each in folders if self._recursive and self._is_looked_into(here / each)]
            for file in files:
                if Path(file).suffix.lower() in PICTURES and not file.startswith("."):
                    yield from _take_stamp(here / file, (here / file).relative_to(self.path).as_posix())

    def _refuse(self, error: OSError) -> None:
        """Raise BadInput for a folder that cannot be looked into, unless it is one below that has gone meanwhile."""
        if isinstance(error, FileNotFoundError) and self.path.is_dir():
            return
        advice = "name a folder of pictures that you may read"
        raise BadInput(f"{error.filename} cannot be looked into ({error.strerror}): {advice}.") from error

    def _is_looked_into(self, folder: Path) -> bool:
        return not folder.name.startswith(".") and folder.resolve() != self._apart


def check_apart(folder: Path, clips: Path) -> None:
    """Refuse to put clips among the pictures, where their copies as moving pictures would be taken for pictures.

    Raises:
        BadInput: the folders are one.
    """
    if folder.resolve() == clips.resolve():
        raise BadInput(f"{folder} cannot hold both pictures and clips: name another folder with --out-dir.")


def _take_stamp(path: Path, name: str) -> Iterator[tuple[str, Stamp]]:
    """Give a file's name and stamp; nothing where it is no plain file, or has gone meanwhile."""
    try:
        status = path.stat()
    except OSError:
        return
    if stat.S_ISREG(status.st_mode):
        yield name, (status.st_size, status.st_mtime_ns, status.st_ino)
