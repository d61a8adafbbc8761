"""RIFE against vs-rife's networks, and against motion that is known.

`rife.safetensors` has pixels of frames that vs-rife 5.7.0 made (torch 2.13.0, CPU, one thread) with the weights and the
two frames of `rife.py`. Its files for 4.25 and 4.26 gave the same to the bit.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lib_svd.checkpoints.rife import KINDS
from lib_svd.engine import rife
from lib_svd.engine.config import RifeConfig
from lib_svd.engine.rife import Rife
from tests.engine.rife import TIMES, build_network, pair, take_samples
from tests.halves import HALVES

NEAR = 5e-5  # of 1
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture(scope="module")
def reference() -> dict[str, Tensor]:
    return load_file(Path(__file__).with_name("rife.safetensors"))


def interpolate(net: Rife, time: float, rows: int = 10_000, frames: tuple[Tensor, Tensor] | None = None) -> Tensor:
    return net.interpolate(torch.cat([net.look(each) for each in frames or pair()]), time, rows)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_reference(kind, time, reference):
    assert (take_samples(interpolate(build_network(kind), time)) - reference[f"{kind} at {time}"]).abs().max() < NEAR


def set_scales(kind: str, scales: tuple[int, ...]) -> Rife:
    net = build_network(kind)
    net.config = replace(net.config, scales=scales)
    return net


MISTAKES = {
    "the scales of another kind": lambda: interpolate(
        set_scales("RIFE 4.25 lite", KINDS["RIFE 4.26 heavy"].scales), 0.2
    ),
    "the time from the other end": lambda: interpolate(build_network("RIFE 4.25 lite"), 0.8),
    "the frames in the other order": lambda: interpolate(build_network("RIFE 4.25 lite"), 0.2, frames=pair()[::-1]),
    "no time at all": lambda: interpolate(build_network("RIFE 4.25 lite"), 0.0),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_would_be_seen(mistake, reference):
    assert (take_samples(MISTAKES[mistake]()) - reference["RIFE 4.25 lite at 0.2"]).abs().max() > 100 * NEAR


def make_tall() -> tuple[Tensor, Tensor]:
    """Two frames of 512x128."""
    return tuple(torch.cat([each[..., :128], each[..., 128:].flip(-2)] * 2, -2) for each in pair())


@pytest.mark.parametrize("kind", ["RIFE 4.25 or 4.26", "RIFE 4.25 lite"])
def test_the_rows_at_a_time_do_not_matter(kind):
    net = build_network(kind)
    whole = interpolate(net, 0.2, frames=make_tall())
    for rows in (256, 64, 20, 4):
        assert (interpolate(net, 0.2, rows, make_tall()) - whole).abs().max() < NEAR


def test_fewer_rows_around_them_would_be_seen(monkeypatch):
    net = build_network("RIFE 4.25 or 4.26")
    whole = interpolate(net, 0.2, frames=make_tall())
    monkeypatch.setattr(rife, "RIFE_REACH", 24)
    assert (interpolate(net, 0.2, 64, make_tall()) - whole).abs().max() > 10 * NEAR


def make_telling(flow: tuple[float, float, float, float], logit: float = 0.0) -> Rife:
    """A network that gives this flow everywhere, to the frame before and to the one after."""
    net = Rife(RifeConfig())
    for weight in net.parameters():
        weight.zero_()
    told = torch.tensor([*flow, logit, *[0.0] * 8])
    net.blocks[-1].lastconv[0].bias.copy_(told.repeat_interleave(4))  # the shuffle makes one channel of four
    return net.eval()


@pytest.mark.parametrize("time", [0.25, 0.5, 0.75])
def test_a_network_that_knows_the_motion_makes_the_frame_that_was_there(time):
    """The picture goes right by 8 pixels and down by 4, so what is wanted lies between, as many shares to the left."""
    wide, _ = pair()
    before, after, wanted = (
        wide[..., 12 - int(4 * t) : 76 - int(4 * t), 40 - int(8 * t) : 168 - int(8 * t)] for t in (0, 1, time)
    )
    net = make_telling((-8 * time, -4 * time, 8 * (1 - time), 4 * (1 - time)))
    inside = (..., slice(8, -8), slice(8, -8))
    made = interpolate(net, time, frames=(before, after))
    assert (made - wanted)[inside].abs().max() < 1e-4
    assert (before * (1 - time) + after * time - wanted)[inside].abs().max() > 0.1


def test_one_that_sees_no_motion_takes_the_mean_and_the_mask_says_whose_pixels_to_take():
    before, after = pair()
    assert torch.allclose(interpolate(make_telling((0, 0, 0, 0)), 0.5), (before + after) / 2, atol=1e-5)
    assert torch.allclose(interpolate(make_telling((0, 0, 0, 0), 20), 0.5), before, atol=1e-5)
    assert torch.allclose(interpolate(make_telling((0, 0, 0, 0), -20), 0.5), after, atol=1e-5)


def test_beyond_the_border_is_the_border():
    before, _ = pair()
    made = interpolate(make_telling((-1e4, 0, 1e4, 0), 20), 0.5)
    assert torch.allclose(made, before[..., :1].expand_as(before), atol=1e-5)


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("channel", range(5))
def test_a_flow_or_mask_that_is_no_number_shows(channel, number):
    told_channels = [0.0] * 5
    told_channels[channel] = number
    made = interpolate(make_telling(tuple(told_channels[:4]), told_channels[4]), 0.5)
    is_share = channel == 4 and abs(number) == torch.inf  # of which all is one frame's
    assert bool(made.isfinite().all()) == is_share


@pytest.mark.parametrize("dtype", [dtype for dtype in HALVES if dtype == torch.float16])
def test_in_half_precision_it_is_nearly_the_same(dtype):
    net = build_network("RIFE 4.25 or 4.26")
    whole = interpolate(net, 0.2)
    error = (interpolate(net.to(dtype), 0.2) - whole).square().mean().sqrt()
    assert error < 2e-3
