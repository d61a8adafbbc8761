"""Clips longer than the network was trained on, and clips without an end: windows over time, put together each step,
or segments one after the other.

Every window is a clip of its own to the network. What it makes of one is weighed by how far from the window's ends a
frame is, and where windows overlap, the weighted mean is taken. Noise repeats from window to window in another order,
so that all windows begin alike (FreeNoise, Qiu et al. 2023, https://arxiv.org/abs/2310.15169).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lib_svd.engine.samplers import Denoise

DenoiseSome = Callable[
    [Tensor, Tensor, Tensor | None], Tensor
]  # x, sigma, and which frames x has (None: all) -> denoised

OVERLAP = 2  # of so many frames of a window one is in the next window too
HANDED = 3  # frames of a segment that the next one begins with
GOLDEN = 0.618  # of the frames: steps round a circle that soon have been near every place


def place_windows(num_frames: int, size: int, *, closed: bool = False) -> list[Tensor]:
    """List which frames each window has, [size] whole numbers from 0 to num_frames - 1, in order of time.

    Args:
        num_frames: T of the clip.
        size: frames of a window, 1 to T; of T there is one window.
        closed: whether the first frame comes after the last one, so that windows lead over the end.
    """
    if size >= num_frames:
        return [torch.arange(num_frames)]
    hop = max(1, size - size // OVERLAP)
    if closed:
        count = -(-num_frames // hop)
        return [(torch.arange(size) + i * num_frames // count) % num_frames for i in range(count)]
    hops = -(-(num_frames - size) // hop)  # all as long: near the clip's end, where one window is alone, none ends
    return [torch.arange(size) + i * (num_frames - size) // hops for i in range(hops + 1)]


def count_windows(num_frames: int, size: int, *, closed: bool = False) -> int:
    """Count the windows that `place_windows` lists: how often the network is run a step."""
    return len(place_windows(num_frames, size, closed=closed))


def list_segments(num_frames: int, size: int) -> list[int]:
    """List how many frames each segment of a clip has, where each begins with the last `count_handed` frames of the one
    before it: as few segments as there can be, and as equal, the longer ones first. So the first k of them are those of
    a clip that ends there.

    Args:
        num_frames: T of the clip.
        size: frames of a segment at most, 2 or more where there are several.
    """
    if size >= num_frames:
        return [num_frames]
    handed = count_handed(size)
    count = -(-(num_frames - handed) // (size - handed))
    new, longer = divmod(num_frames - handed, count)
    return [handed + new + 1] * longer + [handed + new] * (count - longer)


def count_handed(size: int) -> int:
    """Count the frames that a segment of `size` frames hands over: enough to see by how things move, and most are
    new.
    """
    return min(HANDED, size // 2)


def denoise_in_windows(denoise: DenoiseSome, windows: Sequence[Tensor]) -> Denoise:
    """Give a denoiser of a whole clip that looks at a window at a time.

    Args:
        denoise: of a window's frames [size, 4, h, w]; it is told which.
        windows: which frames each has; together all of them.
    """

    def denoise_all(x: Tensor, sigma: Tensor) -> Tensor:
        total, weight = torch.zeros_like(x), x.new_zeros(len(x), 1, 1, 1)
        for window in windows:
            frames = window.to(x.device)
            share = weigh_frames(len(window)).to(x).view(-1, 1, 1, 1)
            total.index_add_(0, frames, share * denoise(x[frames], sigma, frames))
            weight.index_add_(0, frames, share)
        return total / weight

    return denoise_all


def weigh_frames(size: int) -> Tensor:
    """Weigh a window's frames, [size], by how far they are from its nearer end: 1, 2, 3, ... 3, 2, 1."""
    ahead = torch.arange(1, size + 1)
    return torch.minimum(ahead, ahead.flip(0)).float()


def repeat_noise(noise: Tensor, num_frames: int, generator: torch.Generator) -> Tensor:
    """Make a window's noise [size, ...] last for a clip [num_frames, ...]: again and again, each time in parts that are
    shuffled.

    A frame keeps near where it was, so that a window of that size has each noise about once.
    """
    size, parts = len(noise), list(range(len(noise)))
    part = max(1, size // OVERLAP)
    while len(parts) < num_frames:
        again = parts[len(parts) - size : len(parts) - size + part]
        order = torch.randperm(len(again), generator=generator)
        parts += [again[int(i)] for i in order]
    return noise[torch.tensor(parts[:num_frames])]


def turn_in_time(denoise: Denoise, num_frames: int) -> Denoise:
    """Let a closed clip begin at another frame at each evaluation, so that none is the first or the last (as Mobius
    does, Bi et al. 2025, https://arxiv.org/abs/2502.20307).
    """
    step = next(step for step in range(round(GOLDEN * num_frames), 2 * num_frames) if math.gcd(step, num_frames) == 1)
    turned = 0

    def denoise_turned(x: Tensor, sigma: Tensor) -> Tensor:
        nonlocal turned
        denoised = denoise(x.roll(-turned, 0), sigma).roll(turned, 0)
        turned = (turned + step) % num_frames
        return denoised

    return denoise_turned
