"""Upsampling worked out at the smaller size is nearest neighbour times 2 and a 3x3 convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lib_svd.engine.layers import Upsample
from tests.engine.closeness import assert_close
from tests.halves import HALVES


@pytest.fixture
def upsample() -> Upsample:
    torch.manual_seed(0)
    return Upsample(16)


def upsample_plainly(layer: Upsample, x: Tensor) -> Tensor:
    return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.conv.weight, layer.conv.bias, padding=1)


@pytest.mark.parametrize("size", [(4, 6), (1, 1), (5, 3), (1, 7)])
def test_it_is_the_plain_way_up_to_the_borders(upsample: Upsample, size: tuple[int, int]) -> None:
    x = torch.randn(3, 16, *size)
    assert_close(upsample(x), upsample_plainly(upsample, x))


@pytest.mark.parametrize("dtype", HALVES)
def test_in_half_precision_it_is_as_near_the_truth_as_the_plain_way(upsample: Upsample, dtype: torch.dtype) -> None:
    x = torch.randn(3, 16, 8, 8).to(dtype)
    truth = upsample_plainly(upsample.to(dtype).float(), x.float())
    layer = upsample.to(dtype)
    wrong, usual = ((out.float() - truth).square().mean().sqrt() for out in (layer(x), upsample_plainly(layer, x)))
    assert wrong < 1.5 * usual


def test_gradients_are_those_of_the_plain_way(upsample: Upsample) -> None:
    x = torch.randn(2, 16, 3, 4, requires_grad=True)
    given = [x, upsample.conv.weight, upsample.conv.bias]
    ours, theirs = (
        torch.autograd.grad(out.square().sum(), given) for out in (upsample(x), upsample_plainly(upsample, x))
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_rows_stay_beside_their_channels(upsample: Upsample) -> None:
    x = torch.randn(1, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    assert upsample(x).is_contiguous(memory_format=torch.channels_last)
