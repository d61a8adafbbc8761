"""Passes over memory between the matrix products, each made one kernel by torch.compile where that is wanted.

Whole networks are not compiled: their matrix products and convolutions are the same library calls either way, while a
few small functions of tensors compile in seconds, for every size at once, and under a host that swaps layers too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import Tensor

_WANTED: ContextVar[bool] = ContextVar("compiled", default=False)


@contextmanager
def compile_inside() -> Iterator[None]:
    """Let the networks take `fuse` functions inside; see `warm_up.warm_up`."""
    token = _WANTED.set(True)
    try:
        yield
    finally:
        _WANTED.reset(token)


def is_compiling() -> bool:
    """Tell whether a `compile_inside` context is entered."""
    return _WANTED.get()


@cache
def fuse(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give a function of tensors as compiled kernels for all sizes, compiled when it is first called."""
    return torch.compile(function, dynamic=True)
