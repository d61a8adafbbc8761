"""Orders that wait for their turn: one thread makes them, those that wait hold none, and they are not without end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from lib_svd.errors import Busy

T = TypeVar("T")

MOST = 32  # orders that wait, the one that is made among them
MOST_BYTES = 512 * 2**20  # of the pictures that they hold meanwhile


class Line:
    """Orders one after the other on one thread: with changing ones the allocator's arenas grow from run to run.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._worker = ThreadPoolExecutor(1, name)
        self._lock = threading.Lock()
        self._orders, self._bytes = 0, 0

    @contextmanager
    def place(self, size: int) -> Iterator[None]:
        """Hold a place for an order that keeps so many bytes until it is done.

        Raises:
            Busy: too many wait, or they hold too much; the first one is always let in.
        """
        with self._lock:
            if self._orders and (self._orders >= MOST or self._bytes + size > MOST_BYTES):
                raise Busy(f"{self._orders} clips are waiting already: ask again when some are done.")
            self._orders, self._bytes = self._orders + 1, self._bytes + size
        try:
            yield
        finally:
            with self._lock:
                self._orders, self._bytes = self._orders - 1, self._bytes - size

    async def turn(self, work: Callable[[], T]) -> T:
        """What the work gives, when it was its turn; it is done though nobody may wait for it any more."""
        return await asyncio.shield(asyncio.wrap_future(self._worker.submit(work)))

    def close(self) -> None:
        """Begin nothing any more."""
        self._worker.shutdown(wait=False, cancel_futures=True)
