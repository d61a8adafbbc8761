"""Samplers on a problem with a known answer: pictures distributed as N(MEAN, SPREAD^2).

There the best denoiser is D(x; sigma) = (SPREAD^2 x + sigma^2 MEAN) / (SPREAD^2 + sigma^2), and the probability flow
from sigma to sigma' keeps (x - MEAN) / sqrt(SPREAD^2 + sigma^2) (Karras et al. 2022, sec. 2).
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lib_svd.engine import samplers, schedule
from lib_svd.engine.samplers import SAMPLERS

MEAN, SPREAD = 0.7, 0.5
SHAPE = (2, 4, 3, 5)


def denoise_best(x: Tensor, sigma: Tensor) -> Tensor:
    return (SPREAD**2 * x + sigma**2 * MEAN) / (SPREAD**2 + sigma**2)


def follow_exact_flow(x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return MEAN + (x - MEAN) * math.sqrt((SPREAD**2 + sigma_next**2) / (SPREAD**2 + sigma**2))


def find_flow_end(x: Tensor, sigma: Tensor) -> Tensor:
    """Where the flow through x ends: what a distilled model gives."""
    return follow_exact_flow(x, float(sigma), 0.0)


def refuse_noise() -> Tensor:
    raise AssertionError("a sampler of the probability flow draws no noise")


def draw_from_seed(seed: int, shape: tuple[int, ...] = SHAPE):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=generator, dtype=torch.float64)


def make_levels(n: int, high: float = 20.0, low: float = 0.05) -> Tensor:
    return torch.logspace(math.log10(high), math.log10(low), n + 1, dtype=torch.float64)


def measure_error(name: str, n: int) -> float:
    sigmas = make_levels(n)
    x = MEAN + 20.0 * draw_from_seed(3)()
    *_, last = SAMPLERS[name](denoise_best, x, sigmas, refuse_noise)
    return float((last.x - follow_exact_flow(x, float(sigmas[0]), float(sigmas[-1]))).abs().max())


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_converges_with_its_order(name: str, order: int) -> None:
    measured = math.log2(measure_error(name, 200) / measure_error(name, 400))

    assert measured == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize(("name", "near"), [("euler", 0.05), ("heun", 0.002), ("dpmpp_2m", 0.01)])
def test_reaches_the_answer_on_the_schedule_of_svd(name: str, near: float) -> None:
    sigmas = schedule.karras(200).double()
    x = samplers.start(draw_from_seed(3)(), sigmas)

    *_, last = SAMPLERS[name](denoise_best, x, sigmas, refuse_noise)

    torch.testing.assert_close(last.x, follow_exact_flow(x, 700.0, 0.0), rtol=0, atol=near)


def test_euler_is_the_formula() -> None:
    sigmas, x = torch.tensor([10.0, 4.0]), torch.tensor([3.0])

    (step,) = samplers.euler(lambda x, sigma: x / 2, x, sigmas, refuse_noise)

    assert step.x.item() == pytest.approx(3.0 + (4.0 - 10.0) * (3.0 - 1.5) / 10.0)


def test_start_has_the_variance_of_the_first_level() -> None:
    noise = torch.randn(4, 4, 50, 50, generator=torch.Generator().manual_seed(0))

    assert samplers.start(noise, torch.tensor([3.0, 0.0])).std().item() == pytest.approx(math.sqrt(10), rel=0.02)


MANY = (200, 4, 10, 10)


def test_ancestral_keeps_the_distribution() -> None:
    sigmas, noise = torch.cat([make_levels(120), torch.zeros(1)]), draw_from_seed(5, MANY)
    x = MEAN + math.sqrt(SPREAD**2 + 20.0**2) * noise()

    *_, last = samplers.euler_ancestral(denoise_best, x, sigmas, noise)

    assert last.x.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert last.x.std().item() == pytest.approx(SPREAD, rel=0.04)


def test_lcm_keeps_the_distribution_at_every_step() -> None:
    sigmas, noise = schedule.lcm(4).double(), draw_from_seed(6, MANY)
    x = MEAN + math.sqrt(SPREAD**2 + 700.0**2) * noise()

    for sigma, step in zip(sigmas[1:], samplers.lcm(find_flow_end, x, sigmas, noise), strict=True):
        assert step.x.std().item() == pytest.approx(math.sqrt(SPREAD**2 + float(sigma) ** 2), rel=0.02)
        assert step.denoised.std().item() == pytest.approx(SPREAD, rel=0.02)


@pytest.mark.parametrize("name", ["euler_ancestral", "lcm"])
def test_the_noise_it_is_given_decides(name: str) -> None:
    def sample(seed: int) -> Tensor:
        *_, last = SAMPLERS[name](denoise_best, 20 * draw_from_seed(1)(), make_levels(5), draw_from_seed(seed))
        return last.x

    assert torch.equal(sample(8), sample(8))
    assert not torch.allclose(sample(8), sample(9), atol=1e-2)


@pytest.mark.parametrize("name", ["euler_ancestral", "lcm"])
def test_noise_is_drawn_at_every_step_but_the_last(name: str) -> None:
    drawn: list[int] = []

    def draw_noise() -> Tensor:
        drawn.append(1)
        return torch.zeros(SHAPE, dtype=torch.float64)

    list(SAMPLERS[name](denoise_best, 20 * draw_from_seed(1)(), schedule.karras(6).double(), draw_noise))

    assert len(drawn) == 5


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_are_counted_and_end_in_the_denoised(name: str) -> None:
    steps = list(SAMPLERS[name](denoise_best, 20 * draw_from_seed(1)(), schedule.karras(6).double(), draw_from_seed(2)))

    assert [(step.number, step.total) for step in steps] == [(i, 6) for i in range(1, 7)]
    torch.testing.assert_close(steps[-1].x, steps[-1].denoised)


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_step_is_what_the_network_says(name: str) -> None:
    x, sigmas = draw_from_seed(1)() * 700, schedule.karras(1).double()

    (step,) = SAMPLERS[name](denoise_best, x, sigmas, refuse_noise)

    torch.testing.assert_close(step.x, denoise_best(x, sigmas[0]))


@pytest.mark.parametrize("name", SAMPLERS)
def test_stopping_costs_no_further_evaluation(name: str) -> None:
    asked: list[float] = []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma))
        return denoise_best(x, sigma)

    steps = SAMPLERS[name](denoise, 20 * draw_from_seed(1)(), schedule.karras(6).double(), draw_from_seed(2))
    assert asked == []
    next(steps)
    assert len(asked) == (2 if name == "heun" else 1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_input_is_left_alone(name: str) -> None:
    x = 20 * draw_from_seed(1)()
    before = x.clone()

    list(SAMPLERS[name](denoise_best, x, make_levels(3), draw_from_seed(2)))

    assert torch.equal(x, before)
