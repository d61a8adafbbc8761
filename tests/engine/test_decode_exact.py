"""The frames of a clip do not depend on how many are decoded at a time, nor on where the others wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lib_svd.engine.config import DecoderConfig
from lib_svd.engine.vae import VaeDecoder
from tests.engine.closeness import assert_close
from tests.engine.narrow import PLAIN, THREE_LEVELS, TWO_LEVELS, fill

pytestmark = pytest.mark.usefixtures("no_grad")
CPU = torch.device("cpu")
LIMIT = 1e-4


@pytest.fixture(scope="module")
def decoder_of() -> Callable[[DecoderConfig], VaeDecoder]:
    built: dict[DecoderConfig, VaeDecoder] = {}
    return lambda config: built.setdefault(config, fill(VaeDecoder(config)))


def make_latents(num_frames: int) -> Tensor:
    """Frames of different means and spreads, so that a norm of the wrong frames shows."""
    z = torch.randn(num_frames, 4, 6, 4, generator=torch.Generator().manual_seed(num_frames))
    return z * torch.linspace(0.05, 0.4, num_frames).view(-1, 1, 1, 1) + torch.linspace(-0.2, 0.2, num_frames).view(
        -1, 1, 1, 1
    )


CASES = [
    (config, num_frames, chunk)
    for config, num_frames in ((TWO_LEVELS, 7), (THREE_LEVELS, 5), (TWO_LEVELS, 2), (TWO_LEVELS, 1), (PLAIN, 3))
    for chunk in range(1, num_frames + 2)
]


@pytest.mark.parametrize("park", [None, CPU], ids=["in place", "parked"])
@pytest.mark.parametrize(("config", "num_frames", "chunk"), CASES, ids=lambda v: str(v) if isinstance(v, int) else "")
def test_chunk_does_not_matter(
    config: DecoderConfig,
    num_frames: int,
    chunk: int,
    park: torch.device | None,
    decoder_of: Callable[[DecoderConfig], VaeDecoder],
) -> None:
    decoder, z = decoder_of(config), make_latents(num_frames)
    (whole,) = decoder.decode_frames(z, num_frames)

    parts = list(decoder.decode_frames(z, chunk, park))

    assert [len(part) for part in parts] == [len(part) for part in z.split(chunk)]
    assert_close(torch.cat(parts), whole, max_abs=LIMIT)


def test_size_of_the_frames(decoder_of: Callable[[DecoderConfig], VaeDecoder]) -> None:
    assert torch.cat(list(decoder_of(TWO_LEVELS).decode_frames(make_latents(3), 2))).shape == (3, 3, 12, 8)
    assert torch.cat(list(decoder_of(THREE_LEVELS).decode_frames(make_latents(3), 2))).shape == (3, 3, 24, 16)


def test_frames_look_at_their_neighbours(decoder_of: Callable[[DecoderConfig], VaeDecoder]) -> None:
    """Else the tests above would show nothing."""
    decoder, z = decoder_of(TWO_LEVELS), make_latents(6)

    apart = torch.cat([frame for one in z.split(1) for frame in decoder.decode_frames(one, 1)])

    assert (apart - torch.cat(list(decoder.decode_frames(z, 1)))).abs().max() > 0.05


def test_plain_decoder_looks_at_one_frame(decoder_of: Callable[[DecoderConfig], VaeDecoder]) -> None:
    decoder, z = decoder_of(PLAIN), make_latents(3)

    apart = torch.cat([frame for one in z.split(1) for frame in decoder.decode_frames(one, 1)])

    assert_close(apart, torch.cat(list(decoder.decode_frames(z, 3))))


def test_still_frames_give_no_nan(decoder_of: Callable[[DecoderConfig], VaeDecoder]) -> None:
    frames = torch.cat(list(decoder_of(TWO_LEVELS).decode_frames(torch.zeros(5, 4, 6, 4), 2)))

    assert frames.isfinite().all()


def test_latents_are_left_alone(decoder_of: Callable[[DecoderConfig], VaeDecoder]) -> None:
    z = make_latents(4)
    before = z.clone()

    list(decoder_of(TWO_LEVELS).decode_frames(z, 2))

    assert torch.equal(z, before)


def test_steps_tell_how_far_it_is(decoder_of: Callable[[DecoderConfig], VaeDecoder]) -> None:
    decoder, z = decoder_of(THREE_LEVELS), make_latents(4)

    steps = list(decoder.decode_steps(z, 3))

    numbers = [step.number for step in steps]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == steps[-1].total
    assert_close(torch.cat(list(steps[-1].clip)), torch.cat(list(decoder.decode_frames(z, 3))))
