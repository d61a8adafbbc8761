"""Clips of the demo checkpoint, and how much changes from frame to frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lib_svd.clip import Frames
from lib_svd.review.camera import fit_camera_move
from lib_svd.review.flow import find_flows
from lib_svd.studio import Studio

SEEN_LARGER = 2  # times, for flow to see the clips of a small model move by less than a pixel
MASKS = ("half", "disc", "hole")
PICTURE = Path(__file__).parents[2] / "examples" / "lighthouse.jpg"


def make_clip(studio: Studio, picture: Path | Image.Image = PICTURE, **settings: Any) -> Frames:
    request = studio.make_request({"checkpoint": "demo", "seed": 1, **settings})
    return studio.animate(studio.order(request, picture)).clip.frames


def measure_steps(frames: Frames) -> npt.NDArray[np.float64]:
    """Mean difference from each frame to the next one, [T - 1], of 255."""
    return np.abs(np.diff(frames.astype(np.float64), axis=0)).mean((1, 2, 3))


def measure_seam(frames: Frames) -> float:
    """Mean difference from the last frame to the first, of 255."""
    return float(np.abs(frames[-1].astype(np.float64) - frames[0]).mean())


def measure_camera(frames: Frames) -> dict[str, float]:
    """How the camera goes over the whole clip, by review's own fit: percent of the frame by which it pans to the right
    and down, nears, and by which rows are shifted against each other from the upper edge to the lower.
    """
    larger = [
        Image.fromarray(frame).resize(
            (SEEN_LARGER * frame.shape[1], SEEN_LARGER * frame.shape[0]), Image.Resampling.BICUBIC
        )
        for frame in frames
    ]
    pairs = find_flows(np.stack([np.asarray(frame) for frame in larger])).forward
    moves = np.stack([fit_camera_move(flow, np.ones(flow.shape[:2], np.float32)) for flow in pairs]).astype(np.float64)
    height, width = moves.shape[1:3]
    middle = moves[:, height // 2, width // 2].sum(0) / (width, height)
    across = (moves[:, 0, -1] - moves[:, 0, 0]) / (width - 1)
    down = (moves[:, -1, 0] - moves[:, 0, 0]) / (height - 1)
    nears = np.prod(1 + (across[:, 0] + down[:, 1]) / 2) - 1
    shift = float(-down[:, 0].sum() * height / width)
    return {
        "right": -100 * float(middle[0]),
        "down": -100 * float(middle[1]),
        "nears": 100 * float(nears),
        "shift": 100 * shift,
    }


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
