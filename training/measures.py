"""What is measured on clips, frames uint8 [T, H, W, 3]."""

from __future__ import annotations

import math

import cv2
import numpy as np

from lib_svd.clip import Frames


def measure_flow(frames: Frames) -> float:
    """Mean length of the optical flow (Farneback 2003) from each frame to the next, pixels."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return float(
        np.mean([np.linalg.norm(_find_flow(a, b), axis=-1).mean() for a, b in zip(grey, grey[1:], strict=False)])
    )


def measure_direction(frames: Frames) -> complex:
    """Mean flow over all pixels and pairs of frames, x + iy: which way the picture goes."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    x, y = np.mean([_find_flow(a, b).mean((0, 1)) for a, b in zip(grey, grey[1:], strict=False)], axis=0)
    return complex(x, y)


def measure_difference(frames: Frames) -> float:
    """Mean absolute difference of each frame to the next, of 1."""
    return float(np.abs(np.diff(frames.astype(np.float64), axis=0)).mean() / 255)


def measure_psnr(a: Frames, b: Frames) -> float:
    """Peak signal-to-noise ratio of two pictures, dB."""
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


def measure_colour(frame: Frames) -> np.ndarray:
    """Mean RGB of a frame, of 1."""
    return frame.mean((0, 1)) / 255


def _find_flow(a: Frames, b: Frames) -> np.ndarray:
    return cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)
