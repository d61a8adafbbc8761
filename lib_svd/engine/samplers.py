"""Samplers: generators over `denoise(x, sigma)`; each yields after every step, so that the caller reports and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]  # x [T, 4, h, w], sigma scalar -> denoised [T, 4, h, w]
Noise = Callable[[], Tensor]  # fresh unit noise like x


class Step(NamedTuple):
    """What a sampler yields after step `number` of `total`."""

    number: int  # from 1
    total: int
    x: Tensor  # [T, 4, h, w]; after the last step the result
    denoised: Tensor  # [T, 4, h, w] the network's latest view of the result, for previews


def start(noise: Tensor, sigmas: Tensor) -> Tensor:
    """Begin with x_0 = noise sqrt(1 + sigma_0^2)."""
    return noise * (1 + sigmas[0] ** 2).sqrt()


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Step]:
    """x += (sigma_next - sigma) d, d = (x - D) / sigma: the reference's sampler (Karras et al. 2022, alg. 1)."""
    for i, (sigma, sigma_next) in enumerate(_pair_levels(sigmas), 1):
        denoised = denoise(x, sigma)
        x = x + (sigma_next - sigma) * ((x - denoised) / sigma)
        yield Step(i, len(sigmas) - 1, x, denoised)


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Step]:
    """Euler down to sigma_down, then fresh noise up to sigma_next."""
    for i, (sigma, sigma_next) in enumerate(_pair_levels(sigmas), 1):
        denoised = denoise(x, sigma)
        up = (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2).clamp(min=0).sqrt()
        down = (sigma_next**2 - up**2).clamp(min=0).sqrt()
        x = x + (down - sigma) * ((x - denoised) / sigma)
        x = x + up * noise() if sigma_next > 0 else x
        yield Step(i, len(sigmas) - 1, x, denoised)


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Step]:
    """Euler, corrected by the slope at its end: two evaluations a step but the last (Karras et al. 2022, alg. 1)."""
    for i, (sigma, sigma_next) in enumerate(_pair_levels(sigmas), 1):
        denoised = denoise(x, sigma)
        d = (x - denoised) / sigma
        x_next = x + (sigma_next - sigma) * d
        if sigma_next > 0:
            denoised = denoise(x_next, sigma_next)
            x_next = x + (sigma_next - sigma) * (d + (x_next - denoised) / sigma_next) / 2
        x = x_next
        yield Step(i, len(sigmas) - 1, x, denoised)


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Step]:
    """DPM-Solver++(2M) in lambda = -ln(sigma) (Lu et al. 2022, alg. 2), first order at both ends."""
    before: Tensor | None = None
    h_before = torch.zeros(())
    for i, (sigma, sigma_next) in enumerate(_pair_levels(sigmas), 1):
        denoised = denoise(x, sigma)
        h = sigma.log() - sigma_next.log()
        d = denoised
        if before is not None and sigma_next > 0:
            r = h_before / h
            d = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * before
        x = (sigma_next / sigma) * x - torch.expm1(-h) * d
        before, h_before = denoised, h
        yield Step(i, len(sigmas) - 1, x, denoised)


def lcm(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Step]:
    """x_next = D + sigma_next * fresh noise (Luo et al. 2023), for distilled models."""
    for i, (sigma, sigma_next) in enumerate(_pair_levels(sigmas), 1):
        denoised = denoise(x, sigma)
        x = denoised + sigma_next * noise() if sigma_next > 0 else denoised
        yield Step(i, len(sigmas) - 1, x, denoised)


SAMPLERS = {"euler": euler, "euler_ancestral": euler_ancestral, "heun": heun, "dpmpp_2m": dpmpp_2m, "lcm": lcm}


def _pair_levels(sigmas: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(sigmas, sigmas[1:], strict=False)
