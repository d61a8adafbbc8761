"""Dense flow between two frames that holds where there is little to see: flat, grainy, flickering, fading.

Plain optical flow takes brightness that changes for motion, invents motion in grain, and lets what is flat go with
whatever moves nearby. So frames are evened first, a pixel moves only where that explains more than standing still,
and where nothing can be seen the flow is that of the surroundings and of the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lib_svd.review.camera import Floats, fit_camera_move, square_lengths

Grey = npt.NDArray[np.uint8]

COARSE = 1 / 18  # of the shorter side; what is larger is taken from an evened frame
CONTRAST, LEAST_CONTRAST = 32.0, 8.0  # deviation of an evened frame; of one that is flat it is raised no further
WINDOW = 17  # pixels of the square in which frames are compared
GAIN, LEAST = 1.3, 0.05  # by how much, in grey levels squared, motion must explain more than standing still
FLAT = 0.5  # deviation in grey levels of a frame that shows nothing
SAME = 1.0  # grey levels between means of windows that show the same, though grain hides how it moves
GRAIN = 0.3  # of grain's variance is mean squared slope
TRUST = 4.0  # times grain's variance is the slope that is half trusted
APART = 0.5  # pixels between forth and back that are half trusted
NEAR, SHRUNK = 1 / 12, 4  # of the shorter side, from where flow is filled in; at so many times fewer pixels
FAR = 0.1  # weight of the camera's move in what is filled in


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two frames, and the flow between them."""

    forward: Floats  # [H, W, 2] x and y in pixels, from the first to the second
    backward: Floats  # from the second to the first
    alike: float  # share of the first that is seen in the second, 0..1


def pair(a: Grey, b: Grey) -> Pair:
    """Find the flow between two frames [H, W] uint8, grey, by inverse search (DIS, Kroeger et al. 2016)."""
    even_a, even_b = _even_light(a), _even_light(b)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there, back = dis.calc(even_a, even_b, None), dis.calc(even_b, even_a, None)  # type: ignore[call-overload]
    forward, leaves = _settle_flow(even_a, even_b, there, back)
    backward, arrives = _settle_flow(even_b, even_a, back, there)
    return Pair(
        forward=_agree(forward, backward, leaves),
        backward=_agree(backward, forward, arrives),
        alike=1.0 if is_flat(a) or is_flat(b) else _compare(a, b, there, back),
    )


def is_flat(grey: Grey) -> bool:
    """Tell whether a frame shows nothing, as at the end of a fade: no scene, and no other one."""
    return bool(grey.std() < FLAT)


def _compare(a: Grey, b: Grey, there: Floats, back: Floats) -> float:
    found = _measure_gap(there, back) < 0.02 * square_lengths(there) + 0.5  # Sundaram et al. 2010, eq. 5
    same = np.abs(_mean(a.astype(np.float32)) - _mean(b.astype(np.float32))) < SAME
    return float((found | same).mean())


def _settle_flow(a: Grey, b: Grey, there: Floats, back: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Find the flow from one evened frame to the other, where that is seen, and what goes with it where it is not.

    And which pixels themselves were seen to move.
    """
    before, after = a.astype(np.float32), b.astype(np.float32)
    still, moved = _mean((after - before) ** 2), _mean((remap(after, there) - before) ** 2)
    noise = float(np.median(np.minimum(still, moved))) / 2  # variance; each of the two frames has its own
    moves = still > GAIN * moved + LEAST
    return _fill_flow(there * moves[..., None], _trust(before, noise, _measure_gap(there, back) * moves)), moves


def _agree(there: Floats, back: Floats, moves: npt.NDArray[np.bool_]) -> Floats:
    """Let what stands still, but is reached from elsewhere, go with what is around it: it is a light on what moves."""
    return _fill_flow(there, np.where(moves, 1, 1 / (1 + _measure_gap(there, back) / APART**2)).astype(np.float32))


def _even_light(grey: Grey) -> Grey:
    """Take light and shade out of a frame, and bring it to a contrast that no fade changes."""
    fine = grey - cv2.GaussianBlur(grey.astype(np.float32), (0, 0), COARSE * min(grey.shape))
    return np.clip(128 + fine * (CONTRAST / max(float(fine.std()), LEAST_CONTRAST)), 0, 255).round().astype(np.uint8)


def remap(image: Floats, flow: Floats) -> Floats:
    """Show a picture [H, W, ...] as seen from where a flow [H, W, 2] begins, bilinear."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def _measure_gap(there: Floats, back: Floats) -> Floats:
    """Give the squared pixels between where a pixel began and where it ends, forth and back."""
    return square_lengths(there + remap(back, there))


def _trust(frame: Floats, noise: float, apart: Floats) -> Floats:
    """Say how well flow can be told, 0..1: by slopes in both directions (Shi and Tomasi 1994) above noise, there and
    back.

    Noise is a variance, grey levels squared.
    """
    x, y = (cv2.Scharr(frame, cv2.CV_32F, *axis) / 32 for axis in ((1, 0), (0, 1)))
    xx, xy, yy = (_mean(product.astype(np.float32)) for product in (x * x, x * y, y * y))
    slope = np.maximum((xx + yy) / 2 - np.hypot((xx - yy) / 2, xy) - GRAIN * noise, 0) + 1e-3
    return np.asarray(slope / (slope + TRUST * noise) / (1 + apart / APART**2), np.float32)


def _fill_flow(flow: Floats, trust: Floats) -> Floats:
    """Take what is not trusted from around, and from the camera's move."""
    height, width = trust.shape
    small = (max(1, width // SHRUNK), max(1, height // SHRUNK))
    weighted = np.concatenate([flow * trust[..., None], trust[..., None]], -1)
    near = cv2.GaussianBlur(cv2.resize(weighted, small, interpolation=cv2.INTER_AREA), (0, 0), NEAR * min(small))
    near = cv2.resize(near, (width, height), interpolation=cv2.INTER_LINEAR)
    around = (near[..., :2] + FAR * fit_camera_move(flow, trust)) / (near[..., 2:] + FAR)
    return np.asarray(around + trust[..., None] * (flow - around), np.float32)


def _mean(values: Floats) -> Floats:
    return np.asarray(cv2.blur(values, (WINDOW, WINDOW)), np.float32)
