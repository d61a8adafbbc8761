"""A program that kills itself at a call of the file system: for scripts of tests, in a child that they fork."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

NAMES = ("mkdir", "link", "rename", "replace", "unlink", "rmdir", "fsync")


def kill_at(moment: int | str, note: Callable[..., None] = lambda name, *given: None) -> list[int]:
    """Let this process be killed at one of its calls.

    Args:
        moment: the call's number, counted from 1; 0: never. Or how a name ends: at the call after the first one that
            is about such a name.
        note: is told of every call before it is made, and may fail in its place.

    Returns:
        The calls that are left until then, as they go down.
    """
    left = [0 if isinstance(moment, str) else moment]

    def patch(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            note(name, *given)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            if isinstance(moment, str) and left[0] < 0 and str(given[-1]).endswith(moment):
                left[0] = 1
            return real(*given, **named)

        return call

    for name in NAMES:
        setattr(os, name, patch(name))
    return left
