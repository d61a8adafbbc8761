"""Matrices that wait in float8, a byte a number, and are brought back as they are used.

Every row has a scale of its own, by which its largest number stays what it is; docs/speed.md has what that is worth.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

DTYPE = torch.float8_e4m3fn
LARGEST = torch.finfo(DTYPE).max


class RowScale(nn.Module):
    """How a matrix gets into float8, `round_weight`, and how it gets back, `forward`.

    Args:
        weight: [rows, ...], float32, float16 or bfloat16.
    """

    scale: Tensor  # [rows, 1, ...], in the dtype of the weight

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = (weight.flatten(1).abs().amax(1).float() / LARGEST).clamp(min=2.0**-24)  # float16 has none below
        scale = scale.to(weight.dtype)
        self.register_buffer("scale", scale.view(-1, *[1] * (weight.ndim - 1)))

    def forward(self, kept: Tensor) -> Tensor:
        """Bring float8 [rows, ...] back into the dtype of the scale."""
        return kept.to(self.scale.dtype) * self.scale

    def round_weight(self, weight: Tensor) -> Tensor:
        """Round [rows, ...] to float8."""
        return (weight / self.scale).clamp(-LARGEST, LARGEST).to(DTYPE)


def keep_in_float8(network: nn.Module) -> None:
    """Round the matrices of all linear layers and convolutions; the network computes in its dtype as before."""
    for layer in [each for each in network.modules() if isinstance(each, (nn.Linear, nn.Conv2d))]:
        scale = RowScale(layer.weight.data)
        layer.weight = nn.Parameter(scale.round_weight(layer.weight.data), requires_grad=False)
        parametrize.register_parametrization(layer, "weight", scale, unsafe=True)  # another dtype is what it is for
