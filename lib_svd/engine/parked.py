"""Activations of a clip in chunks of frames: one chunk is worked on, the others are parked where there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.layers import GROUPS, clip_view, frames_view


class ParkedFrames:
    """[T, C, H, W] in chunks along T. Whatever is done to it gives the same numbers for every chunk size.

    Args:
        chunks: [t, C, H, W] each, in order.
        device: where the work is done.
        park: where the chunks wait.
    """

    def __init__(self, chunks: Sequence[Tensor], *, device: torch.device, park: torch.device) -> None:
        self.device, self.park = device, park
        self.chunks = [chunk.contiguous(memory_format=torch.channels_last).to(park) for chunk in chunks]

    def __iter__(self) -> Iterator[Tensor]:
        """Chunk by chunk, where the work is done."""
        return (chunk.to(self.device) for chunk in self.chunks)

    def each(self, layers: Sequence[Callable[[Tensor], Tensor]]) -> None:
        """Run layers that look at one frame at a time, in place of the frames."""
        for i in range(len(self.chunks)):
            x = self._taken(i)
            for layer in layers:
                x = layer(x)
            self.chunks[i] = x.to(self.park)

    def combine(self, other: ParkedFrames, f: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Put f(own frames, the other's frames) in place of its own; the other is used up."""
        for i in range(len(self.chunks)):
            self.chunks[i] = f(self._taken(i), other._taken(i)).to(self.park)

    def copy(self) -> ParkedFrames:
        """The same frames under a second name; what is done to the one does not reach the other."""
        return ParkedFrames(self.chunks, device=self.device, park=self.park)

    def convolve_in_time(self, norm: nn.GroupNorm | None, conv: nn.Conv2d) -> None:
        """GN over the whole clip, SiLU (both only with a `norm`), (3, 1, 1) convolution, in place of the frames."""
        activate = self._clip_norm(norm) if norm is not None else _unchanged
        before: list[Tensor] = []
        for i in range(len(self.chunks)):
            after = [chunk[:1].to(self.device) for chunk in self.chunks[i + 1 : i + 2]]
            x = self._taken(i)
            first, count = len(before), len(x)
            window = [*before, x, *after]
            before = [x[-1:].clone()] if after else []
            x = torch.cat(window) if len(window) > 1 else x
            del window
            height, num_frames = x.shape[-2], len(x)
            x = activate(clip_view(x, num_frames))
            # At the clip's ends there is no neighbour and the convolution's own zero padding is what the reference has;
            # inside, the rows that saw that padding are the neighbours' and are dropped.
            x = frames_view(conv(x), height)
            if num_frames > count:
                x = x[first : first + count].clone()  # a slice would keep the neighbours' memory
            self.chunks[i] = x.to(self.park)

    def _taken(self, i: int) -> Tensor:
        """Chunk i where the work is done; no longer held here, so that its memory goes with its last user."""
        chunk, self.chunks[i] = self.chunks[i], torch.empty(0)
        return chunk.to(self.device)

    def _clip_norm(self, norm: nn.GroupNorm) -> Callable[[Tensor], Tensor]:
        """GroupNorm with statistics of all frames, then SiLU, for any part of the clip as a `clip_view`."""
        if len(self.chunks) == 1:
            return lambda x: F.silu(norm(x), inplace=True)
        _, mean, var = _merged([_moments(x) for x in self])
        scale = norm.weight.to(mean).view(GROUPS, -1) * (var + norm.eps).rsqrt()[:, None]
        shift = norm.bias.to(mean).view(GROUPS, -1) - mean[:, None] * scale
        scale, shift = scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)

        def apply(x: Tensor) -> Tensor:
            # float32 inside, as GroupNorm itself works on half precision
            return F.silu(torch.addcmul(shift, x, scale).to(x.dtype), inplace=True)

        return apply


def _unchanged(x: Tensor) -> Tensor:
    return x


class _Moments(NamedTuple):
    numbers: int
    mean: Tensor  # [32] float32
    var: Tensor


def _moments(x: Tensor) -> _Moments:
    """Of each group of channels of [t, C, H, W].

    Taken from native_group_norm, whose pass over channels-last memory is 15 times faster than var_mean's on a CPU.
    """
    parts = []
    for frame in x.split(1):
        _, channels, height, width = frame.shape
        # a convolution may have left another layout, by its weights' or its backend's choice
        frame = frame.float().contiguous(memory_format=torch.channels_last)
        _, mean, rstd = torch.native_group_norm(frame, None, None, 1, channels, height * width, GROUPS, 0.0)
        parts.append(_Moments(frame.numel() // GROUPS, mean[0], rstd[0].pow(-2)))
    return _merged(parts)


def _merged(parts: Sequence[_Moments]) -> _Moments:
    """Moments of all from those of the parts (Chan, Golub, LeVeque 1979)."""
    numbers = sum(part.numbers for part in parts)
    means = torch.stack([part.mean for part in parts])
    share = means.new_tensor([part.numbers / numbers for part in parts])[:, None]
    mean = (share * means).sum(0)
    var = (share * (torch.stack([part.var for part in parts]) + (means - mean) ** 2)).sum(0)
    return _Moments(numbers, mean, var)
