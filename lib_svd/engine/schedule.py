"""Noise levels: sigmas [n + 1], float32, strictly falling from the highest to 0.

Every schedule is made for n steps, n a whole number from 1 up, and raises ValueError for any other; `lcm` has no more
levels than it was distilled at.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

SIGMA_MIN, SIGMA_MAX, RHO = 0.002, 700.0, 7.0
LCM_TRAINED_STEPS = 40

# Align Your Steps (Sabour et al. 2024), the published levels for Stable Video Diffusion at 10 steps.
ALIGN_YOUR_STEPS = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)


def karras(n: int, sigma_max: float = SIGMA_MAX) -> Tensor:
    """sigma_i = (a + i/(n-1) (b - a))^rho, a = sigma_max^(1/rho), b = sigma_min^(1/rho) (Karras et al. 2022, eq. 5)."""
    _check_steps(n)
    return _append_zero(_follow_karras_curve(torch.linspace(0, 1, n), sigma_max))


def align_your_steps(n: int) -> Tensor:
    """Interpolate the published levels log-linearly to n steps; the last one becomes 0."""
    _check_steps(n)
    known = np.linspace(0, 1, len(ALIGN_YOUR_STEPS))
    levels = np.exp(np.interp(np.linspace(0, 1, n + 1), known, np.log(ALIGN_YOUR_STEPS)))
    return _append_zero(torch.tensor(levels[:-1], dtype=torch.float32))


def lcm(n: int) -> Tensor:
    """Take the levels that AnimateLCM-SVD was distilled at: every (40 // n)-th of 40 on the Karras curve, n from 1 to
    40.
    """
    _check_steps(n, LCM_TRAINED_STEPS)
    index = torch.arange(n) * (LCM_TRAINED_STEPS // n)
    return _append_zero(_follow_karras_curve(index / (LCM_TRAINED_STEPS - 1)))


SCHEDULES = {"karras": karras, "align_your_steps": align_your_steps, "lcm": lcm}


def _check_steps(n: int, most: float = math.inf) -> None:
    if not 1 <= n <= most:
        raise ValueError(f"There are no levels for {n} steps: this schedule has 1 to {most}.")


def _follow_karras_curve(ramp: Tensor, sigma_max: float = SIGMA_MAX) -> Tensor:
    a, b = sigma_max ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    return (a + ramp * (b - a)) ** RHO


def _append_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])
