"""What was looked at once is remembered, as long as its files are as they were."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from lib_svd.checkpoints.header import explain_refusal
from lib_svd.errors import BadCheckpoint, BadInput

T = TypeVar("T")
Files = tuple[tuple[object, ...], ...]


class Remembered(Generic[T]):
    """A look at a model, which is taken once until one of its files changes; what it refuses is remembered, too.

    Args:
        look: raises BadCheckpoint.
        parts: folders in a model's folder, of which files are read.
    """

    def __init__(self, look: Callable[[Path], T], parts: tuple[str, ...]) -> None:
        self._look, self._parts = look, parts
        self._known: dict[Path, tuple[Files, T | BadCheckpoint]] = {}

    def __call__(self, path: Path) -> T:
        """Give what the look gives.

        Raises:
            BadCheckpoint: it refuses the model.
        """
        files = tuple(_list_files(path, self._parts))
        known = self._known.get(path)
        if known is None or known[0] != files:
            known = files, self._look_once(path)
            self._known[path] = known
        if isinstance(known[1], BadCheckpoint):
            raise BadCheckpoint(*known[1].args)
        return known[1]

    def _look_once(self, path: Path) -> T | BadCheckpoint:
        try:
            return look_safely(path, lambda: self._look(path))
        except BadCheckpoint as error:
            if isinstance(error.__context__, OSError):  # a disk that is away may come back
                raise
            return BadCheckpoint(*error.args)  # without the trace, which would keep what was read


def look_safely(path: Path, look: Callable[[], T]) -> T:
    """Take a look at a model; one that fails on what nobody expected refuses this model, and no other.

    Raises:
        BadInput: it refuses the model.
    """
    try:
        return look()
    except BadInput:
        raise
    except Exception as error:
        raise explain_refusal(path, f"cannot be looked at ({type(error).__name__}: {error})", "report this") from error


def _list_files(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    """List the files of a model as they are now; none where there are none, or none may look."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return
    yield _make_stamp("", status)
    if stat.S_ISDIR(status.st_mode):
        for folder in (path, *(path / part for part in parts)):
            yield from sorted(_list_folder(folder))


def _list_folder(folder: Path) -> Iterator[tuple[object, ...]]:
    try:
        for each in os.scandir(folder):
            yield _make_stamp(os.fsencode(each.path), each.stat())
    except OSError:
        yield (os.fsencode(folder), 0)


def _make_stamp(name: str | bytes, status: os.stat_result) -> tuple[object, ...]:
    return name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
