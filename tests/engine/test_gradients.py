"""The networks can be trained: in-place work and chunks leave the gradients right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lib_svd.engine import attention
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower
from tests.engine.narrow import ENCODER, PLAIN, TWO_LEVELS, UNET, VISION, fill

EPS = 1e-4  # the mixing factors are taken in float32, whose steps a smaller one would show


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def compute_loss(output: Tensor) -> Tensor:
    """A number that every output has its own weight in."""
    return (output * draw(11, *output.shape)).mean()


def compute_gradients(network: nn.Module, inputs: list[Tensor], forward: Callable[[], Tensor]) -> list[Tensor]:
    """Of every weight, then of every input; all of them finite."""
    weights = [*network.requires_grad_(True).parameters(), *(x.requires_grad_(True) for x in inputs)]
    gradients = list(torch.autograd.grad(compute_loss(forward()), weights))
    assert all(gradient.isfinite().all() for gradient in gradients)
    return gradients


def assert_gradients(network: nn.Module, inputs: list[Tensor], forward: Callable[[], Tensor]) -> None:
    """About forty gradients, each along a random direction: there it is the difference quotient."""
    gradients = compute_gradients(network, inputs, forward)
    weights = [*network.parameters(), *inputs]
    names = [*(name for name, _ in network.named_parameters()), *(f"input {i}" for i in range(len(inputs)))]
    for i in {*range(0, len(weights), max(1, len(weights) // 40)), *range(len(weights) - len(inputs), len(weights))}:
        direction = draw(i, *weights[i].shape)
        slope = float((gradients[i] * direction).sum())
        assert compute_quotient(weights[i], EPS * direction, forward) == pytest.approx(slope, rel=2e-3, abs=1e-6), (
            names[i]
        )


@torch.no_grad()
def compute_quotient(weight: Tensor, step: Tensor, forward: Callable[[], Tensor]) -> float:
    weight += step
    above = float(compute_loss(forward()))
    weight -= 2 * step
    below = float(compute_loss(forward()))
    weight += step
    return (above - below) / (2 * EPS)


@pytest.mark.parametrize(("branches", "limit"), [(1, attention.CPU_CHUNK_BYTES), (2, 20_000)])
def test_unet(branches: int, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "CPU_CHUNK_BYTES", limit)
    unet = fill(UNet(UNET), torch.float64)
    x, context = draw(1, branches * 2, 8, 4, 4), draw(2, branches, 1, UNET.context_dim)
    vector, c_noise = draw(3, 1, UNET.vector_dim), torch.tensor([0.4])

    assert_gradients(unet, [context, vector, x], lambda: unet(x, unet.make_tables(c_noise, vector, context, 2), 0))


def test_encoder() -> None:
    encoder, picture = fill(VaeEncoder(ENCODER), torch.float64), draw(1, 1, 3, 8, 8)

    assert_gradients(encoder, [picture], lambda: encoder(picture))


def test_decoder() -> None:
    decoder, z = fill(VaeDecoder(TWO_LEVELS), torch.float64), draw(1, 3, 4, 4, 2)

    assert_gradients(decoder, [z], lambda: torch.cat(list(decoder.decode_frames(z, 3))))


@pytest.mark.parametrize("chunk", [1, 2])
def test_decoder_in_chunks(chunk: int) -> None:
    """Their norms' moments are float32, too coarse for a difference quotient."""
    decoder, z = fill(VaeDecoder(TWO_LEVELS), torch.float64), draw(1, 3, 4, 4, 2)

    whole, parts = (
        compute_gradients(decoder, [z], lambda n=n: torch.cat(list(decoder.decode_frames(z, n)))) for n in (3, chunk)
    )

    for a, b in zip(parts, whole, strict=True):
        assert (a - b).norm() <= 1e-4 * b.norm() + 1e-7


def test_image_decoder() -> None:
    decoder, z = fill(VaeDecoder(PLAIN), torch.float64), draw(1, 3, 4, 4, 2)

    assert_gradients(decoder, [z], lambda: torch.cat(list(decoder.decode_frames(z, 2))))


def test_vision() -> None:
    vision, pixels = fill(VisionTower(VISION), torch.float64), draw(1, 1, 3, 28, 28)

    assert_gradients(vision, [pixels], lambda: vision(pixels))
