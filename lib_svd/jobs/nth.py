"""How far one of several clips is, told as a part of all of them."""

from __future__ import annotations

from dataclasses import replace

from lib_svd.ports import Queue
from lib_svd.progress import Preview, Progress


class NthOf:
    """A queue to which a clip's progress is that of one of several.

    Args:
        queue: in which the work is done.
        number: of the clip, counted from 1.
        count: of the clips.
    """

    def __init__(self, queue: Queue, number: int, count: int) -> None:
        self._queue, self._number, self._count = queue, number, count
        self.run_exclusively, self.is_interrupted = queue.run_exclusively, queue.is_interrupted

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """See `ports.Queue.report`."""
        self._queue.report(replace(progress, clip=self._number, clips=self._count), preview)
