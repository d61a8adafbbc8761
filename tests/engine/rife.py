"""RIFE networks of drawn weights, and what they are shown."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from lib_svd.checkpoints.rife import KINDS
from lib_svd.engine.rife import Rife

TIMES = (0.5, 0.2)
HEIGHT, WIDTH = 128, 256


def build_network(kind: str) -> Rife:
    rife = Rife(KINDS[kind]).eval().requires_grad_(False)
    rife.load_state_dict(draw_weights(kind))
    return rife


@cache
def draw_weights(kind: str) -> dict[str, Tensor]:
    """Such that flows are some pixels long; the same on every machine."""
    with torch.device("meta"):
        shapes = {name: tuple(weight.shape) for name, weight in Rife(KINDS[kind]).state_dict().items()}
    generator = np.random.default_rng(26)
    return {name: torch.from_numpy(_draw(name, shapes[name], generator)) for name in sorted(shapes)}


def _draw(name: str, shape: tuple[int, ...], generator: np.random.Generator):
    numbers = generator.standard_normal(shape, np.float32)
    if name.endswith("beta"):
        return 1 + 0.1 * numbers
    if name.endswith("bias"):
        return 0.1 * numbers
    transposed = "lastconv" in name or "cnn3" in name
    inputs = 4 * shape[0] if transposed else math.prod(shape[1:])
    return 0.6 * numbers / np.float32(math.sqrt(inputs))


def pair() -> tuple[Tensor, Tensor]:
    """Two frames [1, 3, H, W] float32 in [0, 1]: a pattern that moves by 5 pixels, with grain that does not."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    grain = np.random.default_rng(4).random((3, HEIGHT, WIDTH)) / 8
    before, after = (
        np.stack([np.sin((x - at) / 7), np.sin((y + at) / 9 + x / 20), np.cos((x + y - 2 * at) / 11)]) for at in (0, 5)
    )
    return tuple(torch.from_numpy(0.45 + 0.4 * each + grain).float()[None] for each in (before, after))


def take_samples(frame: Tensor) -> Tensor:
    """Every 16th pixel of every 16th row, and all channels."""
    return frame[0, :, 7::16, 7::16]
