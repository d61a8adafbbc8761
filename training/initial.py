"""Weights to begin with: a way round GroupNorm for what must come through in proportion.

GroupNorm takes the mean and the scale of a group away, and with them the colour of a picture or the level of a latent.
A network of two channels a group finds no way round that: a VAE of 64 channels dropped every colour off one axis. So
there are three or four channels a group where it counts, and a number that must come through is given two constants,
plus and minus, for company: then the norm leaves it nearly in proportion.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

SHIFT = 4.0  # where SiLU is nearly straight


@torch.no_grad()
def copy(conv: nn.Conv2d, outputs: Iterable[int], inputs: Iterable[int], rows: int = 1) -> None:
    """Let some channels be others, or the means of the window's first rows and columns."""
    middle = conv.kernel_size[0] // 2
    where = slice(0, rows) if rows > 1 else slice(middle, middle + 1)
    for o, i in zip(outputs, inputs, strict=True):
        conv.weight[o], conv.bias[o] = 0, 0
        conv.weight[o, i, where, where] = 1 / rows**2


@torch.no_grad()
def group_inputs(conv: nn.Conv2d, inputs: range, width: int, constant: float) -> None:
    """Let each of some inputs begin a group of that width, the two constants beside it."""
    firsts = [width * n for n in range(len(inputs))]
    copy(conv, firsts, inputs)
    for first in firsts:
        company = slice(first + 1, first + width)
        conv.weight[company], conv.bias[company] = 0, 0
        conv.bias[first + 1], conv.bias[first + 2] = constant, -constant


@torch.no_grad()
def read(norm: nn.GroupNorm, conv: nn.Conv2d, count: int, width: int, constant: float, sign: int = 1) -> None:
    """Undo for the first outputs what the norm and SiLU do to numbers in company."""
    shrunk = sign * (1 - 1 / width) / (constant * math.sqrt(2 / width))
    for n in range(count):
        conv.weight[n] = 0
        conv.weight[n, width * n, 1, 1] = 1 / shrunk
        norm.bias[width * n] = SHIFT
        conv.bias[n] = -float(F.silu(torch.tensor(SHIFT))) / shrunk


@torch.no_grad()
def silence(*layers: nn.Module) -> None:
    """Let layers give zero."""
    for layer in layers:
        for weight in layer.parameters(recurse=False):
            weight.zero_()
