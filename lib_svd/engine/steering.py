"""Denoisers round a denoiser: a clip between two pictures, one that moves in a part of the picture alone, and one that
goes on from a frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lib_svd.engine.samplers import Denoise


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


def shrink_mask(mask: Tensor, scale: int) -> Tensor:
    """Shrink a mask [H, W] of 0 to 1 to latents [1, 1, h, w], each the mean of its `scale` times `scale` pixels."""
    return F.avg_pool2d(mask[None, None].float(), scale)
