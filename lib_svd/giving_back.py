"""Memory that the allocator keeps after work: not in a heap for each thread, and given back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

_M_ARENA_MAX = -8  # mallopt(3)


def share_one_heap() -> None:
    """Let all threads that are yet to come take memory from one heap, unless the user has set how many there may be.

    glibc gives threads heaps of their own, and what is freed in one of them is of no use to the others. For a program
    that is ours alone, before it has threads; on Linux, where the allocator is glibc's.
    """
    if not {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"} & {*os.environ}:
        _call("mallopt", _M_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Give back what is free, on Linux, where the allocator is glibc's; others cannot be told."""
    _call("malloc_trim", 0)  # malloc_trim(3)


def _call(name: str, *given: int) -> None:
    """Call a function of the allocator, where there is one of that name."""
    if sys.platform != "linux":
        return
    function: Any = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*given)
