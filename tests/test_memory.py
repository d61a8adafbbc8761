"""Estimates of working memory, held against the tensors that are really alive at full size.

Networks run on the meta device, where every tensor has a size and no memory, so this needs neither a GPU nor 18 GB.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from benchmarks.gpu_like import META, GpuKernels
from lib_svd.engine import memory
from lib_svd.engine.config import DecoderConfig, EncoderConfig, RifeConfig, UNetConfig, VisionConfig
from lib_svd.engine.rife import Rife
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower, prepare_input

HALF = torch.float16
MOST = 1.4  # times the peak: more would turn away clips that fit


class Alive(TorchDispatchMode):
    """Bytes of all tensors made inside, and the most there were at once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen = {weight.untyped_storage()._cdata: 0 for weight in network.parameters()}

    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        result = func(*given, **(named or {}))
        for tensor in tree_flatten(result)[0]:
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._seen:
            self._seen[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, key: int) -> None:
        self.now -= self._seen.pop(key)


@contextmanager
def measure(network: nn.Module) -> Iterator[Alive]:
    """What the work inside holds at its worst moment, beside the weights and what was there before."""
    with META, torch.inference_mode(), GpuKernels(), Alive(network) as alive:
        yield alive


def make_zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device=META)


@cache
def build(kind: type[nn.Module], config: object) -> nn.Module:
    with META, torch.inference_mode():
        return kind(config).requires_grad_(False)


def assert_near(estimate: int, peak: int) -> None:
    assert peak <= estimate <= MOST * peak, f"{estimate / 2**30:.2f} GB estimated, {peak / 2**30:.2f} GB alive"


def test_the_count_is_of_what_is_alive():
    with measure(nn.Linear(1, 1)) as alive:
        first = make_zeros(1000)
        view = first.view(10, 100)[2:]
        second = first + 1
        del first, view
        third = second * 2
        del second, third
    assert (alive.peak, alive.now) == (8000, 0)


@pytest.mark.parametrize(("num_frames", "branches"), [(25, 2), (25, 1), (14, 2), (14, 1)])
def test_unet(num_frames, branches):
    config = UNetConfig()
    unet = build(UNet, config).to(HALF)
    frames = branches * num_frames
    with META, torch.inference_mode():
        vector, context = make_zeros(1, config.vector_dim), make_zeros(branches, 1, config.context_dim, dtype=HALF)
        tables = unet.make_tables(make_zeros(2), vector, context, num_frames)
        x = make_zeros(frames, config.in_channels, 72, 128, dtype=HALF)
    with measure(unet) as alive:
        unet(x, tables, 1)
    assert_near(memory.estimate_unet_bytes(config, frames, 72, 128, HALF, "cuda"), alive.peak)


@pytest.mark.parametrize(
    ("chunk", "dtype"), [(25, HALF), (8, HALF), (4, HALF), (1, HALF), (25, torch.float32), (8, torch.float32)]
)
def test_decoder(chunk, dtype):
    decoder = build(VaeDecoder, DecoderConfig()).to(dtype)
    latents = make_zeros(25, 4, 72, 128, dtype=dtype)
    with measure(decoder) as alive:
        for _ in decoder.decode_frames(latents, chunk):
            pass
    assert_near(memory.estimate_decode_bytes(DecoderConfig(), 25, 576, 1024, dtype, chunk, park=True), alive.peak)


def test_image_decoder():
    config = DecoderConfig(temporal=False, post_quant_conv=True)
    decoder = build(VaeDecoder, config).to(HALF)
    with measure(decoder) as alive:
        list(decoder.decode_frames(make_zeros(4, 4, 72, 128, dtype=HALF), 4))
    assert alive.peak <= memory.estimate_decode_bytes(config, 4, 576, 1024, HALF, 4, park=True)


@pytest.mark.parametrize("rows", [576, 128, 64])
@pytest.mark.parametrize("dtype", [HALF, torch.float32])
@pytest.mark.parametrize("config", [RifeConfig(), RifeConfig(head=16)])
def test_rife(config, dtype, rows):
    rife = build(Rife, config).to(dtype)
    with measure(rife) as alive:
        looks = torch.cat([rife.look(make_zeros(1, 3, 576, 1024)) for _ in range(2)])
        rife.interpolate(looks, 0.5, rows)
    assert_near(memory.estimate_rife_bytes(config, 576, 1024, dtype, rows), alive.peak)


def test_rife_in_bands_takes_less():
    """Of 4K, whose bands are small beside the frame."""
    whole, least = (memory.estimate_rife_bytes(RifeConfig(), 2176, 3840, HALF, rows) for rows in (2176, 64))
    assert least < whole / 2


def test_encoder():
    encoder = build(VaeEncoder, EncoderConfig())
    image = make_zeros(1, 3, 576, 1024)
    with measure(encoder) as alive:
        encoder.start_latent(image)
    assert_near(memory.estimate_encode_bytes(EncoderConfig(), 576, 1024, torch.float32), alive.peak)


def test_image_tower():
    tower = build(VisionTower, VisionConfig()).to(HALF)
    image = make_zeros(1, 3, 576, 1024)
    with measure(tower) as alive:
        tower(prepare_input(image, 224).to(HALF))
    assert alive.peak <= memory.estimate_vision_bytes(VisionConfig(), HALF)


def test_plans_go_from_the_fastest_to_the_smallest():
    plans = memory.list_decode_plans(DecoderConfig(), 25, 576, 1024, HALF)
    sizes = [plan.bytes for plan in plans]
    assert sizes == sorted(sizes, reverse=True)
    assert (plans[0].chunk, plans[0].park_on_device) == (25, True)
    assert (plans[-1].chunk, plans[-1].park_on_device) == (1, False)
    assert plans[-1].bytes < 2 * 2**30


def test_a_chunk_that_the_user_chose_is_kept():
    assert {plan.chunk for plan in memory.list_decode_plans(DecoderConfig(), 25, 576, 1024, HALF, chunk=4)} == {4}
    assert {plan.chunk for plan in memory.list_decode_plans(DecoderConfig(), 3, 576, 1024, HALF, chunk=4)} == {3}


def test_weights_are_counted_in_the_dtype_they_have():
    assert memory.count_weight_bytes(nn.Linear(10, 10).half()) == 220
    assert memory.count_weight_bytes(nn.Linear(10, 10)) == 440


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_running_out_of_memory(error, counts):
    assert memory.is_out_of_memory(error) is counts
