"""GroupNorm where torch's own kernel would change the layout: the same numbers, and nothing is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from benchmarks.gpu_like import META, GpuKernels
from lib_svd.engine import norm, parked
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from tests.engine.closeness import assert_close
from tests.engine.narrow import ENCODER, THREE_LEVELS, TWO_LEVELS, UNET, fill
from tests.halves import HALVES

pytestmark = pytest.mark.usefixtures("no_grad")
CHANNELS_LAST = torch.channels_last


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def switch() -> None:
        for module in (norm, parked):
            monkeypatch.setattr(module, "keeps_layout", lambda x: False)

    return switch


def make_activation(offset: float) -> Tensor:
    """Frames whose channels stand apart by `offset` times their spread, which a sum of squares could lose."""
    drawn = torch.Generator().manual_seed(1)
    x = torch.randn(3, 64, 9, 7, generator=drawn) + offset * torch.randn(3, 64, 1, 1, generator=drawn)
    return x.contiguous(memory_format=CHANNELS_LAST)


@pytest.mark.parametrize("offset", [0, 3, 30])
@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
def test_it_is_as_exact_as_torchs_own(dtype: torch.dtype, offset: float, as_on_a_gpu: Callable[[], None]) -> None:
    layer, x = fill(norm.make_group_norm(64, 1e-5), dtype), make_activation(offset).to(dtype)
    exact = F.group_norm(x.double(), 32, layer.weight.double(), layer.bias.double(), layer.eps)
    own = (layer(x).double() - exact).abs().max()

    as_on_a_gpu()
    made = norm.apply_norm(x, layer)

    assert made.dtype == dtype
    assert made.is_contiguous(memory_format=CHANNELS_LAST)
    assert (made.double() - exact).abs().max() <= 1.5 * own
    assert torch.equal(norm.apply_norm_silu(x, layer), F.silu(made))


@pytest.mark.parametrize("chunk", [5, 2])
def test_the_networks_give_the_same(chunk: int, as_on_a_gpu: Callable[[], None]) -> None:
    unet, decoder = fill(UNet(UNET)), fill(VaeDecoder(THREE_LEVELS))
    x = torch.randn(10, 8, 8, 6, generator=torch.Generator().manual_seed(2))
    tables = unet.make_tables(
        torch.tensor([0.3]), torch.ones(1, UNET.vector_dim), torch.ones(2, 1, UNET.context_dim), 5
    )
    latents = 0.2 * x[:5, :4]
    noise, frames = unet(x, tables, 0), torch.cat(list(decoder.decode_frames(latents, 5)))

    as_on_a_gpu()

    assert_close(unet(x, tables, 0), noise)
    assert_close(torch.cat(list(decoder.decode_frames(latents, chunk))), frames)


class Relaid(TorchDispatchMode):
    """Names the operations that give a picture other strides than one of the same shape that they took."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        result = func(*given, **(named or {}))
        taken = [x for x in tree_flatten(given)[0] if isinstance(x, Tensor) and x.ndim == 4 and min(x.shape) > 1]
        chosen = any(word in str(func) for word in ("conv", "empty_like"))  # where `GpuKernels` says the layout
        if not chosen and isinstance(result, Tensor) and any(is_relaid(x, result) for x in taken):
            self.found.append(f"{func}{tuple(result.shape)}")
        return result


def is_relaid(x: Tensor, result: Tensor) -> bool:
    """Whether memory that lay one way was copied to lie another way."""
    moved = x.untyped_storage()._cdata != result.untyped_storage()._cdata
    was, now = (t.is_contiguous(memory_format=CHANNELS_LAST) for t in (x, result))
    return moved and x.shape == result.shape and x.is_contiguous() != result.is_contiguous() and was != now


def pretend_on_gpu(network: nn.Module) -> nn.Module:
    return network.half().to(META).to(memory_format=CHANNELS_LAST)


def make_zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float16, device=META).contiguous(memory_format=CHANNELS_LAST)


def build_unet() -> Callable[[], Any]:
    unet = pretend_on_gpu(UNet(UNET))
    with META:
        vector, context = torch.zeros(1, 768), torch.zeros(2, 1, UNET.context_dim, dtype=torch.float16)
        tables = unet.make_tables(torch.zeros(1), vector, context, 3)
    x = make_zeros(6, 8, 16, 8)
    return lambda: unet(x, tables, 0)


def build_decoder(chunk: int) -> Callable[[], Any]:
    decoder, latents = pretend_on_gpu(VaeDecoder(TWO_LEVELS)), make_zeros(4, 4, 16, 8)
    return lambda: list(decoder.decode_frames(latents, chunk))


def build_encoder() -> Callable[[], Any]:
    encoder, picture = pretend_on_gpu(VaeEncoder(ENCODER)), make_zeros(2, 3, 32, 16)
    return lambda: encoder(picture)


def work() -> Iterator[Any]:
    yield pytest.param(build_unet, id="UNet")
    yield pytest.param(build_encoder, id="encoder")
    yield pytest.param(lambda: build_decoder(4), id="decoder at once")
    yield pytest.param(lambda: build_decoder(2), id="decoder in chunks")


@pytest.mark.parametrize("prepared", work())
def test_on_a_gpu_nothing_is_copied_into_another_layout(prepared: Callable[[], Callable[[], Any]]) -> None:
    run = prepared()
    with META, GpuKernels(), Relaid() as seen:
        run()
    assert seen.found == []


def test_a_copy_into_another_layout_is_seen() -> None:
    """Else the test above would show nothing. PyTorch's own norm makes one with 2.13, and none with 2.15."""
    x = make_zeros(2, 32, 16, 8)
    with Relaid() as seen:
        x.contiguous()
    assert len(seen.found) == 1
