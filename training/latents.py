"""Clips as the UNet is trained on them: latents, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.vae import VaeEncoder
from training.clips import Album, Motion, make_clip
from training.tower import embed
from training.vae import Vae

NUM_FRAMES = 8
SIZES = ((64, 64), (64, 64), (80, 48), (48, 80))  # width, height; as often as they stand here


@dataclass(frozen=True)
class Example:
    """One clip."""

    latents: Tensor  # [T, 4, h, w], scaled: unit variance
    frames: Tensor  # [T, 3, H, W] in [-1, 1]
    image_embeds: Tensor  # [1, 1, D]
    motion: Motion

    @property
    def picture(self) -> Tensor:
        """The first frame, [1, 3, H, W]."""
        return self.frames[:1].float()


def fold_scale(vae: Vae, images: Tensor) -> None:
    """Make scaled latents of unit variance: LATENT_SCALE is what everybody multiplies by, so the VAE takes the rest.

    A scale alone; a shift would be wrong at the borders, where convolutions are padded with zeros.
    """
    with torch.inference_mode():
        std = torch.cat([vae.compute_moments(part)[0] for part in images.split(32)]).std()
    factor = 1 / (float(std) * LATENT_SCALE)
    with torch.no_grad():
        vae.encoder.quant_conv.weight.chunk(2)[0].mul_(factor)
        vae.encoder.quant_conv.bias.chunk(2)[0].mul_(factor)
        vae.decoder.decoder.conv_in.weight.div_(factor)


def encode(encoder: VaeEncoder, images: Tensor) -> Tensor:
    """[N, 3, H, W] to scaled latents [N, 4, h, w]."""
    return encoder.start_latent(images) * LATENT_SCALE


def make_examples(album: Album, vae: Vae, tower: nn.Module, count: int, seed: int) -> list[Example]:
    """Clips by number: the same for the same seed."""
    made = []
    for i in tqdm(range(count), "clips", mininterval=5):
        rng = np.random.default_rng([seed, i, 2])
        motion, size = Motion.drawn(rng), SIZES[i % len(SIZES)]
        frames = make_clip(rng, album, size, NUM_FRAMES, motion)
        with torch.inference_mode():
            latents, embeds = encode(vae.encoder, frames).clone(), embed(tower, frames[:1])
        made.append(Example(latents, frames.half(), embeds.clone(), motion))
    return made


def keep(path: Path, made: Callable[[], list[Example]]) -> list[Example]:
    """Examples from a file, or made and written there: they take minutes."""
    if not path.exists():
        found = made()
        unfinished = path.with_suffix(".part")
        torch.save([(e.latents, e.frames, e.image_embeds, astuple(e.motion)) for e in found], unfinished)
        unfinished.replace(path)
        return found
    return [Example(*tensors, Motion(*motion)) for *tensors, motion in torch.load(path, weights_only=True)]
