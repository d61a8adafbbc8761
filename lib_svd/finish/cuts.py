"""Where a clip goes from one scene to another at once, so that nothing is made up between the two."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lib_svd.clip import Frames

Floats = npt.NDArray[np.float32]

CELLS = 32  # along the longer side of a frame, for what is compared
SAMPLES = 8  # pixels a side of a cell that are enough for its mean
REACH = 4  # cells that a part of the picture may go from a frame to the next
SOFT = 3  # cells a side of the part that has to be found again
FLAT = 16.0  # of 255: standard deviation below which a picture is taken for even
UNLIKE = 0.3  # of a picture's standard deviation
SUDDEN = 2.5  # times the quieter of the two changes beside it


def find_cuts(frames: Sequence[Frames]) -> list[int]:
    """Find the numbers of the frames with which another scene begins.

    Two frames are unlike where little of the one is found again near its place in the other, whatever its brightness
    and contrast; that is a cut unless the frames around change about as much, as they do in flicker and fast motion.

    Args:
        frames: each [H, W, 3] uint8, RGB, all of one size.

    Returns:
        Ascending, each from 1 to T - 1.
    """
    looks = [_look(frame) for frame in frames]

    @cache
    def change(number: int) -> float:
        return _measure_difference(looks[number], looks[number + 1], REACH)

    def is_cut(number: int) -> bool:
        if (
            _measure_difference(looks[number], looks[number + 1], 0) <= UNLIKE
        ):  # of which the other is a part, and takes long
            return False
        beside = [change(each) for each in (number - 1, number + 1) if 0 <= each < len(looks) - 1]
        return change(number) > max(UNLIKE, SUDDEN * min(beside, default=0.0))

    return [number + 1 for number in range(len(looks) - 1) if is_cut(number)]


def _look(frame: Frames) -> Floats:
    """See a frame as means of squares [h, w, 3], its colours about 0 and its contrast 1, whatever the light."""
    side = -(-max(frame.shape[:2]) // CELLS)
    height, width = (-(-length // side) * side for length in frame.shape[:2])
    whole = np.pad(frame, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)), "edge")
    every = max(1, side // SAMPLES)
    cells = whole.reshape(height // side, side, width // side, side, 3)[:, ::every, :, ::every]
    means = cells.mean((1, 3), dtype=np.float32)
    means -= means.mean((0, 1))
    return np.asarray(means / max(FLAT, float(means.std())), np.float32)


def _measure_difference(before: Floats, after: Floats, reach: int) -> float:
    """Say how unlike two looks are, where each part is compared with the part most like it within reach; 0: the
    same.
    """
    around = np.pad(after, ((reach, reach), (reach, reach), (0, 0)), "edge")
    shifted = sliding_window_view(sliding_window_view(around, len(before), 0), before.shape[1], 1)  # [y, x, 3, h, w]
    unlike = np.abs(shifted - before.transpose(2, 0, 1)).mean(2)
    return float(_soften(unlike).min((0, 1)).mean())


def _soften(cells: Floats) -> Floats:
    """Take the mean over SOFT x SOFT cells around each of [.., h, w]."""
    margin = SOFT // 2
    for axis in (-2, -1):
        ends = [(0, 0)] * cells.ndim
        ends[axis] = (margin, margin)
        cells = sliding_window_view(np.pad(cells, ends, "edge"), SOFT, axis).mean(-1)
    return cells
