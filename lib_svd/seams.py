"""How far a clip changes where two parts of it meet, in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames


def describe_largest_step(frames: Frames) -> str:
    """Say where a clip between two pictures changes most from one frame to the next, and by how much: its seam."""
    steps = _measure_steps(frames)
    at = int(steps.argmax())
    return f"The largest step is from frame {at + 1} to {at + 2}: {steps[at]:.1f} times that between most others."


def describe_joins(frames: Frames, joins: Sequence[int]) -> str:
    """Say how far the clip changes where a segment goes on from another one, and how far colours drifted over all."""
    steps, means = _measure_steps(frames), frames.mean((1, 2), dtype=np.float64)
    said = (f"{at + 1}: {steps[at]:.1f} times, {_compare(means[at], means[at + 1])}" for at in joins)
    return (
        "Where a segment goes on, the step is so many times that between most others, and the mean colour changes by "
        f"so many of 255: after frame {'; '.join(said)}; over all {_compare(means[0], means[-1])}."
    )


def _measure_steps(frames: Frames) -> npt.NDArray[np.float32]:
    """Measure how much changes from each frame to the next, over the median: [T - 1]."""
    steps = np.stack([np.abs(b.astype(np.float32) - a).mean() for a, b in pairwise(frames)])
    return cast("npt.NDArray[np.float32]", steps / max(float(np.median(steps)), 1e-6))


def _compare(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> str:
    return f"{float(np.abs(after - before).max()):.1f}"
