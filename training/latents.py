"""Clips as the UNet is trained on them: latents, worked out once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.vae import VaeEncoder
from training.clips import Album, Motion, clip
from training.tower import embedding
from training.vae import Vae

NUM_FRAMES = 8
SIZES = ((64, 64), (64, 64), (80, 48), (48, 80), (72, 56), (56, 72))  # width, height; as often as they stand here


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
        std = torch.cat([vae.moments(part)[0] for part in images.split(32)]).std()
    factor = 1 / (float(std) * LATENT_SCALE)
    with torch.no_grad():
        vae.encoder.quant_conv.weight.chunk(2)[0].mul_(factor)
        vae.encoder.quant_conv.bias.chunk(2)[0].mul_(factor)
        vae.decoder.decoder.conv_in.weight.div_(factor)


def encoded(encoder: VaeEncoder, images: Tensor) -> Tensor:
    """[N, 3, H, W] to scaled latents [N, 4, h, w]."""
    return encoder.start_latent(images) * LATENT_SCALE


def examples(album: Album, vae: Vae, tower: nn.Module, count: int, seed: int) -> list[Example]:
    """Clips by number: the same for the same seed."""
    made = []
    for i in tqdm(range(count), "clips", mininterval=5):
        rng = np.random.default_rng([seed, i, 2])
        motion, size = Motion.drawn(rng), SIZES[i % len(SIZES)]
        frames = clip(rng, album, size, NUM_FRAMES, motion)
        with torch.inference_mode():
            latents, embeds = encoded(vae.encoder, frames).clone(), embedding(tower, frames[:1])
        made.append(Example(latents, frames.half(), embeds.clone(), motion))
    return made


def paired(noise: Tensor, angle: float) -> Tensor:
    """Unit noise [T, 4, h, w] changed to tell the direction of a clip's pan, so that a seed means a direction.

    Training need not pair clips and noise at random: any pairing that leaves the noise itself normal gives a sampler
    that ends at the clips (Liu et al. 2022, rectified flow; Pooladian et al. 2023). Here two sums over the noise, of
    channels 0 and 1 in a chessboard's signs, are normal numbers z; they are turned so that z points at the angle.
    Without this the pan's direction has to be guessed from noise, and a network this small blends the guesses.

    Args:
        noise: drawn at random.
        angle: radians.
    """
    board = chessboard(noise.shape)
    z = torch.einsum("tchw,thw->c", noise[:, :2], board)
    radius = z.norm()
    wanted = radius * torch.tensor([math.cos(angle), math.sin(angle)])
    turned = noise.clone()
    turned[:, :2] += (wanted - z).view(1, 2, 1, 1) * board[:, None]
    return turned


def angle_of(noise: Tensor) -> float:
    """The direction that noise [T, 4, h, w] means, radians."""
    z = torch.einsum("tchw,thw->c", noise[:, :2], chessboard(noise.shape))
    return math.atan2(float(z[1]), float(z[0]))


def chessboard(shape: Sequence[int]) -> Tensor:
    """[T, h, w] of plus and minus 1 in turn in each frame, divided to a norm of 1."""
    num_frames, _, height, width = shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    board = (1 - 2 * ((x + y) % 2)).float()
    return board.expand(num_frames, -1, -1) / math.sqrt(num_frames * height * width)
