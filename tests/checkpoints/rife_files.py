"""Files that hold RIFE, or nearly: their headers are whole, their weights are zeros that take no room on the disk."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from lib_svd.checkpoints.rife import KINDS
from lib_svd.engine.rife import Rife

Shapes = dict[str, tuple[int, ...]]
BYTES = {"F16": 2, "F32": 4, "F8_E4M3": 1, "I8": 1}


def list_shapes(kind: str) -> Shapes:
    with torch.device("meta"):
        return {name: tuple(weight.shape) for name, weight in Rife(KINDS[kind]).state_dict().items()}


def rename_as_trained(shapes: Shapes, before: str = "module.") -> Shapes:
    """The names that Practical-RIFE gives, with what its training alone needs."""
    named = {before + name.replace("blocks.", "block"): shape for name, shape in shapes.items()}
    return named | {before + "teacher.conv0.0.0.weight": (32, 40, 3, 3), before + "caltime.0.bias": (8,)}


def write_header(path: Path, shapes: Shapes, dtype: str = "F16") -> Path:
    """A safetensors file of zeros."""
    at, told = 0, {}
    for name, shape in shapes.items():
        size = math.prod(shape) * BYTES[dtype]
        told[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(told).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + at)
    return path
