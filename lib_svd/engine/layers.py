"""Small parts that the networks share.

Memory layout: activations are [N, C, H, W] in channels-last memory throughout, frames of a clip one after the other.
The same bytes are also [B, C, T, H*W] in channels-last memory (`view_clip`) and tokens [N, H*W, C] (`view_tokens`),
and no part of a network copies them to look along time.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.norm import apply_norm_silu, make_group_norm


def sinusoid(t: Tensor, width: int) -> Tensor:
    """Embed a number: emb(t, N) = [cos(t f_i) | sin(t f_i)], f_i = exp(-ln(10000) i / (N/2)), i < N/2 (Vaswani 2017,
    cosines first).

    Args:
        t: [...], any range; taken in float32.
        width: N, even.

    Returns:
        [..., N] float32 in [-1, 1].
    """
    i = torch.arange(width // 2, dtype=torch.float32, device=t.device)
    angles = t.float()[..., None] * torch.exp(-math.log(10000) * i / (width // 2))
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def view_clip(x: Tensor, num_frames: int) -> Tensor:
    """See [B*T, C, H, W] as [B, C, T, H*W]: a view of channels-last memory, channels-last itself."""
    n, channels, height, width = x.shape
    # By `reshape`, which gives dimensions of size 1 the strides that torch knows channels-last memory by.
    clips = x.permute(0, 2, 3, 1).reshape(n // num_frames, num_frames, height * width, channels)
    return clips.permute(0, 3, 1, 2)


def view_frames(x: Tensor, height: int) -> Tensor:
    """See [B, C, T, H*W] as [B*T, C, H, W]: the way back from `view_clip`."""
    clips, channels, num_frames, pixels_a_frame = x.shape
    frames = x.permute(0, 2, 3, 1).reshape(clips * num_frames, height, pixels_a_frame // height, channels)
    return frames.permute(0, 3, 1, 2)


def view_tokens(x: Tensor) -> Tensor:
    """See [N, C, H, W] as [N, H*W, C]: a view of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def view_pixels(x: Tensor, height: int) -> Tensor:
    """See [N, H*W, C] as [N, C, H, W] in channels-last memory: the way back from `view_tokens`."""
    return x.unflatten(1, (height, -1)).permute(0, 3, 1, 2)


def make_conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Make a 3x3 convolution that keeps the size."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def make_time_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Make a (3, 1, 1) convolution over time, spelled for a `view_clip`: half the time of Conv3d on a CPU, and no
    copy.
    """
    return nn.Conv2d(in_channels, out_channels, (3, 1), padding=(1, 0))


def convolve_ring(x: Tensor, conv: nn.Module) -> Tensor:
    """Convolve [B, C, T, S] over time where the first frame comes after the last: `conv` made by `make_time_conv`."""
    ring = torch.cat([x[:, :, -1:], x, x[:, :, :1]], dim=2)
    return conv(ring.contiguous(memory_format=torch.channels_last))[:, :, 1:-1].contiguous(
        memory_format=torch.channels_last
    )


class NormSiluConv(nn.Sequential):
    """GN, SiLU, convolution, at the indices of the released files: 0 and 2, or 0 and 3 where training had dropout."""

    def __init__(self, channels: int, conv: nn.Conv2d, eps: float, *, dropout_slot: bool = False) -> None:
        slot = [nn.Identity()] if dropout_slot else []
        super().__init__(make_group_norm(channels, eps), nn.SiLU(inplace=True), *slot, conv)

    def forward(self, x: Tensor, closed: bool = False) -> Tensor:
        h = apply_norm_silu(x, cast(nn.GroupNorm, self[0]))
        return convolve_ring(h, self[-1]) if closed else self[-1](h)


def make_mlp(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    """Make a Linear, a SiLU and a Linear in a row."""
    return nn.Sequential(nn.Linear(in_dim, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, out_dim))


class Upsample(nn.Module):
    """Doubles a picture's sides by repeating each pixel, then convolves 3x3.

    Worked out before the picture is larger: where rows (and columns) come twice, two of the three taps fall on the same
    one, so each quarter of the output is a 2x2 convolution with the sums of taps: 4/9 of the work, and no large input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = make_conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Take [N, C, H, W] to [N, C, 2 H, 2 W]."""
        taps, bias = self.conv.weight.to(x.device, torch.float32), self.conv.bias  # summed before they are rounded
        n, channels, height, width = x.shape
        shape = (n, channels, 2 * height, 2 * width)
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            quarter = _fold_rows(_fold_rows(taps, down).mT, right).mT
            quarter = quarter.to(x.dtype, memory_format=torch.channels_last)
            padded = F.pad(x, (1 - right, right, 1 - down, down))
            out[:, :, down::2, right::2] = F.conv2d(padded, quarter, None if bias is None else bias.to(x))
        return out


def _fold_rows(taps: Tensor, second: int) -> Tensor:
    """Turn three rows of taps into the two for a row of the output, the first or the second of a row that comes
    twice.
    """
    above, middle, below = taps.unbind(-2)
    return torch.stack([above + middle, below] if second else [above, middle + below], -2)


class Mixer(nn.Module):
    """Holds one learned factor; sigmoid(mix_factor) is the share of the spatial side."""

    def __init__(self) -> None:
        super().__init__()
        self.mix_factor = nn.Parameter(torch.zeros(1))

    def compute_spatial_share(self, like: Tensor) -> Tensor:
        """Give the share of the spatial side, [1], in the device and dtype of `like`: a host may have left the factor
        elsewhere.
        """
        return torch.sigmoid(self.mix_factor.to(like.device, torch.float32)).to(like.dtype)
