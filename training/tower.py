"""Second stage: the image tower, by telling pictures apart: two views of one are near, views of others far."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.config import VisionConfig
from lib_svd.engine.vision import VisionTower, prepare_input
from training.loop import Plan, train
from training.scenes import Rng

VISION = VisionConfig(width=80, num_layers=1, mlp_width=160, patch_size=14, image_size=56, embed_dim=64)
BATCH = 64
TEMPERATURE = 0.1
LEAST_SHOWN = 0.7  # of a side that a view shows


def train_tower(crops: Tensor, held_out: Tensor, plan: Plan, folder: Path, seed: int) -> VisionTower:
    """Train on crops [N, 3, H, W] in [-1, 1] (contrastive loss of SimCLR, Chen et al. 2020, one way)."""
    tower = VisionTower(VISION)
    for name, weight in tower.named_parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=0.02 if "embedding" in name else weight.shape[-1] ** -0.5)
    for weight in (tower.class_embedding, *(p for n, p in tower.named_parameters() if n.endswith("in_proj_bias"))):
        nn.init.zeros_(weight)

    def compute_loss(rng: Rng, step: int) -> Mapping[str, Tensor]:
        images = crops[torch.from_numpy(rng.integers(len(crops), size=BATCH))]
        return {"loss": F.cross_entropy(_compare(tower, images, rng) / TEMPERATURE, torch.arange(BATCH))}

    def look(averaged: nn.Module, step: int) -> Mapping[str, float]:
        rng = _make_fixed()
        with torch.inference_mode():
            right = _compare(averaged, held_out, rng).argmax(1) == torch.arange(len(held_out))
        return {"held_out_right": round(float(right.float().mean()), 3)}

    trained = train("tower", tower, compute_loss, look, plan, folder, seed)
    assert isinstance(trained, VisionTower)
    return trained


def embed(tower: nn.Module, images: Tensor) -> Tensor:
    """[N, 3, H, W] in [-1, 1] to [N, 1, D]."""
    return tower(prepare_input(images, VISION.image_size))


def _compare(tower: nn.Module, images: Tensor, rng: Rng) -> Tensor:
    """Cosines between one view of each picture and another of each, [N, N]."""
    a, b = (F.normalize(embed(tower, _take_view(images, rng))[:, 0], dim=-1) for _ in range(2))
    return a @ b.T


def _take_view(images: Tensor, rng: Rng) -> Tensor:
    """The same part of every picture, brighter or darker."""
    height, width = images.shape[-2:]
    share = rng.uniform(LEAST_SHOWN, 1)
    rows, columns = round(height * share), round(width * share)
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    shown = F.interpolate(images[..., top : top + rows, left : left + columns], (height, width), mode="bilinear")
    return shown * float(rng.uniform(0.8, 1.1)) + float(rng.normal(0, 0.05))


def _make_fixed() -> Rng:
    import numpy as np

    return np.random.default_rng(0)
