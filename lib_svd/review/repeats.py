"""Which frames of a clip are pictures of their own: one of 7 fps stored at 30 shows each of its pictures four times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames

SQUARES, SMALLEST = 48, 4  # along the shorter side; pixels. In their means grain and what a coder leaves are small
TOP = 0.01  # share of the squares, those that change most: a small thing that moves is change enough
CODED = 6.0  # grey levels by which a coder lets repeats differ at most
CHANGED = 2.0  # grey levels; less is a change of the coder's alone
LEAST = 0.5  # grey levels, so that frames that do not change at all compare
GAP = 1.6  # factor between repeats and changes, with no change between
PICTURES = 4  # fewer tell no rhythm
REGULAR = 0.75  # of the pictures are shown for half to twice as long as is usual


def find_own_pictures(frames: Frames) -> npt.NDArray[np.intp]:
    """Find which of frames [T, H, W, 3] do not repeat the one before, [N].

    Repeats are frames that hardly change, in a steady rhythm with others that do. What stands longer than the rhythm
    is a halt: a frame of it is left for each picture that the rhythm would have brought.
    """
    changes = _measure_changes(frames)
    in_order = np.sort(changes)
    gaps = (in_order[1:] + LEAST) / (in_order[:-1] + LEAST)
    likely = np.flatnonzero((gaps > GAP) & (in_order[:-1] < CODED) & (in_order[1:] > CHANGED))
    for below in likely[np.argsort(-gaps[likely])]:
        begins = np.flatnonzero(np.append(True, changes > in_order[below]))
        lasts = np.diff(np.append(begins, len(frames)))
        usual = _find_usual(lasts)
        if usual > 1:
            return np.concatenate([_find_own(*run, usual) for run in zip(begins, lasts, strict=True)])
    return np.arange(len(frames))


def _find_own(begins: int, lasts: int, usual: int) -> npt.NDArray[np.intp]:
    return begins + np.arange(0, lasts, usual if lasts > 2 * usual else lasts)


def _find_usual(lasts: npt.NDArray[np.intp]) -> int:
    """Find for how many frames a picture is shown, if there is a rhythm in that; else 1. First and last may be cut
    short.
    """
    if len(lasts) < PICTURES:
        return 1
    inner = lasts[1:-1]
    usual = int(np.quantile(inner, 0.5, method="higher"))
    return usual if np.mean((inner >= usual / 2) & (inner <= 2 * usual)) >= REGULAR else 1


def _measure_changes(frames: Frames) -> npt.NDArray[np.float64]:
    """Work out how much each frame differs from the one before where it does most, [T - 1], grey levels."""
    means = np.stack([_average_squares(frame) for frame in frames])
    apart = np.sort(np.abs(np.diff(means, axis=0)), 1)
    return np.asarray(apart[:, -max(1, round(TOP * apart.shape[1])) :].mean(1))


def _average_squares(frame: Frames) -> npt.NDArray[np.float64]:
    """Take the means of the squares of a frame [H, W, 3]."""
    size = max(SMALLEST, min(frame.shape[:2]) // SQUARES)
    rows, columns = (n // size for n in frame.shape[:2])
    squares = frame[: rows * size, : columns * size].reshape(rows, size, columns, 3 * size)
    return np.asarray(squares.mean((1, 3)).ravel())
