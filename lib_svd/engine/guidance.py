"""Guidance scale of each frame, [T] float32: D = D_u + g_t (D_c - D_u)."""

from __future__ import annotations

import torch
from torch import Tensor


def linear(low: float, high: float, num_frames: int) -> Tensor:
    """Rise from low at the first frame to high at the last."""
    return torch.linspace(low, high, num_frames)


def triangle(low: float, high: float, num_frames: int) -> Tensor:
    """Rise from low to high halfway and fall back, for orbits that end where they began (SV3D)."""
    v = torch.linspace(0, 1, num_frames)
    return low + (high - low) * 2 * (v - torch.floor(v + 0.5)).abs()


def constant(low: float, high: float, num_frames: int) -> Tensor:
    """Stay high at every frame."""
    return torch.full((num_frames,), high)


RAMPS = {"linear": linear, "triangle": triangle, "constant": constant}
