"""Narrow networks with random weights whose activations stay near 1."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import nn

from lib_svd.engine.config import DecoderConfig, EncoderConfig, UNetConfig, VisionConfig

Network = TypeVar("Network", bound=nn.Module)

UNET = UNetConfig(
    channels=(32, 64), num_res_blocks=1, attention=(True, False), emb_dim=48, context_dim=24, vector_dim=768
)
ENCODER = EncoderConfig(channels=(32, 64), num_res_blocks=1)
TWO_LEVELS = DecoderConfig(channels=(32, 64), num_res_blocks=1)
THREE_LEVELS = DecoderConfig(channels=(32, 32, 64), num_res_blocks=2)
PLAIN = DecoderConfig(channels=(32, 64), num_res_blocks=1, temporal=False, post_quant_conv=True)
VISION = VisionConfig(width=80, num_layers=2, mlp_width=160, patch_size=14, image_size=28, embed_dim=24)


def fill(network: Network, dtype: torch.dtype = torch.float32) -> Network:
    """With weights of a fixed seed; no gradients."""
    generator = torch.Generator().manual_seed(7)
    for name, weight in network.named_parameters():
        drawn = torch.randn(weight.shape, generator=generator)
        if weight.ndim > 1:
            drawn = drawn / math.sqrt(math.prod(weight.shape[1:]))
        elif name.endswith("weight"):
            drawn = 1 + 0.2 * drawn
        weight.data = drawn.to(dtype)
    return network.eval().requires_grad_(False)
