"""Random weights, the same for both sides without a file: each tensor has a stream seeded by its name in diffusers."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.scales import Scale
from lib_svd.checkpoints import networks
from lib_svd.checkpoints.diffusers_layout import Origin, map_unet, map_vae, map_vision
from lib_svd.checkpoints.native_layout import PARTS, split
from lib_svd.ports import Part

UNIT = math.sqrt(3)  # a uniform number on (-1, 1) times this has variance 1
BIAS, GAIN, MIX, PLACE = 0.1, 0.2, 1.5, 0.5
MAPS = {"unet": map_unet, "vae": map_vae, "image_encoder": map_vision}


def build_peer_networks(scale: Scale) -> dict[str, Any]:
    """The peer's three networks on the meta device: names and shapes, no memory."""
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.device("meta"):
        return {
            "unet": UNetSpatioTemporalConditionModel(**scale.diffusers_unet),
            "vae": AutoencoderKLTemporalDecoder(**scale.diffusers_vae),
            "image_encoder": CLIPVisionModelWithProjection(CLIPVisionConfig(**scale.transformers_vision)),
        }


def fill_peer(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Give one of the peer's networks its weights, in place."""
    network.load_state_dict(
        {name: _draw(name, tuple(weight.shape), dtype) for name, weight in network.state_dict().items()},
        strict=True,
        assign=True,
    )
    for name, buffer in network.named_buffers():  # position ids, which no state dict holds
        if buffer.is_meta:
            owner, _, leaf = name.rpartition(".")
            network.get_submodule(owner).register_buffer(leaf, torch.arange(buffer.numel()).view(buffer.shape), False)
    return network.eval().requires_grad_(False)


def build_our_networks(scale: Scale, dtypes: Mapping[Part, torch.dtype]) -> dict[Part, nn.Module]:
    """Our four networks with the same weights, by the maps that read a diffusers folder."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    origins: dict[str, tuple[str, Origin]] = {}
    for name, network in build_peer_networks(scale).items():
        shapes[name] = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
        origins |= {native: (name, origin) for native, origin in MAPS[name](shapes[name]).items()}
    parts = split(origins).parts
    filled: dict[Part, nn.Module] = {}
    for part in PARTS:
        network = networks.build(part, scale.configs)
        wanted = network.state_dict()
        weights = {}
        for name, key in parts[part].items():
            home, origin = origins[key]
            weights[name] = _convert(origin, shapes[home], tuple(wanted[name].shape), dtypes[part])
        network.load_state_dict(weights, strict=True, assign=True)
        filled[part] = network
    return filled


def _convert(
    origin: Origin, shapes: Mapping[str, tuple[int, ...]], shape: tuple[int, ...], dtype: torch.dtype
) -> Tensor:
    """One of our weights; convolutions in channels-last memory, as they are loaded from files."""
    drawn = torch.cat([_draw(key, shapes[key], dtype) for key in origin.keys])
    if origin.transform == "transpose":
        drawn = drawn.T.contiguous()
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return drawn.reshape(shape).contiguous(memory_format=layout)


def _draw(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A weight that keeps activations near 1 through the whole depth."""
    middle, spread = _spread(name, shape)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.empty(shape).uniform_(middle - spread, middle + spread, generator=generator).to(dtype)


def _spread(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Middle and half width of a weight's distribution."""
    if name.endswith("mix_factor"):
        return 0.0, MIX
    if name.endswith("bias"):
        return 0.0, BIAS
    if "embedding" in name and "patch" not in name and len(shape) < 3 and "linear" not in name:
        return 0.0, PLACE  # class and position of the image tower
    if len(shape) == 1:
        return 1.0, GAIN
    return 0.0, UNIT / math.sqrt(math.prod(shape[1:]))
