"""What a clip is made from: the picture's embedding, its start latent and the conditioning numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib_svd.engine.layers import sinusoid

DYNAMIC_PLACES, SMOOTHED = 84, 5  # round the object in a dynamic orbit; neighbours that heights are the mean of
DYNAMIC_REACH = 45.0  # degrees of elevation from which a draw would be thrown away four times of five
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


def make_orbit(
    num_frames: int, elevation: float | Sequence[float], degrees: float | Sequence[float] = 360.0
) -> tuple[Tensor, Tensor]:
    """Give polars and azimuths [T] in radians of a camera path that ends at the picture's own view.

    As Stability's simple_video_sample.py has it: azimuths are told from the last one.

    Args:
        num_frames: T.
        elevation: degrees above the horizon; several are spread along the clip, see `spread_evenly`.
        degrees: what the camera travels, in even steps, of which 360 is the reference's full turn; or azimuths from
            anywhere, spread along the clip.
    """
    elevations = spread_evenly([elevation] if isinstance(elevation, (int, float)) else elevation, num_frames)
    if isinstance(degrees, (int, float)):
        azimuths = torch.linspace(0, degrees, num_frames + 1)[1:]
    else:
        azimuths = spread_evenly(degrees, num_frames)
    return torch.deg2rad((90.0 - elevations).float()), torch.deg2rad(((azimuths - azimuths[-1]) % 360).float())


def spread_evenly(places: Sequence[float], num_frames: int) -> Tensor:
    """Spread numbers over a clip, the first at its first frame and the last at its last, with straight lines between.

    [T], float64. As many as there are frames stay what they are, and a single one holds throughout.
    """
    return torch.from_numpy(np.interp(np.linspace(0, len(places) - 1, num_frames), np.arange(len(places)), places))


def draw_dynamic_orbit(num_frames: int, elevation: float, seed: int) -> tuple[list[float], list[float]]:
    """Draw elevations and azimuths of T frames in degrees, of a turn at uneven steps that rises and sinks, and ends at
    the picture's own view: what Stability's scripts/demo/sv3d_helpers.py draws, from a generator of our own.

    At each of DYNAMIC_PLACES places round the object, e(k) = elevation + sum over i of a_i sin(2 pi f_i k / n + p_i),
    smoothed by the mean of SMOOTHED neighbours round the ring, with f_i in 1..4, a_i in 0.5..10 and p_i 0 or pi; drawn
    anew until all of it is within 90 degrees. Steps between azimuths are even random numbers, which together are up to
    two 1/n short of a full turn. Frames are places along this ring; T that divides n takes every (n/T)th, as there.

    Args:
        num_frames: T.
        elevation: degrees above the horizon of the last frame, within DYNAMIC_REACH of it.
        seed: of the draw, 0 and more.
    """
    n, generator = DYNAMIC_PLACES, torch.Generator().manual_seed(seed)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    while True:
        turns, heights, flips = draw(1, 5, n, 1).floor(), draw(0.5, 10, n, 1), draw(0, 2, n, 1).floor()
        waves = heights * torch.sin(2 * math.pi * turns * torch.arange(n) / n + math.pi * flips)
        ring = elevation + waves.sum(0)
        ring = torch.stack([ring.roll(shift) for shift in range(-(SMOOTHED // 2), SMOOTHED // 2 + 1)]).mean(0)
        if ring.abs().max() < 90:
            break
    steps = draw(0, 2, n - 1)
    azimuths = (steps * (360 - 360 / n * draw(0, 2)) / steps.sum()).cumsum(0)
    at = np.arange(1, num_frames + 1) * n / num_frames  # the last is where the ring began
    places = np.arange(n + 1)
    return (
        np.interp(at, places, [*ring.tolist(), ring[0].item()]).tolist(),
        np.interp(at, places, [0.0, *azimuths.tolist(), 360.0]).tolist(),
    )
