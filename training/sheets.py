"""Contact sheets: pictures side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

GAP = 2


def write_sheet(rows: Sequence[Tensor], path: Path, enlarge: int = 2) -> None:
    """Write rows of pictures [N, 3, H, W] in [-1, 1] as one PNG, pixels enlarged as squares."""
    lines = [np.concatenate([_frame(picture, enlarge) for picture in row], axis=1) for row in rows]
    wide = max(line.shape[1] for line in lines)
    lines = [np.pad(line, ((0, 0), (0, wide - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    Image.fromarray(np.concatenate(lines)).save(path)


def _frame(picture: Tensor, enlarge: int) -> np.ndarray:
    pixels = ((picture.float() + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    pixels = pixels.repeat(enlarge, 0).repeat(enlarge, 1)
    return np.pad(pixels, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
