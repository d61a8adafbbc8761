"""Clips with a flicker that is known."""

from __future__ import annotations

import numpy as np

from lib_svd.clip import Frames
from lib_svd.review import compare_sharpness
from tests.finish.motions import read_photo


def make_pan(num_frames: int, width: int = 192, height: int = 128, step: int = 1) -> Frames:
    """A photograph that goes by, without flicker."""
    wide = read_photo(0, width + step * num_frames, height)
    return np.stack([wide[:, step * t : step * t + width] for t in range(num_frames)])


def make_disc(num_frames: int) -> Frames:
    """A photograph that stands still, and a bright disc that flies by before it."""
    y, x = np.mgrid[:128, :192]
    frames = make_pan(1).repeat(num_frames, axis=0)
    for t, frame in enumerate(frames):
        frame[(y - 64) ** 2 + (x - 20 - 8 * t) ** 2 < 25**2] = 230, 60, 40
    return frames


def add(frames: Frames, change: np.ndarray) -> Frames:
    return np.clip(np.rint(frames + change), 0, 255).astype(np.uint8)


def alternate(frames: Frames) -> Frames:
    """Every other frame is brighter."""
    return add(frames, 6.0 * (-1) ** np.arange(len(frames))[:, None, None, None])


def jump(frames: Frames) -> Frames:
    """Every frame is as bright as it likes."""
    return add(frames, np.random.default_rng(1).normal(0, 6, (len(frames), 1, 1, 1)))


def expose(frames: Frames) -> Frames:
    """Every frame is exposed otherwise."""
    return add(frames * np.random.default_rng(2).normal(1, 0.05, (len(frames), 1, 1, 1)), np.zeros(1))


def patch(frames: Frames) -> Frames:
    """Every patch of a frame is as bright as it likes, in its own colour."""
    height, width = frames.shape[1:3]
    rough = np.random.default_rng(3).normal(0, 6, (len(frames), height // 16, width // 16, 3))
    return add(frames, rough.repeat(16, axis=1).repeat(16, axis=2))


def compare_all(frames: Frames, others: Frames) -> float:
    """Sharpness of frames, times that of others."""
    return float(np.mean([compare_sharpness(a, b) for a, b in zip(frames, others, strict=True)]))
