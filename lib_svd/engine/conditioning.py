"""What a clip is made from: the picture's embedding, its start latent and the conditioning numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lib_svd.engine.layers import sinusoid

SCALAR_WIDTH, ANGLE_WIDTH = 256, 512  # of the sinusoids of numbers and of SV3D's angles


@dataclass(frozen=True)
class Conditioning:
    """The conditional branch; the unconditional one has zeros for the picture and the same vector."""

    image_embeds: Tensor  # [1, 1, D]
    start_latent: Tensor  # [1, 4, h, w] for all frames, or [T, 4, h, w]; not scaled
    vector: Tensor  # [1, V] for all frames, or [T, V]

    def to(self, device: torch.device) -> Conditioning:
        """Give the same on another device."""
        return Conditioning(self.image_embeds.to(device), self.start_latent.to(device), self.vector.to(device))


def embed_motion(fps: int, motion_bucket_id: int, noise_aug_strength: float) -> Tensor:
    """Embed what SVD is told: emb(fps_id, 256) | emb(motion_bucket_id, 256) | emb(noise_aug_strength, 256), fps_id =
    fps - 1. [1, 768].
    """
    time_ids = torch.tensor([[fps - 1, motion_bucket_id, noise_aug_strength]], dtype=torch.float32)
    return sinusoid(time_ids, SCALAR_WIDTH).flatten(1)


def embed_object(noise_aug_strength: float) -> Tensor:
    """Embed what SV3D_u is told: emb(noise_aug_strength, 256). [1, 256]."""
    return sinusoid(torch.tensor([[noise_aug_strength]], dtype=torch.float32), SCALAR_WIDTH).flatten(1)


def embed_orbit(noise_aug_strength: float, polars: Tensor, azimuths: Tensor) -> Tensor:
    """Embed what SV3D_p is told: emb(noise_aug_strength, 256) | emb(polar, 512) | emb(azimuth, 512). [T, 1280].

    Args:
        noise_aug_strength: standard deviation of the noise on the picture.
        polars: [T] radians from the zenith, pi/2 - elevation.
        azimuths: [T] radians from the picture's view, which the last frame returns to.
    """
    noise = embed_object(noise_aug_strength).expand(len(polars), -1)
    return torch.cat([noise, sinusoid(polars, ANGLE_WIDTH), sinusoid(azimuths, ANGLE_WIDTH)], dim=1)


def make_orbit(num_frames: int, elevation: float, degrees: float = 360.0) -> tuple[Tensor, Tensor]:
    """Give polars and azimuths [T] in radians of a camera path at one height that ends at the picture's own view.

    Args:
        num_frames: T.
        elevation: degrees above the horizon.
        degrees: what the camera travels; 360 is the reference's full turn.
    """
    polars = torch.full((num_frames,), 90.0 - elevation)
    azimuths = torch.linspace(0, degrees, num_frames + 1)[1:]
    return torch.deg2rad(polars), torch.deg2rad((azimuths - azimuths[-1]) % 360)
