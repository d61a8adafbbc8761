"""Clips whose frames are known at any time, and smoothers that do what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from lib_svd.clip import Frames
from lib_svd.finish.smooth import Made

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "tests" / "demo" / "pictures").iterdir())


def read_photo(number: int = 0, width: int = 128, height: int = 96) -> Frames:
    """One of a few photographs, unlike one another."""
    with Image.open(PICTURES[number]) as picture:
        return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def make_grains(x, y, seed: int):
    """A pattern without end, [H, W, 3], about 0 and of about 1."""
    drawn = np.random.default_rng(seed)
    waves = [(*drawn.normal(0, 0.25, 2), drawn.uniform(0, 2 * np.pi), drawn.normal(0, 0.25, 3)) for _ in range(24)]
    return sum(np.sin(a * x + b * y + at)[..., None] * colour for a, b, at, colour in waves)


def make_moving(times: Sequence[float], width: int = 192, height: int = 128) -> Frames:
    """A pattern that goes right by 5 pixels a frame and a disc before it that goes left, at any times."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    frames = []
    for time in map(float, times):
        behind = make_grains(x - 5 * time, y - 2 * time, 0)
        disc = np.clip(height / 5 - np.hypot(x - width / 2 + 4 * time, y - height / 2 - 2 * time), 0, 1)[..., None]
        before = make_grains(x + 4 * time, y - 2 * time, 1)
        frames.append(128 + 50 * (disc * before + (1 - disc) * behind))
    return np.stack([np.clip(np.round(frame), 0, 255).astype(np.uint8) for frame in frames])


def make_counted(num_frames: int, width: int = 8, height: int = 8) -> Frames:
    """Frame i is 10 i all over, so that what is blended says of which place it is."""
    levels = 10 * np.arange(num_frames, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, height, width, 3)).copy()


def measure_decibels(frames: Frames, expected: Frames) -> float:
    """PSNR of all frames together."""
    error = np.mean((frames.astype(float) - expected) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


class Blend:
    """What is between two frames is their mean, by its distance to each."""

    name = "blend"

    def __init__(self) -> None:
        self.is_closed = False  # since nobody takes any more

    def fill(self, scene: Sequence[Frames], places: Sequence[Fraction]) -> Made:
        try:
            for place in places:
                before = math.floor(place)
                after = min(before + 1, len(scene) - 1)
                share = float(place - before)
                yield np.round(scene[before] * (1 - share) + scene[after] * share).astype(np.uint8)
        finally:
            self.is_closed = True


class Liar:
    """Gives a flat grey for every place, whole ones too, and keeps what it was asked."""

    name = "liar"

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[Fraction]]] = []  # frames of the scene, places

    def fill(self, scene: Sequence[Frames], places: Sequence[Fraction]) -> Made:
        self.asked.append((len(scene), list(places)))
        for _ in places:
            yield np.full_like(scene[0], 77)
