"""The move of the camera in a field of flow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FITTED_ON = 4096  # points to which the camera's move is fitted
ROUNDS = 6  # of reweighting in that fit
AGREE = 0.25  # of the points decide how near the others have to be
NOISE = 0.05  # pixels; flow below is none
LEAST_TRUST = 0.01  # mean trust; below, nothing is seen that could tell how the camera moves


def measure_camera_share(flow: Floats) -> float | None:
    """Work out how much of a flow [H, W, 2] one move of the camera explains, 0..1; None: nothing moves."""
    total = float((flow.astype(np.float64) ** 2).sum())
    if total < NOISE**2 * flow[..., 0].size:
        return None
    left = flow - fit_camera_move(flow, np.ones(flow.shape[:2], np.float32))
    return max(0.0, 1 - float((left.astype(np.float64) ** 2).sum()) / total)


def fit_camera_move(flow: Floats, trust: Floats) -> Floats:
    """Find the one move that fits a flow [H, W, 2] best, as a flow; trust [H, W] is 0..1.

    The move is affine (pan, zoom, turn, tilt), fitted from the median on by least squares reweighted after Cauchy, so
    that a thing which moves on its own does not pull at it; nor does a sky, however large, in which nothing is seen.
    """
    height, width = trust.shape
    if trust.mean() < LEAST_TRUST:
        return np.zeros_like(flow)
    step = max(1, int((height * width / FITTED_ON) ** 0.5))
    y, x = np.mgrid[0:height:step, 0:width:step].reshape(2, -1)
    moved, trusted = flow[y, x].astype(np.float64), trust[y, x].astype(np.float64)
    places = np.stack([np.ones(x.shape), _centre_places(x, width), _centre_places(y, height)], -1)
    solution = np.zeros((3, 2))
    left = moved - [_find_quantile(each, trusted, 0.5) for each in moved.T]
    for _ in range(ROUNDS):
        errors = (left**2).sum(-1)
        root = np.sqrt(trusted / (1 + errors / max(_find_quantile(errors, trusted, AGREE), NOISE**2)))[:, None]
        solution = np.linalg.lstsq(root * places, root * moved, rcond=None)[0]
        left = moved - places @ solution
    down, across = np.ogrid[:height, :width]
    start, right, lower = solution.astype(np.float32)
    line = start + _centre_places(across, width)[..., None] * right
    return np.asarray(line + _centre_places(down, height)[..., None] * lower)


def square_lengths(flow: Floats) -> Floats:
    """Square the length of a flow [..., 2]."""
    return np.asarray(flow[..., 0] ** 2 + flow[..., 1] ** 2)


def _find_quantile(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], share: float) -> float:
    """Find below which number a share of the weight lies."""
    order = np.argsort(values)
    weight = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(weight, share * weight[-1])])


def _centre_places(places: npt.NDArray[np.int_], size: int) -> Floats:
    """Give how far from the middle each pixel is, in sizes of the frame."""
    return np.asarray(places / size - 0.5, np.float32)
