"""Reading a file ahead of who uses it: the disk then works while weights are converted, instead of before and after."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

AHEAD = 512 << 20  # bytes: enough to keep a disk at work, little enough to stay in the system's cache until it is used
PIECE = 8 << 20


class ReadAhead:
    """A context in which files are read once, in order, into the system's cache, so far ahead of what was used.

    Args:
        paths: in the order in which they will be used. One that cannot be read is passed over: who uses it will say so.
    """

    def __init__(self, paths: Sequence[Path], ahead: int = AHEAD) -> None:
        self.read = 0  # bytes
        self._paths, self._ahead = paths, ahead
        self._used, self._ends = 0, False
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="svd-read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._moved:
            self._ends = True
            self._moved.notify()
        self._thread.join()

    def used(self, size: int) -> None:
        """So many bytes more have been used."""
        with self._moved:
            self._used += size
            self._moved.notify()

    def _run(self) -> None:
        piece = bytearray(PIECE)
        for path in self._paths:
            try:
                with path.open("rb", buffering=0) as file:
                    while self._may_go_on() and (count := file.readinto(piece)):
                        self.read += count
            except OSError:
                continue

    def _may_go_on(self) -> bool:
        """Waits until what is read is used; False: the end has come."""
        with self._moved:
            self._moved.wait_for(lambda: self._ends or self.read < self._used + self._ahead)
            return not self._ends
