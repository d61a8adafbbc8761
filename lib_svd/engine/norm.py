"""GroupNorm with 32 groups over channels-last memory, and the SiLU that follows it.

On a CPU torch's own kernel keeps that memory. On CUDA it copies the activation into another layout and leaves it there,
until the next convolution copies it back (pytorch/pytorch#111824). There the norm is worked out here, from two sums a
channel and one multiply-add, with float32 inside as torch's own has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine import fused

GROUPS = 32


def make_group_norm(channels: int, eps: float) -> nn.GroupNorm:
    """Make the layer; a host may put its own in its place."""
    return nn.GroupNorm(GROUPS, channels, eps=eps)


def apply_norm(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Work out `norm(x)` of [N, C, H, W], in the layout and dtype of x; a tensor of its own, which may be written
    to.
    """
    if keeps_layout(x) or x.device.type == "mps":  # whose kernel takes any layout
        return norm(x)
    return apply_scale(x, *scale_and_shift(norm.weight, norm.bias, norm.eps, compute_moments(x)))


def apply_norm_silu(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Work out silu(norm(x)) of [N, C, H, W], in the layout and dtype of x."""
    if fused.is_compiling():
        # A host may have left them elsewhere; and of a Parameter every size would be compiled on its own.
        weight, bias = (each.detach().to(x.device) for each in (norm.weight, norm.bias))
        return fused.fuse(_norm_silu)(x, weight, bias, norm.eps)
    return F.silu(apply_norm(x, norm), inplace=True)


def _norm_silu(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Work it out as expressions, of which a compiler makes a pass for the sums and one for the rest."""
    scale, shift = scale_and_shift(weight, bias, eps, _compute_moments(x))
    return F.silu(x * scale + shift).to(x.dtype)


def keeps_layout(x: Tensor) -> bool:
    """Tell whether torch's own kernel is to be taken; it is for gradients too, which the one here has not."""
    return x.device.type == "cpu" or torch.is_grad_enabled()


class Moments(NamedTuple):
    """Mean and variance of each group of channels, over all its pixels."""

    numbers: int  # that each was taken from
    mean: Tensor  # [N, 32] float32
    var: Tensor  # [N, 32] float32


def compute_moments(x: Tensor) -> Moments:
    """Take the moments of [N, C, H, W], about as exact as torch's own norm of it."""
    if keeps_layout(x):
        return _compute_moments_by_torch(x)
    return _compute_moments(x)


def _compute_moments(x: Tensor) -> Moments:
    """Take the moments from two sums a channel, which need no copy."""
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)
    groups = (len(x), GROUPS, -1)
    mean = rows.mean(1, dtype=torch.float32).view(groups).mean(-1)
    root = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32) / rows.shape[1] ** 0.5
    var = root.square().view(groups).mean(-1).addcmul_(mean, mean, value=-1)
    return Moments(x[0].numel() // GROUPS, mean, var.clamp_(min=0))


def _compute_moments_by_torch(x: Tensor) -> Moments:
    """Take the moments by torch's norm, whose pass over channels-last memory is 15 times faster than var_mean's on a
    CPU.
    """
    n, channels, height, width = x.shape
    x = x.float().contiguous(memory_format=torch.channels_last)
    _, mean, rstd = torch.native_group_norm(x, None, None, n, channels, height * width, GROUPS, 0.0)
    return Moments(x[0].numel() // GROUPS, mean, rstd.pow(-2))


def merge_moments(parts: Sequence[Moments]) -> Moments:
    """Make moments of all from those of the parts (Chan, Golub, LeVeque 1979)."""
    numbers = sum(part.numbers for part in parts)
    means = torch.stack([part.mean for part in parts])
    share = means.new_tensor([part.numbers / numbers for part in parts]).view(-1, 1, 1)
    mean = (share * means).sum(0)
    var = (share * (torch.stack([part.var for part in parts]) + (means - mean) ** 2)).sum(0)
    return Moments(numbers, mean, var)


def scale_and_shift(weight: Tensor, bias: Tensor, eps: float, of: Moments) -> tuple[Tensor, Tensor]:
    """Write the norm of x as scale x + shift, each [N, C, 1, 1] float32; weight and bias are [C]."""
    weight, bias = (each.to(of.mean.device).view(GROUPS, -1) for each in (weight, bias))  # from where a host left them
    scale = weight * (of.var + eps).rsqrt()[..., None]
    shift = bias - of.mean[..., None] * scale
    return scale.flatten(1)[..., None, None], shift.flatten(1)[..., None, None]


def apply_scale(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Work out scale x + shift in float32, in the layout and dtype of x: one pass on a GPU."""
    if torch.is_grad_enabled() or x.device.type in ("cpu", "mps"):
        # What is written into an `out` has no gradient; nor has every backend an `out` of another dtype, such as a CPU
        # before PyTorch 2.3.
        return torch.addcmul(shift, x, scale).to(x.dtype)
    return torch.addcmul(shift, x, scale, out=torch.empty_like(x))
