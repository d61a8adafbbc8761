"""Denoisers round a denoiser: a clip between two pictures, one that moves in a part of the picture alone, one that goes
on from a frame, and one whose camera goes where it is told.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lib_svd.engine.samplers import Denoise

APART = 0.5  # deviation of a clip's latents, whose own is about 1, from the picture as a moved camera would see it
SURE = 0.99  # of what is seen is the moved picture: there the network is not asked


def meet_between(forward: Denoise, backward: Denoise, num_frames: int) -> Denoise:
    """Give a denoiser of a clip that begins with one picture and ends with another.

    Both see the same frames, `backward` in reverse, and their views are mixed: w_t D_a(x) + (1 - w_t) D_b(x reversed)
    reversed, w_t = 1 - t / (T - 1), so that the first frame is the one's alone and the last the other's. The idea is
    time reversal fusion's (Feng et al. 2024, https://arxiv.org/abs/2403.14611).

    Args:
        forward: begins with the first picture.
        backward: begins with the last one.
        num_frames: T, 2 or more.
    """
    share = torch.linspace(1, 0, num_frames).view(-1, 1, 1, 1)

    def denoise_both(x: Tensor, sigma: Tensor) -> Tensor:
        w = share.to(x)
        return w * forward(x, sigma) + (1 - w) * backward(x.flip(0), sigma).flip(0)

    return denoise_both


def hold_still(denoise: Denoise, still: Tensor, moves: Tensor) -> Denoise:
    """Give a denoiser that sees the still picture wherever nothing may move: with every sampler x goes there from its
    own noise straight to the picture, at each level the picture noised by that much.

    Args:
        denoise: of the whole.
        still: latents of the picture, scaled as the clip's, [1, 4, h, w].
        moves: [1, 1, h, w], 1 where the clip may move, 0 where it may not, in between where both are mixed.
    """

    def denoise_part(x: Tensor, sigma: Tensor) -> Tensor:
        return torch.lerp(still.to(x), denoise(x, sigma), moves.to(x))

    return denoise_part


def hold_first(denoise: Denoise, first: Tensor) -> Denoise:
    """Give a denoiser that sees these latents [n, 4, h, w] in the first n frames: with every sampler they become
    them.

    By how much the network sees the last of them in other colours (the mean of each channel), the frames after it are
    taken back: else colours would jump there, and drift from clip to clip.
    """

    def denoise_rest(x: Tensor, sigma: Tensor) -> Tensor:
        denoised, known = denoise(x, sigma), first.to(x)
        shift = (denoised[len(known) - 1] - known[-1]).mean((1, 2), keepdim=True)
        return torch.cat([known, denoised[len(known) :] - shift])

    return denoise_rest


def follow_camera(denoise: Denoise, views: Tensor, last: Tensor) -> Denoise:
    """Give a denoiser whose camera goes where it is told, with every sampler and schedule.

    Two things are known of the clip: x, which is sigma away from it, and the picture as the moved camera would see it,
    which is APART away. Weighed by their precision, D = (APART^2 D(x) + sigma^2 view) / (APART^2 + sigma^2). So the
    camera is decided while there is much noise, where the view counts alone and the network need not even be asked;
    details, and what the view cannot know, come later. At the last level all is the network's own.

    Args:
        denoise: of the whole, which is told of the same views frame by frame.
        views: latents of what the camera sees, scaled as the clip's, [T, 4, h, w].
        last: the lowest level above 0.
    """

    def denoise_near(x: Tensor, sigma: Tensor) -> Tensor:
        share = float(sigma**2 / (sigma**2 + APART**2)) if sigma > last else 0.0
        if share > SURE:
            return views.to(x)
        return torch.lerp(denoise(x, sigma), views.to(x), share) if share else denoise(x, sigma)

    return denoise_near


def shrink_mask(mask: Tensor, scale: int) -> Tensor:
    """Shrink a mask [H, W] of 0 to 1 to latents [1, 1, h, w], each the mean of its `scale` times `scale` pixels."""
    return F.avg_pool2d(mask[None, None].float(), scale)
