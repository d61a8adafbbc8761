"""LoRAs into a UNet's weights, while it is filled.

Nothing is ever taken out again: a UNet that is to be without them is filled anew from its file, bit for bit as before.

Each weight that is touched is read once more, in float32, gets what all LoRAs add, and is rounded once, to whatever it
waits in. So it is the nearest there is to the sum, in float16 and in a host's float8 alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lib_svd.checkpoints.ahead import ReadAhead
from lib_svd.checkpoints.header import Stamp, explain_refusal
from lib_svd.checkpoints.lora_files import Layer, Lora
from lib_svd.checkpoints.sources import Source
from lib_svd.checkpoints.weights import plan_weights

BASE = "weight"


def merge(
    weights: Mapping[str, Tensor],
    sources: Mapping[str, Source],
    stamps: Mapping[Path, Stamp],
    loras: Sequence[Lora],
    progress: Callable[[int], None],
) -> None:
    """Add LoRAs to the weights of a network.

    Args:
        weights: of the network, by name; those that are touched are filled anew.
        sources: where each weight is.
        stamps: every file as it was when it was looked at, those of the LoRAs among them.
        loras: added in this order.
        progress: told before each weight that no more was read of the checkpoint; may raise to stop.

    Raises:
        BadCheckpoint: a file changed since it was looked at, or a LoRA's numbers are not finite.
    """
    for name in dict.fromkeys(name for lora in loras for name in lora.layers):
        progress(0)
        touching = [lora for lora in loras if name in lora.layers]
        layers = [lora.layers[name] for lora in touching]
        read = _read(sources[name], tuple(weights[name].shape), layers, stamps)
        total = read[BASE]
        for number, lora in enumerate(touching):
            added = _add_up(read, number, lora)
            if not math.isfinite(float(added.sum())):  # much faster than asking each
                raise explain_refusal(lora.file.path, f"gives NaN or infinity in {name}", "download it again")
            total += added.view(total.shape)
        weights[name].copy_(total)


def _add_up(read: Mapping[str, Tensor], number: int, lora: Lora) -> Tensor:
    """Work out what a LoRA adds: strength * alpha / rank * up @ down, float32 [rows, columns]."""
    up, down, own = read[f"{number} up"], read[f"{number} down"], read.get(f"{number} alpha")
    rank = down.shape[0]
    alpha = float(own) if own is not None else lora.file.alpha
    scale = 1.0 if alpha is None else alpha / (math.sqrt(rank) if lora.file.by_root else rank)
    return (up @ down) * (lora.strength * scale)


def _read(
    base: Source, shape: tuple[int, ...], layers: Sequence[Layer], stamps: Mapping[Path, Stamp]
) -> dict[str, Tensor]:
    """Read a weight and what is added to it, in float32: matrices, and the weight in its own shape."""
    sources: dict[str, Source] = {BASE: base}
    shapes: dict[str, tuple[int, ...]] = {BASE: shape}
    for number, layer in enumerate(layers):
        sources |= {f"{number} up": layer.up, f"{number} down": layer.down}
        shapes |= {f"{number} up": layer.up.shape[:2], f"{number} down": (layer.rank, math.prod(layer.down.shape[1:]))}
        if layer.alpha is not None:
            sources[f"{number} alpha"], shapes[f"{number} alpha"] = layer.alpha, (1,)
    read, pieces = plan_weights(sources, shapes, torch.float32, stamps)
    with ReadAhead(pieces) as ahead:
        for _ in ahead:
            pass
    return read
