"""What goes into the network beside the picture, against the formulas of the reference in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lib_svd.engine import conditioning
from lib_svd.engine.layers import sinusoid


def compute_formula(t: float, width: int) -> Tensor:
    """[cos(t f_i) | sin(t f_i)], f_i = exp(-ln(10000) i / (N/2))."""
    angles = [t * math.exp(-math.log(10000) * i / (width // 2)) for i in range(width // 2)]
    return torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles])


@pytest.mark.parametrize("t", [0.0, 0.02, -1.5, 6.0, 127.0, 1000.0])
@pytest.mark.parametrize("width", [256, 320, 512])
def test_sinusoid(t: float, width: int) -> None:
    torch.testing.assert_close(sinusoid(torch.tensor(t), width), compute_formula(t, width), rtol=0, atol=1e-4)


def test_sinusoid_of_zero_is_cosines_first() -> None:
    assert sinusoid(torch.tensor([0.0]), 4).tolist() == [[1.0, 1.0, 0.0, 0.0]]


def test_sinusoid_keeps_the_axes_of_its_input() -> None:
    t = torch.arange(6).view(2, 3)

    assert sinusoid(t, 8).shape == (2, 3, 8)
    assert sinusoid(t.half(), 8).dtype == torch.float32


def test_motion_vector_is_fps_less_one_then_motion_then_strength() -> None:
    vector = conditioning.embed_motion(7, 127, 0.02)

    assert vector.shape == (1, 768)
    wanted = torch.cat([compute_formula(6, 256), compute_formula(127, 256), compute_formula(0.02, 256)])
    torch.testing.assert_close(vector[0], wanted, rtol=0, atol=1e-4)


def test_object_vector() -> None:
    torch.testing.assert_close(conditioning.embed_object(1e-5), compute_formula(1e-5, 256)[None], rtol=0, atol=1e-6)


def test_orbit_vector_is_strength_then_polar_then_azimuth() -> None:
    polars, azimuths = torch.tensor([1.4, 1.2]), torch.tensor([0.5, 0.0])

    vector = conditioning.embed_orbit(1e-5, polars, azimuths)

    assert vector.shape == (2, 1280)
    wanted = torch.cat([compute_formula(1e-5, 256), compute_formula(1.2, 512), compute_formula(0.0, 512)])
    torch.testing.assert_close(vector[1], wanted, rtol=0, atol=1e-4)


def test_orbit_of_sv3d_is_a_full_turn_back_to_the_picture() -> None:
    polars, azimuths = conditioning.make_orbit(21, elevation=10.0)

    torch.testing.assert_close(polars, torch.full((21,), math.radians(80)))
    torch.testing.assert_close(azimuths[:-1], torch.arange(1, 21) * 2 * math.pi / 21)
    assert azimuths[-1] == 0


def test_part_of_a_turn_also_ends_at_the_picture() -> None:
    _, azimuths = conditioning.make_orbit(4, elevation=0.0, degrees=90.0)

    assert azimuths[-1] == 0
    torch.testing.assert_close(azimuths.diff()[:-1], torch.full((2,), math.radians(22.5)))
    assert ((azimuths >= 0) & (azimuths < 2 * math.pi)).all()


def test_angles_given_for_each_frame_are_told_from_the_last_one_as_in_the_reference() -> None:
    polars, azimuths = conditioning.make_orbit(4, [0.0, 10.0, -10.0, 90.0], [0.0, 100.0, 350.0, 10.0])

    torch.testing.assert_close(polars, torch.tensor([90.0, 80.0, 100.0, 0.0]).deg2rad())
    torch.testing.assert_close(azimuths, torch.tensor([350.0, 90.0, 340.0, 0.0]).deg2rad())


def test_fewer_angles_than_frames_are_spread_evenly() -> None:
    polars, azimuths = conditioning.make_orbit(5, [0.0, 40.0], [0.0, 60.0, 0.0])

    torch.testing.assert_close(polars, torch.tensor([90.0, 80.0, 70.0, 60.0, 50.0]).deg2rad())
    torch.testing.assert_close(azimuths, torch.tensor([0.0, 30.0, 60.0, 30.0, 0.0]).deg2rad())


@pytest.mark.parametrize("num_frames", [1, 2, 20, 21, 84])
def test_a_dynamic_orbit_goes_once_round_and_ends_where_the_picture_was_taken(num_frames: int) -> None:
    elevations, azimuths = conditioning.draw_dynamic_orbit(num_frames, 10.0, seed=3)

    assert len(elevations) == len(azimuths) == num_frames
    assert (elevations[-1], azimuths[-1]) == (pytest.approx(10.0), 360.0)
    assert all(0 < a <= b for a, b in zip(azimuths, azimuths[1:], strict=False))
    assert all(abs(each) < 90 for each in elevations)


def test_a_dynamic_orbit_is_another_one_with_another_seed() -> None:
    first, again, other = (conditioning.draw_dynamic_orbit(21, 0.0, seed) for seed in (1, 1, 2))

    assert first == again
    assert max(abs(a - b) for a, b in zip(first[0], other[0], strict=True)) > 5


def test_a_dynamic_orbit_rises_and_sinks_in_whole_waves_one_to_four_a_turn() -> None:
    """Of 84 such with random heights: some 40 degrees about the mean, were it not for those thrown away beyond 90."""
    rings = torch.tensor([conditioning.draw_dynamic_orbit(84, 10.0, seed)[0] for seed in range(40)])
    waves = torch.fft.rfft(rings.roll(1, 1)).abs() / 42

    torch.testing.assert_close(waves[:, 0] / 2, torch.full((40,), 10.0), rtol=0, atol=1e-3)
    assert waves[:, 5:].max() < 1e-3
    assert (waves[:, 1:5].mean(0) > 5).all()
    assert 15 < rings.std(1).mean() < 45
