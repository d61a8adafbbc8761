"""Brightness and colour that jump from frame to frame are evened out: what a light, a camera or a generator lets
flicker.

A frame is seen as the means of `CELLS` squares a side. What a square is off the weighted mean of itself and its
neighbours in time (1, 2, 1) is taken away, smoothly over the frame, so that details stay. Steady change is not touched:
a line has no such deviation. What deviates far more than most of the frame does is taken for something that moves, and
left as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib_svd.clip import Frames

Floats = npt.NDArray[np.float32]

CELLS = 16  # along the shorter side of a frame
PASSES = 2  # of (1, 2, 1): together (1, 4, 6, 4, 1), of lone jumps an eighth is left of what a viewer sees
OUTLIER = 3.0  # times the median deviation of a frame's squares; twice the standard deviation of a normal one
FEWEST = 3  # frames between which something can jump


def even_brightness(frames: Frames, *, closed: bool = False) -> Frames:
    """Even out the brightness and colour of a scene.

    Args:
        frames: [T, H, W, 3] uint8, RGB, without a cut; fewer than `FEWEST` stay as they are.
        closed: whether the first frame comes after the last one.

    Returns:
        [T, H, W, 3] uint8.
    """
    if len(frames) < FEWEST:
        return frames
    cells = np.stack([_see_cells(frame) for frame in frames])
    evened = cells
    for _ in range(PASSES):
        evened = evened + _find_jumps(evened, closed=closed)
    made = np.empty_like(frames)
    for number, (frame, change) in enumerate(zip(frames, evened - cells, strict=True)):
        made[number] = np.clip(np.rint(frame + _spread(change, frame.shape[:2])), 0, 255)
    return made


def _find_jumps(cells: Floats, *, closed: bool) -> Floats:
    """Say what is to be added to cells [T, h, w, 3] so that they do not jump, without that of outliers."""
    around = np.concatenate([cells[-1:], cells, cells[:1]])
    jumps = (around[:-2] - 2 * cells + around[2:]) / 4
    if not closed:  # an end is held against the line through its two neighbours
        jumps[0], jumps[-1] = -jumps[1], -jumps[-2]
    size = np.abs(jumps)
    most = OUTLIER * np.median(size, axis=(1, 2), keepdims=True)
    return np.asarray(jumps * np.minimum(1, most / np.maximum(size, 1e-6)) ** 2, np.float32)


def _see_cells(frame: Frames) -> Floats:
    """Take the means of a frame's squares, [h, w, 3]."""
    height, width = frame.shape[:2]
    side = max(1.0, min(height, width) / CELLS)
    size = max(1, round(width / side)), max(1, round(height / side))
    channels = [Image.fromarray(frame[..., i].astype(np.float32)).resize(size, Image.Resampling.BOX) for i in range(3)]
    return np.stack([np.asarray(channel) for channel in channels], -1)


def _spread(cells: Floats, size: tuple[int, int]) -> Floats:
    """Bring cells to a frame of (height, width), without edges between them."""
    channels = [
        Image.fromarray(np.ascontiguousarray(cells[..., i])).resize(size[::-1], Image.Resampling.BICUBIC)
        for i in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], -1)
