"""Preconditioning of the network for v-prediction over EDM noise levels, and guidance: D(x; sigma) for the samplers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.unet import Inner, UNet, UNetTables


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


@dataclass
class _Part:
    """Branches that go through the network together."""

    start: Tensor  # [B, 1 or T, 4, h, w]
    tables: UNetTables
    inner: Inner = field(default_factory=Inner)

    def list_starts(self, count: int, frames: Tensor | None) -> Tensor:
        """Give the start latents of as many frames, [B*count, 4, h, w]."""
        start = self.start if frames is None or self.start.shape[1] == 1 else self.start[:, frames]
        return start.expand(-1, count, -1, -1, -1).flatten(0, 1)


class Denoiser:
    """D(x; sigma) with guidance, for one clip: called as `denoise(x, sigma)` by the samplers.

    Args:
        unet: on the device where it shall run.
        conditioning: of the clip, anywhere.
        sigmas: [n + 1] every level that will be asked for, but for the closing 0.
        guidance: [T] scale of each frame; where all are 1 the unconditional branch is not run.
        device, dtype: where and in what the network computes.
        halves: run the two branches one after the other: the same result with half the memory.
        guided: (low, high): at other sigmas the unconditional branch is not run and D = D_c (Kynkäänniemi et al. 2024).
        cache_interval: of so many evaluations one is whole; the others run the outermost stages alone and take from it
            what the inner ones made (DeepCache, Ma et al. 2023). 1: all are whole.
        closed: whether the first frame comes after the last one.
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
        guided: tuple[float, float] = (0.0, math.inf),
        cache_interval: int = 1,
        closed: bool = False,
    ) -> None:
        self.unet, self.device, self.dtype = unet, device, dtype
        self.levels = {float(sigma): i for i, sigma in enumerate(sigmas[:-1])}
        self.guidance = guidance.to(device).view(-1, 1, 1, 1)
        self.branches = 1 if bool((guidance == 1).all()) else 2
        c = conditioning.to(device)
        context, start = c.image_embeds.to(dtype), c.start_latent.to(dtype)[None]
        if self.branches == 2:  # unconditional first, as the reference
            context = torch.cat([torch.zeros_like(context), context])
            start = torch.cat([torch.zeros_like(start), start])
        self.start = start
        tables = unet.make_tables(c_noise(sigmas[:-1]).to(device), c.vector, context, len(guidance), closed=closed)
        self.guided, self.cache_interval, self.since_whole = guided, cache_interval, 0
        both = [_Part(half, tables.select_branch(b)) for b, half in enumerate(start.chunk(self.branches))]
        self.together = both if halves else [_Part(start, tables)]
        self.alone = both[-1:] if self.branches == 2 else self.together
        self.last = self.together

    def __call__(self, x: Tensor, sigma: Tensor, frames: Tensor | None = None) -> Tensor:
        """Give the denoised latents.

        Args:
            x: [T, 4, h, w] float32.
            sigma: scalar, one of the levels.
            frames: [T] which of the clip's frames they are, where x is a part of it; None: all.

        Returns:
            [T, 4, h, w] float32.
        """
        low, high = self.guided
        parts = self.together if low <= float(sigma) <= high else self.alone
        self._forget(parts)
        step = self.levels[float(sigma)]
        sigma = sigma.to(x.device)
        scaled = (c_in(sigma) * x).to(self.dtype)
        f = torch.cat([self._run_network(scaled, part, step, frames) for part in parts]).float()
        if len(f) > len(x):  # D is linear in F and c_skip x is common, so guidance of F is guidance of D
            f_u, f_c = f.chunk(2)
            f = f_u + self.guidance * (f_c - f_u)
        return c_skip(sigma) * x + c_out(sigma) * f

    def _run_network(self, scaled: Tensor, part: _Part, step: int, frames: Tensor | None) -> Tensor:
        """Run the network on the branches of a part: F, [B*T, 4, h, w]."""
        x = torch.cat([scaled.repeat(len(part.start), 1, 1, 1), part.list_starts(len(scaled), frames)], dim=1)
        return self.unet(x, part.tables, step, part.inner if self.cache_interval > 1 else None)

    def _forget(self, parts: list[_Part]) -> None:
        """Let the next evaluation be whole, where it is its turn or other branches are run than before."""
        if parts is not self.last or self.since_whole >= self.cache_interval - 1:
            for part in (*self.together, *self.alone):
                part.inner.value = None
        self.since_whole = 0 if parts[0].inner.value is None else self.since_whole + 1
        self.last = parts
