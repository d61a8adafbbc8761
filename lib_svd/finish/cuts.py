"""Where a clip goes from one scene to another at once, so that nothing is made up between the two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames

Floats = npt.NDArray[np.float32]

CELLS = 32  # along the longer side of a frame, for what is compared
REACH = 4  # cells that a part of the picture may go from a frame to the next
SOFT = 3  # cells a side of the part that has to be found again
FLAT = 16.0  # of 255: standard deviation below which a picture is taken for even
UNLIKE = 0.3  # of a picture's standard deviation
SUDDEN = 2.5  # times the quieter of the two changes beside it


def find_cuts(frames: Sequence[Frames]) -> list[int]:
    """Numbers of the frames with which another scene begins.

    Two frames are unlike where little of the one is found again near its place in the other, whatever its brightness
    and contrast; that is a cut unless the frames around change about as much, as they do in flicker and fast motion.

    Args:
        frames: each [H, W, 3] uint8, RGB, all of one size.

    Returns:
        Ascending, each from 1 to T - 1.
    """
    looks = [_look(frame) for frame in frames]
    changes = [_apart(before, after) for before, after in pairwise(looks)]
    beside = [changes[max(0, i - 1) : i] + changes[i + 1 : i + 2] for i in range(len(changes))]
    return [
        i + 1
        for i, (change, others) in enumerate(zip(changes, beside, strict=True))
        if change > max(UNLIKE, SUDDEN * min(others, default=0.0))
    ]


def _look(frame: Frames) -> Floats:
    """A frame as means of squares [h, w, 3], its colours about 0 and its contrast 1, whatever the light."""
    side = -(-max(frame.shape[:2]) // CELLS)
    height, width = (-(-length // side) * side for length in frame.shape[:2])
    whole = np.pad(frame, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)), "edge")
    cells = whole.reshape(height // side, side, width // side, side, 3).mean((1, 3), dtype=np.float32)
    cells -= cells.mean((0, 1))
    return np.asarray(cells / max(FLAT, float(cells.std())), np.float32)


def _apart(before: Floats, after: Floats) -> float:
    """How unlike two looks are, where each part is compared with the part most like it within reach; 0: the same."""
    height, width = before.shape[:2]
    around = np.pad(after, ((REACH, REACH), (REACH, REACH), (0, 0)), "edge")
    steps = range(2 * REACH + 1)
    shifted = (around[y : y + height, x : x + width] for y in steps for x in steps)
    return float(np.minimum.reduce([_softened(np.abs(before - each).mean(-1)) for each in shifted]).mean())


def _softened(cells: Floats) -> Floats:
    """Mean over SOFT x SOFT cells around each of [h, w]."""
    margin = SOFT // 2
    padded = np.pad(cells, margin, "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (SOFT, SOFT))
    return np.asarray(windows.mean((-2, -1)), np.float32)
