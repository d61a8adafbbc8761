"""Preconditioning of the network for v-prediction over EDM noise levels, and guidance: D(x; sigma) for the samplers."""

from __future__ import annotations

import torch
from torch import Tensor

from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.unet import UNet, UNetTables


def c_skip(sigma: Tensor) -> Tensor:
    """1 / (sigma^2 + 1)."""
    return 1 / (sigma**2 + 1)


def c_out(sigma: Tensor) -> Tensor:
    """-sigma / sqrt(sigma^2 + 1)."""
    return -sigma / (sigma**2 + 1).sqrt()


def c_in(sigma: Tensor) -> Tensor:
    """1 / sqrt(sigma^2 + 1)."""
    return 1 / (sigma**2 + 1).sqrt()


def c_noise(sigma: Tensor) -> Tensor:
    """ln(sigma) / 4."""
    return sigma.log() / 4


class Denoiser:
    """D(x; sigma) with guidance, for one clip: called as `denoise(x, sigma)` by the samplers.

    Args:
        unet: on the device where it shall run.
        conditioning: of the clip, anywhere.
        sigmas: [n + 1] every level that will be asked for, but for the closing 0.
        guidance: [T] scale of each frame; where all are 1 the unconditional branch is not run.
        device, dtype: where and in what the network computes.
        halves: run the two branches one after the other: the same result with half the memory.
    """

    def __init__(
        self,
        unet: UNet,
        conditioning: Conditioning,
        sigmas: Tensor,
        guidance: Tensor,
        *,
        device: torch.device,
        dtype: torch.dtype,
        halves: bool = False,
    ) -> None:
        self.unet, self.device, self.dtype = unet, device, dtype
        self.levels = {float(sigma): i for i, sigma in enumerate(sigmas[:-1])}
        self.guidance = guidance.to(device).view(-1, 1, 1, 1)
        self.branches = 1 if bool((guidance == 1).all()) else 2
        c = conditioning.to(device)
        context, start = c.image_embeds.to(dtype), c.start_latent.to(dtype).expand(len(guidance), -1, -1, -1)
        if self.branches == 2:  # unconditional first, as the reference
            context = torch.cat([torch.zeros_like(context), context])
            start = torch.cat([torch.zeros_like(start), start])
        self.start = start
        tables = unet.tables(c_noise(sigmas[:-1]).to(device), c.vector, context, len(guidance))
        self.runs: list[tuple[Tensor, UNetTables]] = [(start, tables)]
        if halves and self.branches == 2:
            self.runs = [(half, tables.branch(b)) for b, half in enumerate(start.chunk(2))]

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoised latents.

        Args:
            x: [T, 4, h, w] float32.
            sigma: scalar, one of the levels.

        Returns:
            [T, 4, h, w] float32.
        """
        step = self.levels[float(sigma)]
        sigma = sigma.to(x.device)
        scaled = (c_in(sigma) * x).to(self.dtype)
        outputs = [
            self.unet(torch.cat([scaled.repeat(len(start) // len(x), 1, 1, 1), start], dim=1), tables, step)
            for start, tables in self.runs
        ]
        f = torch.cat(outputs).float()
        if self.branches == 2:  # D is linear in F and c_skip x is common, so guidance of F is guidance of D
            f_u, f_c = f.chunk(2)
            f = f_u + self.guidance * (f_c - f_u)
        return c_skip(sigma) * x + c_out(sigma) * f
