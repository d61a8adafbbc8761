"""Matrices in float8 with a scale for each row: how far off they are, and that they take a byte a number."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lib_svd.engine.float8 import keep_in_float8
from lib_svd.engine.memory import count_weight_bytes
from tests.halves import HALVES

HALF_AN_ULP = 2.0**-4  # relative, of a number with three bits after the point
STEPS_BELOW = 2.0**-18  # of a row's largest number: there float8 has no finer steps, 2^-9 of 448


@pytest.fixture
def layers() -> nn.Sequential:
    """A linear layer whose rows differ a million times, and a convolution with a row of zeros."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(24, 16), nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 3, 3, bias=False))
    with torch.no_grad():
        made[0].weight.mul_(torch.logspace(-3, 3, 16)[:, None])
        made[2].weight[1] = 0
    return made.to(memory_format=torch.channels_last).requires_grad_(False)


@pytest.mark.parametrize(("dtype", "bits"), [(torch.float32, 23), (torch.bfloat16, 7), (torch.float16, 10)])
def test_every_number_is_near_and_the_largest_of_a_row_nearly_exact(layers, dtype, bits):
    rounded = copy.deepcopy(layers.to(dtype))
    keep_in_float8(rounded)
    for layer, kept in ((layers[0], rounded[0]), (layers[2], rounded[2])):
        assert kept.weight.dtype == dtype
        exact, near = (each.weight.double().flatten(1) for each in (layer, kept))
        largest = exact.abs().amax(1, keepdim=True)
        coarse = 2.0**-bits * exact.abs() + 448 * 2.0**-25  # the dtype's own rounding; float16's least scale
        assert ((near - exact).abs() <= HALF_AN_ULP * exact.abs() + STEPS_BELOW * largest + coarse).all()
        assert (near[exact == 0] == 0).all()
        largest_near = near.abs().amax(1, keepdim=True)
        assert ((largest_near - largest).abs() <= 2.0**-bits * largest + 448 * 2.0**-25).all()


def test_the_largest_number_of_a_row_stays_finite_whatever_it_is():
    layer = nn.Linear(1, 1000, bias=False).requires_grad_(False)
    layer.weight.data = torch.logspace(-6, 4.8, 1000)[:, None].half()
    keep_in_float8(layer)
    assert layer.weight.isfinite().all()


def test_a_matrix_takes_a_byte_a_number_and_its_bias_what_it_took(layers):
    before = count_weight_bytes(layers)
    keep_in_float8(layers)
    assert before == 4 * (24 * 16 + 16 + 27)
    assert count_weight_bytes(layers) == 24 * 16 + 4 * 16 + 27


def test_it_goes_on_in_float32(layers):
    keep_in_float8(layers.to(HALVES[0]))
    x: Tensor = torch.linspace(-1, 1, 24)[None]
    half = layers(x.to(HALVES[0])).float()
    full = layers.float()(x)
    assert full.dtype == torch.float32
    assert torch.allclose(half, full, rtol=1e-2, atol=1e-2 * float(full.abs().max()))
