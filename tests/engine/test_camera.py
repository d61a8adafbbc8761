"""A camera that is told where to go decides which clip it is, and the network draws it. Noise that goes along
is noise.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lib_svd.engine.camera import move_noise
from lib_svd.engine.samplers import SAMPLERS, start
from lib_svd.engine.schedule import SCHEDULES
from lib_svd.engine.steering import APART, follow_camera
from lib_svd.images import plan_path
from lib_svd.settings import CAMERAS
from tests.engine.closeness import assert_close

SHAPE = (6, 4, 4, 6)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def know(*clips: Tensor):
    """The best denoiser where a clip is one of these and no other: their mean, weighed by how likely x makes each."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        apart = torch.stack([(x - clip).double().square().sum() for clip in clips])
        share = torch.softmax(-apart / (2 * sigma.double() ** 2), 0).float()
        return sum(w * clip for w, clip in zip(share, clips, strict=True))

    return denoise


def sample(denoise, sampler: str, sigmas: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    x = start(draw(*SHAPE, seed=9), sigmas)
    *_, last = SAMPLERS[sampler](denoise, x, sigmas, lambda: torch.randn(SHAPE, generator=generator))
    return last.x


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("schedule", "steps"), [("karras", 25), ("align_your_steps", 10), ("align_your_steps", 5), ("lcm", 4)]
)
@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_the_camera_decides_which_clip_it_is_and_the_network_draws_it(sampler, schedule, steps, wanted) -> None:
    sigmas = SCHEDULES[schedule](steps)
    clips = [draw(*SHAPE, seed=seed) for seed in (1, 2, 3)]
    seen = clips[wanted] + 0.3 * draw(*SHAPE, seed=4)  # the view lacks what the network knows

    made = sample(follow_camera(know(*clips), seen, sigmas[-2]), sampler, sigmas)

    assert_close(made, clips[wanted], max_abs=0.01)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 4, 20])
def test_the_network_is_asked_at_few_levels_and_has_the_last_word(schedule: str, steps: int) -> None:
    sigmas, asked = SCHEDULES[schedule](steps), []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma))
        return torch.full_like(x, 0.7)

    made = sample(follow_camera(denoise, draw(*SHAPE), sigmas[-2]), "euler", sigmas)

    assert (made - 0.7).abs().max() < 1e-3  # what float32 leaves of 700 times the noise
    assert asked == [float(sigma) for sigma in sigmas[:-1] if sigma < 10 * APART or sigma == sigmas[-2]]


def test_view_and_network_are_weighed_by_how_far_each_is_off() -> None:
    zero, one = torch.zeros(SHAPE), torch.ones(SHAPE)
    denoise = follow_camera(lambda x, sigma: zero, one, torch.tensor(0.01))

    assert_close(denoise(zero, torch.tensor(APART)), 0.5 * one, max_abs=1e-6)
    assert_close(denoise(zero, torch.tensor(2 * APART)), 0.8 * one, max_abs=1e-6)


@pytest.mark.parametrize("move", [move for move in CAMERAS if move != "free"])
def test_noise_that_goes_along_is_unit_noise_in_every_frame(move: str) -> None:
    path = torch.from_numpy(plan_path(move, 30, 8))
    noise = move_noise(draw(8, 4, 64, 96, seed=5), path, draw)

    assert noise.shape == (8, 4, 64, 96)
    assert noise.flatten(1).mean(1).abs().max() < 0.03
    assert (noise.flatten(1).var(1) - 1).abs().max() < 0.05


def test_half_of_it_goes_where_the_camera_goes() -> None:
    """The camera pans by 4 of 64 cells a frame, so what is seen goes 4 cells to the left."""
    path = torch.from_numpy(plan_path("pan_right", 25, 5))
    noise = move_noise(draw(5, 4, 32, 64, seed=5), path, draw)

    for a, b in zip(noise, noise[1:], strict=False):
        assert float((a[..., 4:] * b[..., :-4]).mean()) == pytest.approx(0.5, abs=0.05)
        assert float((a * b).mean()) == pytest.approx(0, abs=0.05)
    assert float((noise[..., 1:] * noise[..., :-1]).mean()) == pytest.approx(0, abs=0.03)  # no cell is seen twice
