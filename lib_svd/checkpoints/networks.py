"""The four networks by name. Imported late, so that looking at a file needs no engine until its keys look right."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import nn

from lib_svd.engine.config import NetworkConfigs
from lib_svd.ports import Part

Shape = tuple[int, ...]


def build(part: Part, configs: NetworkConfigs) -> nn.Module:
    """Build a network on the meta device: names and shapes, no memory. Layers are whatever `torch.nn` holds at the
    moment.
    """
    from lib_svd.engine.unet import UNet
    from lib_svd.engine.vae import VaeDecoder, VaeEncoder
    from lib_svd.engine.vision import VisionTower

    networks: dict[Part, Any] = {"vision": VisionTower, "encoder": VaeEncoder, "unet": UNet, "decoder": VaeDecoder}
    with torch.device("meta"):
        return networks[part](getattr(configs, part)).eval().requires_grad_(False)  # type: ignore[no-any-return]


@lru_cache(maxsize=32)
def list_shapes(part: Part, configs: NetworkConfigs) -> dict[str, Shape]:
    """List every weight of a network by name; not to be changed. Call it where no host has swapped the layers."""
    return {name: tuple(tensor.shape) for name, tensor in build(part, configs).state_dict().items()}
