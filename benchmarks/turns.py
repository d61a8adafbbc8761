"""What several ways of doing a thing take when they are run in turn, so that what else the machine does meets all."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import NamedTuple


class Took(NamedTuple):
    """Seconds, ffmpeg's and ours together."""

    wall: float
    cpu: float


def run_in_turn(both: tuple[Callable[[], None], ...], *, swapped: bool) -> tuple[Took, ...]:
    """Run each once, in their order or the other way round; gives what they took, in their order."""
    took = [_time(each) for each in (both[::-1] if swapped else both)]
    return tuple(took[::-1] if swapped else took)


def _time(work: Callable[[], None]) -> Took:
    cpu, began = _read_cpu(), time.perf_counter()
    work()
    return Took(time.perf_counter() - began, _read_cpu() - cpu)


def _read_cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
