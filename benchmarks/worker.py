"""A side in a process of its own, so that its memory is its own; it does one thing at a time, when it is told to."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchmarks.side import Order, Side, check_inputs


class Worker:
    """The other end of the process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def do(self, what: str) -> Any:
        """One of `load`, `check` and `clip`; waits for the result.

        Raises:
            RuntimeError: it failed there; the text is its traceback.
        """
        self._connection.send(what)
        failed, result = self._connection.recv()
        if failed:
            raise RuntimeError(result)
        return result


@contextmanager
def start(side: str, order: Order) -> Iterator[Worker]:
    """A process for `side`, ended with the block."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(side, order, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        yield Worker(ours)
    finally:
        ours.close()  # the other end sees the end of its orders
        child.join(30)
        child.kill()


def _serve(side: str, order: Order, connection: Connection) -> None:
    work = _Work(side, order)
    while True:
        try:
            what = connection.recv()
        except EOFError:
            return
        try:
            connection.send((False, getattr(work, what)()))
        except Exception:  # noqa: BLE001  whatever it is, the other end raises it
            connection.send((True, traceback.format_exc()))


class _Work:
    """What a worker can be told to do."""

    def __init__(self, name: str, order: Order) -> None:
        self.name, self.order = name, order
        self.side: Side

    def load(self) -> int:
        """Bytes held right after."""
        if self.order.threads:
            torch.set_num_threads(self.order.threads)
        self.side = _make_side(self.name, self.order)
        return self.side.memory.held()

    def check(self) -> dict[str, Any]:
        """See `Side.check`."""
        return self.side.check(check_inputs(self.order))

    def make_clip(self) -> dict[str, Any]:
        """Figures of one clip."""
        stages = self.side.make_clip()
        return {
            "seconds": stages.seconds,
            "steps": stages.steps,
            "cpu_seconds": stages.cpu_seconds,
            "cpu_steps": stages.cpu_steps,
            "peaks": stages.peaks,
        }


def _make_side(name: str, order: Order) -> Side:
    if name == "ours":
        from benchmarks.ours import Ours

        return Ours(order)
    from benchmarks.peer import Diffusers

    return Diffusers(order)
