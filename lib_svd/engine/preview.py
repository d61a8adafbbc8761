"""A small picture of latents without a decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# A least-squares fit of RGB in [-1, 1] to the 4 latent channels of the SD1 VAE, whose latent space SVD shares; the
# well-known factors as published in ComfyUI's latent_formats.py for SD15, without bias.
RGB_FACTORS = (
    (0.3512, 0.2297, 0.3227),
    (0.3250, 0.4974, 0.2350),
    (-0.2829, 0.1762, 0.2721),
    (-0.2120, -0.2616, -0.7177),
)


def convert_latents_to_rgb(latents: Tensor, factors: Sequence[Sequence[float]] = RGB_FACTORS) -> Tensor:
    """Give rough colours of latents, one pixel for each of theirs.

    Args:
        latents: [T, 4, h, w] as the sampler has them.
        factors: RGB in [-1, 1] of each channel.

    Returns:
        [T, h, w, 3] uint8.
    """
    rgb = torch.einsum("tchw,cr->thwr", latents.float(), torch.tensor(factors, device=latents.device))
    return ((rgb + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
