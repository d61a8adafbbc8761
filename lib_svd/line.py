"""Orders that wait for their turn: one thread makes them, those that wait hold none, and they are not without end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lib_svd.errors import Busy, Interrupted

T = TypeVar("T")

MOST = 32  # orders that wait, the one that is made among them
MOST_BYTES = 512 * 2**20  # of the pictures that they hold meanwhile


@dataclass
class _Order:
    """What is to be done when its turn has come, unless it has left by then."""

    work: Callable[[], Any]
    left: Future[Any] = field(default_factory=Future)  # ends where the order leaves, with the reason


class Line:
    """Orders one after the other on one thread: with changing ones the allocator's arenas grow from run to run.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._worker = ThreadPoolExecutor(1, name)
        self._lock = threading.Lock()
        self._orders, self._bytes = 0, 0
        self._waiting: dict[str, _Order] = {}  # those that have a name and may leave still

    @contextmanager
    def hold_place(self, size: int) -> Iterator[None]:
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

    async def take_turn(self, work: Callable[[], T], name: str = "") -> T:
        """Wait for the order's turn and give what the work gives; it is done though nobody may wait for it any more.

        Args:
            work: asks `begins` before it does anything, if it has a name.
            name: by which it may leave; "" if it may not.

        Raises:
            Interrupted: it has left.
        """
        order = _Order(work)
        if name:
            with self._lock:
                self._waiting[name] = order
        made = asyncio.wrap_future(self._worker.submit(lambda: order.work()))
        left = asyncio.wrap_future(order.left)
        await asyncio.wait({made, left}, return_when=asyncio.FIRST_COMPLETED)
        done: T = (left if left.done() else made).result()
        return done

    def begins(self, name: str) -> bool:
        """Tell whether that order is there still; it does not leave any more. One without a name cannot have left."""
        with self._lock:
            return not name or self._waiting.pop(name, None) is not None

    def leave(self, name: str) -> bool:
        """Take an order out that has not begun: whoever waits for it is told at once. False: there is none."""
        with self._lock:
            order = self._waiting.pop(name, None)
        if order is None:
            return False
        order.work = lambda: None  # what it would have worked on need not be kept until then
        order.left.set_exception(Interrupted("The clip was taken out of the queue before it was begun."))
        return True

    def close(self) -> None:
        """Begin nothing any more."""
        self._worker.shutdown(wait=False, cancel_futures=True)
