"""Clips of some folders as they were looked at last, read as far as they are needed: 10,000 of them take a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock

from lib_svd.files import finish_left
from lib_svd.jobs import history
from lib_svd.jobs.history import Entry, Unread


class Listed:
    """What one part of the history shows.

    Args:
        folders: gives the folders; may raise OSError.

    Attributes:
        paths: of the clips, by what a browser calls them.
    """

    def __init__(self, folders: Callable[[], Sequence[Path]]) -> None:
        self._folders = folders
        self.paths: Mapping[str, Path] = {}
        self._known: dict[Path, tuple[Unread, Entry]] = {}
        self._newest: list[Entry] = []
        self._unread: Iterator[Entry] = iter(())
        self._reading = Lock()

    def look(self) -> list[str]:
        """Look at the folders anew; gives a sentence for all that was passed over.

        Raises:
            OSError: the folders cannot be named.
        """
        folders = self._folders()
        for folder in folders:
            finish_left(folder)
        clips, passed_over = history.list_clips(*folders)
        with self._reading:
            self.paths = {str(each.video): each.video for each in clips}
            self._newest, self._unread = [], history.sort_newest(clips, self._recall_entry)
        return passed_over

    def read(self, count: int) -> list[Entry]:
        """Read so many of the newest clips."""
        with self._reading:
            self._newest += islice(self._unread, max(0, count - len(self._newest)))
            return self._newest[:count]

    def _recall_entry(self, clip: Unread) -> Entry:
        """Give what is remembered of a clip; it is read again when it changed."""
        known = self._known.get(clip.video)
        if known is None or known[0] != clip:
            known = clip, history.read_entry(clip)
            self._known[clip.video] = known
        return known[1]
