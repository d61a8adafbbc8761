"""How far the job that is being made is: the studio works in the host's queue as ever, and is overheard."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from PIL import Image

from lib_svd.errors import Interrupted
from lib_svd.ports import Queue
from lib_svd.progress import Bar, Preview, Progress, enlarge

T = TypeVar("T")

WATCHED = 10  # seconds for which previews are made after somebody asked for one
STOPPED = "The job was stopped."


@dataclass(frozen=True, kw_only=True)
class Live:
    """How far a job is."""

    stage: str = "Waiting for its turn"
    step: int = 0
    steps: int = 0
    share: float = 0.0  # of the whole job, 0 to 1
    began: float | None = None  # monotonic seconds; None: it waits in the host's queue
    preview: str = ""  # a data URL

    @property
    def eta(self) -> float | None:
        """Seconds until it is done; None while that cannot be told."""
        if self.began is None or not self.share:
            return None
        passed = time.monotonic() - self.began
        return passed / self.share - passed


class Overheard:
    """The host's queue for one job after the other: see `ports.Queue`.

    Args:
        queue: the host's.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._live, self._bar, self._is_stopped, self._watched_until = Live(), Bar(), False, 0.0

    def begin(self) -> None:
        """Forget the job before."""
        with self._lock:
            self._live, self._bar, self._is_stopped = Live(), Bar(), False

    def stop(self) -> bool:
        """Let the job end as soon as it can; False: it waits in the host's queue, and nothing of it is done yet."""
        with self._lock:
            self._is_stopped = True
            return self._live.began is not None

    def look(self, wants_preview: bool = False) -> Live:
        """Say how far the job is; previews are made for as long as somebody asks for them."""
        with self._lock:
            if wants_preview:
                self._watched_until = time.monotonic() + WATCHED
            return self._live

    def run_exclusively(self, job: str, work: Callable[[], T]) -> T:
        """See `ports.Queue.run_exclusively`; what was stopped before its turn is not begun."""

        def begin() -> T:
            with self._lock:
                if self._is_stopped:
                    raise Interrupted(STOPPED)
                if self._live.began is None:
                    self._live = replace(self._live, stage="Starting", began=time.monotonic())
            return work()

        return self._queue.run_exclusively(job, begin)

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """See `ports.Queue.report`."""
        is_watched = preview is not None and time.monotonic() < self._watched_until
        picture = _write_url(preview()) if preview is not None and is_watched else ""
        with self._lock:
            self._live = replace(
                self._live,
                stage=progress.title,
                step=progress.done,
                steps=progress.total,
                share=self._bar.move(progress),
                preview=picture or self._live.preview,
            )
        self._queue.report(progress, preview)

    def is_interrupted(self) -> bool:
        """See `ports.Queue.is_interrupted`."""
        return self._is_stopped or self._queue.is_interrupted()


def _write_url(image: Image.Image) -> str:
    """Write a preview as the address of itself."""
    stream = io.BytesIO()
    enlarge(image).save(stream, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
