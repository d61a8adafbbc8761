"""How sharp frames are, and whether that is lost or gained on the way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames
from lib_svd.images.check import laplacian
from lib_svd.review.camera import Floats
from lib_svd.review.flow import Flows

ROUNDED = 20 / 12  # variance of the Laplacian that rounding to whole grey levels makes
LEAST = 0.1  # so that flat frames compare


def measure_detail_growth(frames: Frames, moves: Flows | None) -> npt.NDArray[np.float64]:
    """Take the logarithm of every frame's sharpness, times that of the first, [T].

    What two neighbours both show is compared along its motion, where it is smaller of the two: so neither what comes
    into view nor a zoom counts. Without motion (None) the frames are compared as they are.
    """
    grey = [convert_to_grey(frame) for frame in frames]
    if moves is None:
        return np.log([_measure_sharpness(each) / _measure_sharpness(grey[0]) for each in grey])
    steps = [_compare_step(grey[t], grey[t + 1], moves, t) for t in range(len(grey) - 1)]
    return np.cumsum([0.0, *steps])


def compare_sharpness(frame: Frames, picture: Frames) -> float:
    """Compare the sharpness of a frame [H, W, 3] with that of a picture of its size, as a factor."""
    return _measure_sharpness(convert_to_grey(frame)) / _measure_sharpness(convert_to_grey(picture))


def _compare_step(before: Floats, after: Floats, moves: Flows, t: int) -> float:
    if moves.is_cut(t):
        return 0.0
    if moves.grows(t):
        (here, there), seen = moves.align(before, after, t, ahead=True)
        return float(np.log(_measure_sharpness(there, seen) / _measure_sharpness(here, seen)))
    (here, there), seen = moves.align(after, before, t + 1, ahead=False)
    return float(np.log(_measure_sharpness(here, seen) / _measure_sharpness(there, seen)))


def convert_to_grey(frames: Frames) -> Floats:
    """Take the means of red, green and blue, 0..255; as a product, which takes a fifth of the time of a mean."""
    return np.asarray(frames.astype(np.float32) @ np.full(3, 1 / 3, np.float32))


def _measure_sharpness(grey: Floats, seen: npt.NDArray[np.bool_] | None = None) -> float:
    """Take the variance of the Laplacian of grey 0..255 (Pech-Pacheco et al. 2000) over that of grey itself, where
    seen.

    A fade takes as much from the one as from the other.
    """
    inside, edges = grey[1:-1, 1:-1], laplacian(grey)
    if seen is not None:
        inside, edges = inside[seen[1:-1, 1:-1]], edges[seen[1:-1, 1:-1]]
    if inside.size == 0:
        return 1.0
    return (max(float(edges.var()) - ROUNDED, 0.0) + LEAST) / (float(inside.var()) + 1)
