"""D(x; sigma) with guidance: how the two branches are run does not change it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lib_svd.engine import attention, guidance, schedule
from lib_svd.engine.conditioning import Conditioning, embed_motion
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.unet import UNet
from tests.engine.closeness import assert_close
from tests.engine.narrow import UNET, fill

pytestmark = pytest.mark.usefixtures("no_grad")
T, SIGMAS = 5, schedule.karras(4)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def unet() -> UNet:
    return fill(UNet(UNET))


@pytest.fixture
def given() -> Conditioning:
    return Conditioning(draw(1, 1, 1, UNET.context_dim), draw(2, 1, 4, 4, 6), embed_motion(7, 127, 0.02))


def run_denoiser(unet: UNet, given: Conditioning, scale: Tensor, step: int = 2, *, halves: bool = False) -> Tensor:
    denoiser = Denoiser(unet, given, SIGMAS, scale, device=torch.device("cpu"), dtype=torch.float32, halves=halves)
    return denoiser(SIGMAS[step] * draw(3, T, 4, 4, 6), SIGMAS[step])


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_halves_are_one_batch(step: int, unet: UNet, given: Conditioning) -> None:
    scale = guidance.linear(1.0, 2.5, T)

    assert_close(run_denoiser(unet, given, scale, step, halves=True), run_denoiser(unet, given, scale, step))


def test_guidance_is_a_line_through_both_branches(unet: UNet, given: Conditioning) -> None:
    zero, two = (run_denoiser(unet, given, torch.full((T,), g)) for g in (0.0, 2.0))
    scale = guidance.linear(1.0, 2.5, T)

    g = scale.view(-1, 1, 1, 1)
    assert_close(run_denoiser(unet, given, scale), zero + g * (two - zero) / 2)


def test_guidance_one_runs_the_conditional_branch_alone(
    unet: UNet, given: Conditioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero, two = (run_denoiser(unet, given, torch.full((T,), g)) for g in (0.0, 2.0))
    rows: list[int] = []
    forward = unet.forward
    monkeypatch.setattr(unet, "forward", lambda x, *rest: rows.append(len(x)) or forward(x, *rest))

    one = run_denoiser(unet, given, torch.ones(T))

    assert rows == [T]
    assert_close(one, (zero + two) / 2)


def test_guidance_one_at_one_frame_still_runs_both(
    unet: UNet, given: Conditioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unconditional branch's first frame feeds its other frames."""
    rows: list[int] = []
    forward = unet.forward
    monkeypatch.setattr(unet, "forward", lambda x, *rest: rows.append(len(x)) or forward(x, *rest))

    run_denoiser(unet, given, guidance.linear(1.0, 2.5, T))

    assert rows == [2 * T]


def test_unconditional_branch_does_not_see_the_picture(unet: UNet, given: Conditioning) -> None:
    other = Conditioning(given.image_embeds * 3, given.start_latent - 1, given.vector)

    assert torch.equal(run_denoiser(unet, given, torch.zeros(T)), run_denoiser(unet, other, torch.zeros(T)))


def test_unconditional_branch_sees_the_vector(unet: UNet, given: Conditioning) -> None:
    other = Conditioning(given.image_embeds, given.start_latent, embed_motion(7, 20, 0.02))

    assert not torch.allclose(
        run_denoiser(unet, given, torch.zeros(T)), run_denoiser(unet, other, torch.zeros(T)), atol=1e-3
    )


def test_one_vector_is_the_same_vector_at_every_frame(unet: UNet, given: Conditioning) -> None:
    each = Conditioning(given.image_embeds, given.start_latent, given.vector.expand(T, -1))
    scale = guidance.linear(1.0, 2.5, T)

    assert_close(run_denoiser(unet, each, scale), run_denoiser(unet, given, scale))


def test_vector_of_a_frame_matters_to_it(unet: UNet, given: Conditioning) -> None:
    """SV3D gives every frame its own camera angle."""
    vector = given.vector.repeat(T, 1)
    vector[3] = embed_motion(20, 5, 0.5)[0]
    each = Conditioning(given.image_embeds, given.start_latent, vector)

    moved = (
        (run_denoiser(unet, each, torch.ones(T)) - run_denoiser(unet, given, torch.ones(T)))
        .square()
        .mean(dim=(1, 2, 3))
    )

    assert moved.argmax() == 3


@pytest.mark.parametrize("limit", [1, 20_000])
def test_chunks_of_the_transformer_do_not_matter(
    limit: int, unet: UNet, given: Conditioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = guidance.linear(1.0, 2.5, T)
    whole = run_denoiser(unet, given, scale)
    monkeypatch.setattr(attention, "CPU_CHUNK_BYTES", limit)

    assert_close(run_denoiser(unet, given, scale), whole)


def test_a_single_frame_is_a_clip(unet: UNet, given: Conditioning) -> None:
    denoiser = Denoiser(unet, given, SIGMAS, torch.tensor([2.0]), device=torch.device("cpu"), dtype=torch.float32)

    assert denoiser(draw(3, 1, 4, 4, 6), SIGMAS[2]).isfinite().all()


def test_x_is_left_alone(unet: UNet, given: Conditioning) -> None:
    x = draw(3, T, 4, 4, 6)
    before = x.clone()
    denoiser = Denoiser(unet, given, SIGMAS, torch.full((T,), 2.0), device=torch.device("cpu"), dtype=torch.float32)

    denoiser(x, SIGMAS[0])

    assert torch.equal(x, before)


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("most", [1.0, 2.5])
def test_a_part_of_a_clip_is_told_its_own_start_latents(unet: UNet, given: Conditioning, most: float, halves) -> None:
    """Where each frame has one of its own, and the frames of a window are looked at alone."""
    frames, starts = torch.tensor([6, 7, 8, 0, 1]), draw(4, 9, 4, 4, 6)
    x, scale = SIGMAS[2] * draw(3, T, 4, 4, 6), guidance.linear(1.0, most, T)

    def make(start: Tensor) -> Denoiser:
        told = Conditioning(given.image_embeds, start, given.vector)
        return Denoiser(unet, told, SIGMAS, scale, device=torch.device("cpu"), dtype=torch.float32, halves=halves)

    chosen = make(starts)(x, SIGMAS[2], frames)
    assert torch.equal(chosen, make(starts[frames])(x, SIGMAS[2]))
    assert not torch.allclose(chosen, make(starts[:T])(x, SIGMAS[2]), atol=1e-3)
    same = make(given.start_latent.expand(T, -1, -1, -1))(x, SIGMAS[2])
    assert torch.equal(same, make(given.start_latent)(x, SIGMAS[2], frames))
