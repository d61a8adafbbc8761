"""The noise of a clip over which a camera moves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SHARED = 0.5  # of the noise's variance goes with the camera, the rest is each frame's own


def move_noise(noise: Tensor, path: Tensor, draw: Callable[..., Tensor]) -> Tensor:
    """Let half of a clip's noise go with the camera: each cell takes the noise that is nearest to where it looks, and
    what comes into view is new. So it is of unit variance, and no two cells of a pan share one. Shared and own noise
    are mixed as in PYoCo (Ge et al. 2023, https://arxiv.org/abs/2305.10474, section 4.1).

    Args:
        noise: each frame's own, [T, 4, h, w].
        path: [T, 2, 3]: what is at p of frame t is at A_t p of the first one, p = (x, y, 1) in widths and heights of
            the frame from its middle.
        draw: gives unit noise of a shape.
    """
    places = _find_places(path, *noise.shape[2:])
    low = places.amin((0, 1, 2))
    width, height = (places.amax((0, 1, 2)) - low + 1).tolist()
    x, y = (places - low).unbind(-1)
    ground = draw(noise.shape[1], height, width)
    moved = ground[:, y, x].transpose(0, 1)
    return SHARED**0.5 * moved.to(noise) + (1 - SHARED) ** 0.5 * noise


def _find_places(path: Tensor, height: int, width: int) -> Tensor:
    """Find in which cell of the first frame, or beside it, each cell's middle looks: whole numbers x, y,
    [T, h, w, 2].
    """
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    cells = torch.stack([(x / width - 0.5).expand(height, -1), (y / height - 0.5)[:, None].expand(-1, width)], -1)
    seen = torch.einsum("tij,yxj->tyxi", path[..., :2].float(), cells) + path[:, None, None, :, 2].float()
    sides = torch.tensor([width, height])
    return torch.floor((seen + 0.5) * sides + 1e-4).long()  # a middle that has not moved stays in its cell
