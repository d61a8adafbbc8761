"""A clip between two pictures ends as each of them alone would begin, and what is held still is the picture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lib_svd.engine.samplers import SAMPLERS, start
from lib_svd.engine.steering import hold_still, meet_between, shrink_mask
from tests.engine.closeness import assert_close

SIGMAS = torch.tensor([30.0, 8.0, 2.0, 0.5, 0.0])
SHAPE = (6, 4, 4, 6)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def begin_with(picture: Tensor):
    """What a network does that knows one clip: from the picture on, everything rises by a tenth a frame."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return picture + 0.1 * torch.arange(len(x)).view(-1, 1, 1, 1)

    return denoise


def sample(denoise, sampler: str = "euler") -> Tensor:
    generator = torch.Generator().manual_seed(3)
    x = start(draw(*SHAPE), SIGMAS)
    *_, last = SAMPLERS[sampler](denoise, x, SIGMAS, lambda: torch.randn(SHAPE, generator=generator))
    return last.x


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_clip_between_two_pictures_begins_with_one_and_ends_with_the_other(sampler: str) -> None:
    first, last = draw(1, *SHAPE[1:], seed=1), draw(1, *SHAPE[1:], seed=2)

    clip = sample(meet_between(begin_with(first), begin_with(last), len(draw(*SHAPE))), sampler)

    assert_close(clip[:1], first, max_abs=1e-4)
    assert_close(clip[-1:], last, max_abs=1e-4)


def test_both_are_seen_in_the_middle_and_the_last_one_in_reverse() -> None:
    zero, one = torch.zeros(1, *SHAPE[1:]), torch.ones(1, *SHAPE[1:])

    seen = meet_between(begin_with(zero), begin_with(one), 6)(draw(*SHAPE), SIGMAS[0])

    share = torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    forward, backward = 0.1 * torch.arange(6), 1 + 0.1 * torch.arange(6).flip(0)
    assert_close(seen.mean((1, 2, 3)), share * forward + (1 - share) * backward, max_abs=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_held_still_is_the_picture_whatever_moves_beside_it(sampler: str) -> None:
    still = draw(1, *SHAPE[1:], seed=1)
    moves = torch.zeros(1, 1, 4, 6)
    moves[..., 3:] = 1

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return 3 * torch.tanh(x) + 0.5 * torch.arange(len(x)).view(-1, 1, 1, 1)

    clip = sample(hold_still(denoise, still, moves), sampler)

    assert_close(clip[..., :3], still[..., :3].expand(6, -1, -1, -1), max_abs=1e-5)
    assert_close(clip[..., 3:], sample(denoise, sampler)[..., 3:], max_abs=1e-5)


def test_what_is_held_goes_to_the_picture_in_its_own_noise() -> None:
    """So that what moves sees beside it a picture as noisy as itself."""
    still, noise = draw(1, *SHAPE[1:], seed=1), draw(*SHAPE)
    held = hold_still(lambda x, sigma: x, still, torch.zeros(1, 1, 4, 6))
    x = still + SIGMAS[0] * noise

    for step in SAMPLERS["euler"](held, x, SIGMAS, lambda: noise):
        assert_close(step.x, still + SIGMAS[step.number] * noise, max_abs=1e-4)


def test_a_mask_is_shrunk_to_the_share_of_each_latent_that_moves() -> None:
    mask = torch.zeros(16, 24)
    mask[:, :4] = 1

    assert shrink_mask(mask, 8).tolist() == [[[[0.5, 0, 0], [0.5, 0, 0]]]]
