"""More frames a second: stands in until the smoothers are there."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Protocol

from lib_svd.clip import Frames


class Smoother(Protocol):
    """What makes frames between frames."""

    name: str


class Motion:
    """Stands in."""

    name = "motion"


def smooth_frames(
    frames: Frames,
    fps: float,
    to_fps: float,
    smoother: Smoother,
    *,
    closed: bool = False,
    speed: float = 1,
    report: Callable[[int, int], None] | None = None,
) -> Frames:
    """Every frame of the result is the one before its place."""
    step = Fraction(fps) * Fraction(speed).limit_denominator(1000) / Fraction(to_fps)
    end = len(frames) if closed else len(frames) - 1
    places = [int(number * step) for number in range(ceil(end / step))]
    if report is not None:
        report(1, 1)
    return frames[[*places] if closed else [*places, len(frames) - 1]]
