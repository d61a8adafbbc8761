"""Activations of a clip in chunks of frames: one chunk is worked on, the others are parked where there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.layers import view_clip, view_frames
from lib_svd.engine.norm import (
    apply_norm_silu,
    apply_scale,
    compute_moments,
    keeps_layout,
    merge_moments,
    scale_and_shift,
)


class ParkedFrames:
    """Frames [T, C, H, W] in chunks along T. Whatever is done to them gives the same numbers for every chunk size.

    Args:
        chunks: [t, C, H, W] each, in order.
        device: where the work is done.
        park: where the chunks wait.
        closed: whether the first frame comes after the last one.
    """

    def __init__(
        self, chunks: Sequence[Tensor], *, device: torch.device, park: torch.device, closed: bool = False
    ) -> None:
        self.device, self.park, self.closed = device, park, closed
        self.chunks = [chunk.contiguous(memory_format=torch.channels_last).to(park) for chunk in chunks]

    def __iter__(self) -> Iterator[Tensor]:
        """Give chunk by chunk, where the work is done."""
        return (chunk.to(self.device) for chunk in self.chunks)

    def run_each(self, layers: Sequence[Callable[[Tensor], Tensor]]) -> None:
        """Run layers that look at one frame at a time, in place of the frames."""
        for i in range(len(self.chunks)):
            x = self._take(i)
            for layer in layers:
                x = layer(x)
            self.chunks[i] = x.to(self.park)

    def combine(self, other: ParkedFrames, f: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Put f(own frames, the other's frames) in place of its own; the other is used up."""
        for i in range(len(self.chunks)):
            self.chunks[i] = f(self._take(i), other._take(i)).to(self.park)

    def copy(self) -> ParkedFrames:
        """Hold the same frames under a second name; what is done to the one does not reach the other."""
        return ParkedFrames(self.chunks, device=self.device, park=self.park, closed=self.closed)

    def convolve_in_time(self, norm: nn.GroupNorm | None, conv: nn.Conv2d) -> None:
        """Put GN over the whole clip, SiLU (both only with a `norm`), (3, 1, 1) convolution in place of the frames."""
        activate = self._make_clip_norm(norm) if norm is not None else _leave_unchanged
        ends = [self.chunks[0][:1].clone(), self.chunks[-1][-1:].clone()] if self.closed else []
        before = [end.to(self.device) for end in ends[1:]]
        for i in range(len(self.chunks)):
            coming = [*self.chunks[i + 1 : i + 2], *ends[:1]]
            after = [chunk[:1].to(self.device) for chunk in coming[:1]]
            x = self._take(i)
            first, count = len(before), len(x)
            window = [*before, x, *after]
            before = [x[-1:].clone()] if after else []
            x = torch.cat(window) if len(window) > 1 else x
            del window
            height, num_frames = x.shape[-2], len(x)
            x = activate(view_clip(x, num_frames))
            # At an open clip's ends there is no neighbour and the convolution's own zero padding is what the reference
            # has; elsewhere the rows that saw that padding are the neighbours' and are dropped.
            x = view_frames(conv(x), height)
            if num_frames > count:
                x = x[first : first + count].clone()  # a slice would keep the neighbours' memory
            self.chunks[i] = x.to(self.park)

    def _take(self, i: int) -> Tensor:
        """Give chunk i where the work is done; it is no longer held here, so that its memory goes with its last
        user.
        """
        chunk, self.chunks[i] = self.chunks[i], torch.empty(0)
        return chunk.to(self.device)

    def _make_clip_norm(self, norm: nn.GroupNorm) -> Callable[[Tensor], Tensor]:
        """Apply GroupNorm with statistics of all frames, then SiLU, to any part of the clip as a `view_clip`."""
        if len(self.chunks) == 1 and not self.closed:  # else neighbours come along, and count twice
            return lambda x: apply_norm_silu(x, norm)
        scale, shift = scale_and_shift(
            norm.weight,
            norm.bias,
            norm.eps,
            merge_moments([compute_moments(part) for x in self for part in _split_parts(x)]),
        )
        return lambda x: F.silu(apply_scale(x, scale, shift), inplace=True)


def _split_parts(x: Tensor) -> Sequence[Tensor]:
    """Split frames [t, C, H, W] into what moments are taken of at a time; torch's norm makes a tensor as large as
    that.
    """
    return [view_clip(frame, 1) for frame in x.split(1)] if keeps_layout(x) else [view_clip(x, len(x))]


def _leave_unchanged(x: Tensor) -> Tensor:
    return x
