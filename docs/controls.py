"""Draw what the controls of control.md do to clips of the demo: `python docs/controls.py` writes control-NAME.png."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.control import prepare
from lib_svd.clip import Frames
from tests.control.clips import draw_mask

HERE = Path(__file__).parent
PICTURE = Image.open(HERE.parent / "examples" / "lighthouse.jpg").convert("RGB")
LARGER, GAP = 2, 6  # times; pixels between frames
Make = Callable[..., Frames]


def draw_rows(rows: Sequence[tuple[str, Sequence[Any]]]) -> Image.Image:
    """Put frames [H, W, 3] in rows, each below what it shows."""
    height, width = (LARGER * side for side in rows[0][1][0].shape[:2])
    line = height + 16 + GAP
    sheet = Image.new("RGB", (max(len(frames) for _, frames in rows) * (width + GAP), len(rows) * line), "white")
    for number, (said, frames) in enumerate(rows):
        ImageDraw.Draw(sheet).text((2, number * line + 2), said, "black")
        for place, frame in enumerate(frames):
            large = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(large, (place * (width + GAP), number * line + 16))
    return sheet


def draw_loop(make: Make) -> Image.Image:
    """Both endings, from the last frame to the first and on."""
    rows = []
    for ending in ("open", "loop"):
        frames = make(PICTURE, ending=ending)
        rows.append((f"Ending: {ending}. All eight frames, and the first one again", [*frames, frames[0]]))
    return draw_rows(rows)


def draw_meeting(make: Make) -> Image.Image:
    """A clip that ends with a nearer view of the scene, and one that ends where it likes."""
    closer = PICTURE.crop((300, 150, 1180, 678))
    return draw_rows([("The last picture is nearer", make(PICTURE, last=closer)), ("None", make(PICTURE))])


def draw_masked(make: Make) -> Image.Image:
    """The same clip with masks: at the right of each row, how much every pixel moved."""
    rows = []
    for name in ("none", "half", "disc"):
        mask = None if name == "none" else draw_mask(name)
        frames = make(PICTURE, mask=mask, motion_bucket_id=200, **({} if mask is None else {"mask_edge": 4}))
        moved = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((0, 3))
        shown = np.repeat(np.clip(moved * 12, 0, 255).astype(np.uint8)[..., None], 3, 2)
        seen = np.full_like(frames[0], 255) if mask is None else np.asarray(mask.convert("RGB"))
        rows.append((f"Mask: {name}; frames 1, 3, 5, 7; how much each pixel moved", [seen, *frames[:7:2], shown]))
    return draw_rows(rows)


def draw_longer(make: Make) -> Image.Image:
    """Thirty-two frames in windows, in segments, and in one piece."""
    ways = {
        "In windows": {},
        "In segments": {"longer": "segments"},
        "In one piece, as the network was not trained": {"window": 32},
    }
    length = 32
    return draw_rows(
        [
            (f"{way}: every fourth of {length} frames", make(PICTURE, num_frames=length, **given)[::4])
            for way, given in ways.items()
        ]
    )


DRAWN = {"loop": draw_loop, "last-picture": draw_meeting, "mask": draw_masked, "longer": draw_longer}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        clips = prepare(Path(folder))
        for what, draw in DRAWN.items():
            draw(clips).quantize(256).save(HERE / f"control-{what}.png", optimize=True)
