"""Memory that the allocator keeps after work, given back to the system: of several threads each keeps a share."""

from __future__ import annotations

import ctypes
import sys


def give_back_memory() -> None:
    """Give back what is free, on Linux, where the allocator is glibc's; others cannot be told."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # malloc_trim(3)
    if trim is not None:
        trim(0)
