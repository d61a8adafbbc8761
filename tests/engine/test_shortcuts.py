"""What saves work and is not exact: guidance at some sigmas only, and inner stages kept between steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lib_svd.engine import guidance, schedule
from lib_svd.engine.conditioning import Conditioning, embed_motion
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.unet import UNet
from tests.engine.closeness import assert_close
from tests.engine.narrow import UNET, fill

pytestmark = pytest.mark.usefixtures("no_grad")
T, SIGMAS, SCALE = 5, schedule.karras(8), guidance.linear(1.0, 2.5, 5)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def unet() -> UNet:
    return fill(UNet(UNET))


@pytest.fixture
def given() -> Conditioning:
    return Conditioning(draw(1, 1, 1, UNET.context_dim), draw(2, 1, 4, 4, 6), embed_motion(7, 127, 0.02))


@pytest.fixture
def denoiser(unet: UNet, given: Conditioning):
    def make_denoiser(scale: Tensor = SCALE, **how) -> Denoiser:
        return Denoiser(unet, given, SIGMAS, scale, device=torch.device("cpu"), dtype=torch.float32, **how)

    return make_denoiser


@pytest.fixture
def whole(unet: UNet) -> Iterator[list[int]]:
    """A number for each evaluation in which the innermost stage was run: how many frames went through it."""
    rows: list[int] = []
    hook = unet.middle_block.register_forward_hook(lambda _, given, out: rows.append(len(out)))
    yield rows
    hook.remove()


def draw_x(step: int) -> Tensor:
    return SIGMAS[step] * draw(3, T, 4, 4, 6)


def test_guidance_counts_between_its_sigmas_and_not_beyond_them(denoiser, whole) -> None:
    some = denoiser(guided=(float(SIGMAS[5]), float(SIGMAS[2])))
    for step in range(8):
        expected = denoiser() if 2 <= step <= 5 else denoiser(torch.ones(T))
        wanted = expected(draw_x(step), SIGMAS[step])
        whole.clear()
        assert_close(some(draw_x(step), SIGMAS[step]), wanted)
        assert whole == [2 * T if 2 <= step <= 5 else T]


@pytest.mark.parametrize(("interval", "wanted"), [(1, 8), (2, 4), (3, 3), (10, 1)])
def test_one_evaluation_of_so_many_is_whole(denoiser, whole, interval: int, wanted: int) -> None:
    denoise = denoiser(cache_interval=interval)
    for step in range(8):
        denoise(draw_x(step), SIGMAS[step])
    assert len(whole) == wanted


def test_a_whole_evaluation_is_exact_and_so_is_what_is_kept_for_the_same_input(denoiser) -> None:
    exact, cached = denoiser(), denoiser(cache_interval=3)
    for _ in range(4):
        assert_close(cached(draw_x(4), SIGMAS[4]), exact(draw_x(4), SIGMAS[4]))


def test_kept_stages_are_an_approximation_that_is_better_than_none(denoiser) -> None:
    exact, cached = denoiser(), denoiser(cache_interval=2)
    wanted = exact(draw_x(5), SIGMAS[5])
    before = cached(draw_x(4), SIGMAS[4])
    found = cached(draw_x(5), SIGMAS[5])
    assert not torch.equal(found, wanted)
    assert (found - wanted).square().mean() < (before - wanted).square().mean()


def test_where_other_branches_are_run_than_before_the_evaluation_is_whole(denoiser, whole) -> None:
    denoise = denoiser(cache_interval=8, guided=(float(SIGMAS[5]), float(SIGMAS[2])))
    for step in range(8):
        denoise(draw_x(step), SIGMAS[step])
    assert whole == [T, 2 * T, T]


def test_branches_in_turn_keep_what_both_at_once_keep(denoiser) -> None:
    both, turns = denoiser(cache_interval=2), denoiser(cache_interval=2, halves=True)
    for step in range(4):
        assert_close(turns(draw_x(step), SIGMAS[step]), both(draw_x(step), SIGMAS[step]))
