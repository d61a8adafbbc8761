"""How far a tensor is from the reference's, and how far it may be (reference/svd.md, "Tolerances")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Limit:
    """The most that two fp32 implementations of the same formula are apart."""

    max_abs: float
    rel_rms: float = 2e-5
    relative_to_each: bool = False  # measure each number against itself: levels from 700 down to 0.002

    def __str__(self) -> str:
        if self.relative_to_each:
            return f"|d| <= {EACH_ABS:.0e} + {EACH_REL:.0e} |v|"
        return f"{self.max_abs:.1e} {self.rel_rms:.0e}"


NETWORK = Limit(1e-4)
LOOP = Limit(2e-4)
DECODE = Limit(2e-4)
CLIP_PIXELS = Limit(3e-4)
EXACT = Limit(0.0, 0.0)
FORMULA = Limit(math.inf, relative_to_each=True)  # exact within fp32 noise, but for the order of its operations
EACH_ABS, EACH_REL = 1e-7, 1e-5


class Result(NamedTuple):
    """What the project computes for a tensor of a stage file."""

    tensor: str
    actual: Tensor
    limit: Limit
    how: str = ""  # where a tensor is computed in several ways
    expected: Tensor | None = None  # None: the file's tensor itself


@dataclass(frozen=True)
class Row:
    """One comparison; `limit` is None where there was nothing to compare with, and `note` says why."""

    set_name: str
    stage: str
    tensor: str
    limit: Limit | None
    max_abs: float = math.nan
    rel_rms: float = math.nan
    worst: float = math.nan  # largest difference in units of what `relative_to_each` allows
    note: str = ""

    @property
    def compared(self) -> bool:
        return self.limit is not None

    @property
    def passed(self) -> bool:
        """NaN never passes: no comparison with it holds."""
        if self.limit is None:
            return True
        if self.limit.relative_to_each:
            return self.worst <= 1
        return self.max_abs <= self.limit.max_abs and self.rel_rms <= self.limit.rel_rms

    @property
    def verdict(self) -> str:
        if not self.compared:
            return "not compared"
        return "ok" if self.passed else "PAST THE LIMIT"

    def __str__(self) -> str:
        head = f"{self.set_name:<3} {self.stage:<14} {self.tensor:<62}"
        if self.limit is None:
            return f"{head} {self.verdict}: {self.note}"
        note = f" ({self.note})" if self.note else ""
        return f"{head} {self.max_abs:9.2e} {self.rel_rms:9.2e}  {self.limit!s:<26} {self.verdict}{note}"


def compare(set_name: str, stage: str, tensor: str, actual: Tensor, expected: Tensor, limit: Limit) -> Row:
    """Measure one tensor against the reference's."""
    if actual.shape != expected.shape:
        note = f"shape {list(actual.shape)}, the reference has {list(expected.shape)}"
        return Row(set_name, stage, tensor, limit, math.inf, math.inf, math.inf, note)
    if expected.numel() == 0:
        return Row(set_name, stage, tensor, None, note="empty")
    actual, expected = actual.double().cpu(), expected.double()
    difference = (actual - expected).abs()
    rms, size = difference.square().mean().sqrt(), expected.square().mean().sqrt()
    relative = rms / size if size > 0 else (0.0 if rms == 0 else rms * math.inf)
    worst = (difference / (EACH_ABS + EACH_REL * expected.abs())).max()
    return Row(set_name, stage, tensor, limit, float(difference.max()), float(relative), float(worst))
