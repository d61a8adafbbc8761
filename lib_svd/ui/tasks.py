"""Progress of the stand-alone page's clips, as web UIs of this family tell it: a queue, one bar, a preview."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections import deque
from typing import Any

from PIL import Image

from lib_svd.progress import Bar, Preview, Progress, enlarge

FINISHED = 16  # tasks whose end is remembered


class Tasks:
    """What the page's script asks for: the state of a task by its id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._finished: deque[str] = deque(maxlen=FINISHED)
        self._task, self._began = "", 0.0
        self._bar, self._share, self._text = Bar(), 0.0, ""
        self._picture: str | None = None
        self._number, self._is_watched = 0, False

    def wait(self, task: str) -> None:
        """Note that a task came into the queue."""
        with self._lock:
            self._waiting.append(task)

    def start(self, task: str) -> None:
        """Note that it is a task's turn."""
        with self._lock:
            self._waiting.remove(task)
            self._begin(task)

    def leave(self, task: str) -> None:
        """Note that a task does not wait any more, and will not be made."""
        with self._lock:
            self._waiting.remove(task)
            self._finished.append(task)

    def is_running(self, task: str) -> bool:
        """Tell whether a task is being made now."""
        with self._lock:
            return bool(task) and task == self._task

    def finish(self, task: str) -> None:
        """Note that a task is done, or has failed."""
        with self._lock:
            self._finished.append(task)
            self._begin("")

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Move the bar, never back, and keep the way to a preview until somebody asks for it."""
        picture = _write_url(preview()) if preview is not None and self._is_watched else None
        with self._lock:
            self._share, self._text = self._bar.move(progress), str(progress)
            if picture is not None:
                self._picture, self._number = picture, self._number + 1

    def tell(self, task: str, number: int, wants_picture: bool) -> dict[str, Any]:
        """Answer the page's script.

        Args:
            task: its id.
            number: of the picture that the script has already.
            wants_picture: whether it wants a newer one.
        """
        with self._lock:
            active = bool(task) and task == self._task
            answer: dict[str, Any] = {
                "active": active,
                "queued": task in self._waiting,
                "completed": task in self._finished,
                "id_live_preview": -1,
            }
            if not active:
                place = f"{self._waiting.index(task) + 1}/{len(self._waiting)}" if answer["queued"] else ""
                return {**answer, "textinfo": f"In queue: {place}" if place else "Waiting..."}
            self._is_watched |= wants_picture
            passed = time.monotonic() - self._began
            answer |= {"progress": self._share, "textinfo": self._text, "id_live_preview": self._number}
            answer["eta"] = passed / self._share - passed if self._share else None
            answer["live_preview"] = self._picture if wants_picture and number != self._number else None
            return answer

    def _begin(self, task: str) -> None:
        self._task, self._began = task, time.monotonic()
        self._bar, self._share, self._text = Bar(), 0.0, "Starting"
        self._picture, self._number, self._is_watched = None, 0, False


def _write_url(image: Image.Image) -> str:
    """Write a preview as the address of itself."""
    stream = io.BytesIO()
    enlarge(image).save(stream, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
