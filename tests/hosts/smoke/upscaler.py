"""An ESRGAN for a web UI, whose weights make every pixel four by four of its colour: small, and told from Lanczos."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

NAME = "smoke_esrgan_4x"
WIDTH, GROWTH, COLOURS = 8, 32, 3  # channels; the second is the same in every ESRGAN
ENDS = {"model.0": (WIDTH, COLOURS), "model.10": (COLOURS, WIDTH)}
INNER = ("model.3", "model.6", "model.8")
BLOCK = "model.1.sub.0.RDB{block}.conv{layer}.0"
TRUNK = "model.1.sub.1"


def write_upscaler(folder: Path) -> Path:
    """Write the file; gives it."""
    folder.mkdir(parents=True)
    kept = {**ENDS, **dict.fromkeys(INNER, (WIDTH, WIDTH))}
    silent = {TRUNK: (WIDTH, WIDTH)} | {
        BLOCK.format(block=block, layer=layer): (GROWTH if layer < 5 else WIDTH, WIDTH + GROWTH * (layer - 1))
        for block in (1, 2, 3)
        for layer in (1, 2, 3, 4, 5)
    }
    tensors: dict[str, Tensor] = {}
    for name, (to, of) in (kept | silent).items():
        weight = torch.zeros(to, of, 3, 3)
        if name in kept:
            weight[:, :, 1, 1] = torch.eye(to, of)
        tensors |= {f"{name}.weight": weight, f"{name}.bias": torch.zeros(to)}
    path = folder / f"{NAME}.pth"
    # A1111's check of pickles does not know all that a PyTorch newer than its own puts into a zip, and refuses it.
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    return path
