"""Photographs and scans in scikit-image's wheel, those whose own notes there allow any use."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from skimage import data

Picture = npt.NDArray[np.float32]  # [H, W, 3] RGB in [0, 1]


class Source(NamedTuple):
    """A function of skimage.data, and the terms that its docstring states (scikit-image 0.26)."""

    name: str
    what: str
    terms: str


TRAINING = (
    Source("astronaut", "Eileen Collins, NASA", "public domain"),
    Source("brick", "bricks, CC0Textures", "CC0"),
    Source("cell", "a cell, phase image, P. Müller and others", "CC0"),
    Source("cat", "the cat Chelsea, S. van der Walt", "CC0"),
    Source("clock", "a wall clock, moved, S. van der Walt", "public domain"),
    Source("grass", "grass, linolafett", "CC0"),
    Source("gravel", "gravel, CC0Textures", "CC0"),
    Source("hubble_deep_field", "galaxies, NASA", "public domain"),
    Source("immunohistochemistry", "stained tissue, CMMI", "no known copyright restrictions"),
    Source("microaneurysms", "retina, green channel, A. Maier", "CC0"),
    Source("retina", "fundus of an eye, Wikimedia", "CC0"),
    Source("text", "handwriting on paper", "public domain"),
)
HELD_OUT = (
    Source("camera", "a cameraman, L. Varshney", "CC0"),
    Source("coffee", "a cup of coffee, R. Michetti", "CC0"),
    Source("coins", "Greek coins, Brooklyn Museum", "no known copyright restrictions"),
    Source("rocket", "a rocket's start, SpaceX", "public domain"),
)
"""Never trained on: small copies are in tests/demo/pictures, for the tests of what the checkpoint does."""


def load(source: Source) -> Picture:
    """The picture of a source, in colour."""
    pixels = np.asarray(getattr(data, source.name)(), dtype=np.float32) / 255
    return np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., :3])
