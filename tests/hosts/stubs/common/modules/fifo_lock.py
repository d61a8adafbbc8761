"""A lock that is given in the order in which it was asked for, and that its holder cannot take again."""

from __future__ import annotations

import threading
from collections import deque


class FIFOLock:
    def __init__(self):
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, blocking=True):
        with self._guard:
            if not self._held:
                self._held = True
                return True
            if not blocking:
                return False
            turn = threading.Event()
            self._waiting.append(turn)
        return turn.wait()

    def release(self):
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # it stays held, by the next in line
            else:
                self._held = False

    def __enter__(self):
        return self.acquire()

    def __exit__(self, t, v, tb):
        self.release()
