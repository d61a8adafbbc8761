"""Compiled passes over memory give the same numbers, for every size, and are compiled a few times only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lib_svd.engine import fused
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder
from lib_svd.engine.warm_up import warm_up
from tests.engine.closeness import assert_close
from tests.engine.narrow import THREE_LEVELS, UNET, fill

pytestmark = [
    pytest.mark.usefixtures("no_grad"),
    pytest.mark.filterwarnings("ignore"),  # torch's compiler has deprecations of its own
]


@pytest.fixture(scope="module")
def compiled() -> Iterator[list[tuple[int, int]]]:
    """What warming up told of its progress."""
    with torch.inference_mode():
        yield list(warm_up(torch.device("cpu"), torch.float32))
    torch._dynamo.reset()


def test_warming_up_tells_how_far_it_is(compiled: list[tuple[int, int]]) -> None:
    assert compiled == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_networks_give_the_same(compiled: object) -> None:
    unet, decoder = fill(UNet(UNET)), fill(VaeDecoder(THREE_LEVELS))
    x = torch.randn(10, 8, 8, 6, generator=torch.Generator().manual_seed(2))
    tables = unet.make_tables(
        torch.tensor([0.3]), torch.ones(1, UNET.vector_dim), torch.ones(2, 1, UNET.context_dim), 5
    )
    latents = 0.2 * x[:5, :4]
    noise, frames = unet(x, tables, 0), torch.cat(list(decoder.decode_frames(latents, 5)))

    with fused.compile_inside():
        noise_compiled, frames_compiled = unet(x, tables, 0), torch.cat(list(decoder.decode_frames(latents, 5)))

    assert_close(noise_compiled, noise)
    assert_close(frames_compiled, frames)
    assert not torch.equal(noise_compiled, noise)  # else nothing was compiled


def test_it_is_not_compiled_anew_for_every_size(compiled: object) -> None:
    """Two clips of different sizes may each find something that is not compiled yet; those after them do not."""
    unet, decoder = fill(UNet(UNET)), fill(VaeDecoder(THREE_LEVELS))
    graphs = []
    for frames, height, width in ((5, 8, 6), (3, 16, 10), (7, 12, 14), (2, 6, 8), (4, 10, 4)):
        vector, context = torch.ones(1, UNET.vector_dim), torch.ones(2, 1, UNET.context_dim)
        with fused.compile_inside():
            unet(
                torch.zeros(2 * frames, 8, height, width),
                unet.make_tables(torch.tensor([0.3]), vector, context, frames),
                0,
            )
            list(decoder.decode_frames(torch.zeros(frames, 4, height, width), frames))
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[1:] == [graphs[1]] * 4


def test_outside_of_the_context_nothing_is_compiled() -> None:
    assert not fused.is_compiling()
    with fused.compile_inside():
        assert fused.is_compiling()
    assert not fused.is_compiling()
