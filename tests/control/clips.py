"""Clips of the demo checkpoint, and how much changes from frame to frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lib_svd.clip import Frames
from lib_svd.studio import Studio

MASKS = ("half", "disc", "hole")
PICTURE = Path(__file__).parents[2] / "examples" / "lighthouse.jpg"


def make_clip(studio: Studio, **settings: Any) -> Frames:
    request = studio.make_request({"checkpoint": "demo", "seed": 1, **settings})
    return studio.animate(studio.order(request, PICTURE)).clip.frames


def measure_steps(frames: Frames) -> npt.NDArray[np.float64]:
    """Mean difference from each frame to the next one, [T - 1], of 255."""
    return np.abs(np.diff(frames.astype(np.float64), axis=0)).mean((1, 2, 3))


def measure_seam(frames: Frames) -> float:
    """Mean difference from the last frame to the first, of 255."""
    return float(np.abs(frames[-1].astype(np.float64) - frames[0]).mean())


def draw_mask(kind: str) -> Image.Image:
    """One of `MASKS`, 80x48, 8 bit grey: white moves."""
    mask = Image.new("L", (80, 48), "white" if kind == "hole" else "black")
    drawing = ImageDraw.Draw(mask)
    if kind == "half":
        drawing.rectangle((0, 0, 39, 48), fill="white")
    elif kind == "disc":
        drawing.ellipse((4, 4, 44, 44), fill="white")
    else:
        drawing.rectangle((36, 4, 76, 44), fill="black")
    return mask
