"""What each of the two that are compared is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.meter import Memory, Stages
from benchmarks.scales import SCALES
from lib_svd.engine.config import LATENT_SCALE

FPS, MOTION, AUGMENTATION = 7, 127, 0.02
MIN_GUIDANCE, MAX_GUIDANCE = 1.0, 3.0
CHECKED_FRAMES, CHECKED_SIDE = 4, 64  # of the small clip that the VAEs are checked on


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is measured; both sides get the same."""

    device: str
    dtype: str
    scale: str
    frames: int
    width: int
    height: int
    steps: int
    compiled: str | None = None  # torch.compile mode of the peer's UNet
    threads: int = 0  # of the CPU; 0: as many as torch takes
    decode_chunk: int = 0  # frames at a time; 0: all at once for the peer, by the memory at hand for ours


class Side(Protocol):
    """One of the two."""

    memory: Memory

    def check(self, inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """What each network makes of `check_inputs`."""
        ...

    def make_clip(self) -> Stages:
        """Make a clip, from a picture to 8-bit frames in host memory: stages encode, sample, decode."""
        ...


def check_inputs(order: Order) -> dict[str, Tensor]:
    """Inputs of the networks on the CPU, float32: of full size for the UNet, small for the others."""
    g = torch.Generator().manual_seed(1)
    embed, side = SCALES[order.scale].embed, CHECKED_SIDE // 8
    return {
        "x": torch.randn(2, order.frames, 8, order.height // 8, order.width // 8, generator=g),
        "context": torch.cat([torch.zeros(1, 1, embed), torch.randn(1, 1, embed, generator=g)]),
        "c_noise": torch.tensor([0.5]),
        "picture": torch.rand(1, 3, CHECKED_SIDE, CHECKED_SIDE, generator=g) * 2 - 1,
        "latents": torch.randn(CHECKED_FRAMES, 4, side, side, generator=g) * LATENT_SCALE,
        "tower": torch.randn(1, 3, 224, 224, generator=g),
    }


def make_picture(order: Order) -> Image.Image:
    """Smooth noise of the working size."""
    small = np.random.RandomState(0).randint(0, 256, (9, 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((order.width, order.height), Image.Resampling.BICUBIC)


def convert_to_arrays(**tensors: Tensor) -> dict[str, np.ndarray]:
    """Results to compare, float32."""
    return {name: tensor.float().cpu().numpy() for name, tensor in tensors.items()}
