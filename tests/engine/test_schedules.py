"""Noise levels, preconditioning and guidance have the published values."""

from __future__ import annotations

import pytest
import torch

from lib_svd.engine import guidance, precond, schedule
from lib_svd.engine.schedule import SCHEDULES

PUBLISHED = [700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002]


def test_karras_of_four() -> None:
    torch.testing.assert_close(
        schedule.karras(4), torch.tensor([700.0, 70.5408, 2.26912, 0.002, 0.0]), rtol=1e-5, atol=1e-8
    )


def test_karras_of_one_is_the_highest_level() -> None:
    torch.testing.assert_close(schedule.karras(1), torch.tensor([700.0, 0.0]))


def test_karras_from_another_level() -> None:
    sigmas = schedule.karras(5, sigma_max=500.0)

    torch.testing.assert_close(sigmas[[0, -2, -1]], torch.tensor([500.0, 0.002, 0.0]), rtol=1e-5, atol=1e-8)


def test_lcm_of_four() -> None:
    torch.testing.assert_close(
        schedule.lcm(4), torch.tensor([700.0, 128.564, 13.678, 0.4969, 0.0]), rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8])
def test_lcm_levels_are_trained_ones(n: int) -> None:
    every = 40 // n

    torch.testing.assert_close(schedule.lcm(n)[:-1], schedule.karras(40)[:-1:every][:n])


def test_align_your_steps_of_ten_is_the_published_list() -> None:
    torch.testing.assert_close(schedule.align_your_steps(10), torch.tensor([*PUBLISHED[:-1], 0.0]))


def test_align_your_steps_lies_on_lines_of_the_logarithm() -> None:
    sigmas, published = schedule.align_your_steps(20), torch.tensor(PUBLISHED)

    torch.testing.assert_close(sigmas[:-1:2], published[:-1])
    torch.testing.assert_close(sigmas[1::2], (published[:-1] * published[1:]).sqrt())


def test_align_your_steps_of_five_takes_every_second_level() -> None:
    torch.testing.assert_close(schedule.align_your_steps(5), torch.tensor([*PUBLISHED[:-1:2], 0.0]))


@pytest.mark.parametrize(("name", "most"), [("karras", 1000), ("align_your_steps", 1000), ("lcm", 40)])
def test_levels_fall_from_700_to_0_for_every_number_of_steps(name: str, most: int) -> None:
    for n in range(1, most + 1):
        sigmas = SCHEDULES[name](n)

        assert sigmas.dtype == torch.float32
        assert sigmas.shape == (n + 1,)
        assert sigmas[0].item() == pytest.approx(700.0, rel=1e-6)
        assert sigmas[-1] == 0
        assert (sigmas.diff() < 0).all(), n


@pytest.mark.parametrize(
    ("name", "n"), [*((name, n) for name in SCHEDULES for n in (0, -1)), ("lcm", 41), ("lcm", 100)]
)
def test_there_are_no_levels_outside_of_a_schedules_domain(name: str, n: int) -> None:
    with pytest.raises(ValueError, match=f"no levels for {n} steps"):
        SCHEDULES[name](n)


SIGMAS = torch.logspace(-3, 3, 25, dtype=torch.float64)


def test_input_to_the_network_has_unit_variance() -> None:
    torch.testing.assert_close(precond.c_in(SIGMAS) ** 2 * (SIGMAS**2 + 1), torch.ones_like(SIGMAS))


def test_v_prediction_of_a_perfect_network_gives_the_picture() -> None:
    """v = a noise - s x0, a = 1/sqrt(1 + sigma^2), s = sigma a (Salimans and Ho 2022): D must then be x0."""
    x0, noise = 0.3, -1.2
    a = 1 / (1 + SIGMAS**2).sqrt()
    v = a * noise - SIGMAS * a * x0

    denoised = precond.c_skip(SIGMAS) * (x0 + SIGMAS * noise) + precond.c_out(SIGMAS) * v

    torch.testing.assert_close(denoised, torch.full_like(SIGMAS, x0))


def test_c_noise() -> None:
    torch.testing.assert_close(precond.c_noise(torch.tensor([1.0, 700.0])), torch.tensor([0.0, 1.6377703]))


def test_linear_ramp_of_svd() -> None:
    scale = guidance.linear(1.0, 2.5, 14)

    assert scale[0] == 1.0
    assert scale[-1] == 2.5
    torch.testing.assert_close(scale.diff(), torch.full((13,), 1.5 / 13))


def test_triangle_of_sv3d() -> None:
    scale = guidance.triangle(1.0, 2.5, 21)

    torch.testing.assert_close(scale[[0, 5, 10, 15, 20]], torch.tensor([1.0, 1.75, 2.5, 1.75, 1.0]))
    torch.testing.assert_close(scale, scale.flip(0))


def test_triangle_between_other_ends() -> None:
    torch.testing.assert_close(guidance.triangle(2.0, 4.0, 5), torch.tensor([2.0, 3.0, 4.0, 3.0, 2.0]))


def test_triangle_of_an_even_count_has_two_equal_tops() -> None:
    torch.testing.assert_close(guidance.triangle(1.0, 2.5, 6), torch.tensor([1.0, 1.6, 2.2, 2.2, 1.6, 1.0]))


def test_constant_is_the_higher_scale() -> None:
    assert guidance.constant(1.0, 1.2, 3).tolist() == pytest.approx([1.2, 1.2, 1.2])


@pytest.mark.parametrize("name", guidance.RAMPS)
def test_a_ramp_for_a_single_frame(name: str) -> None:
    assert guidance.RAMPS[name](1.5, 3.0, 1).shape == (1,)
