"""A clip at every budget: the GPU is host memory that keeps a book of what is on it (`stubs/common/stub_gpu.py`).

Peak here is what the host has put on the GPU plus the bytes that the work was promised beside it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from lib_svd.animate import Destination, animate, order
from lib_svd.checkpoints import recognise
from lib_svd.engine import memory
from lib_svd.engine.memory import count_weight_bytes
from lib_svd.engine.unet import UNet
from lib_svd.hosts.detect import find_host
from lib_svd.hosts.patcher import PatchedResident
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.ports import Host
from lib_svd.request import ClipRequest
from tests.hosts.stub_hosts import MANAGEMENT

KB = 1000
BUDGETS = {  # bytes of the GPU, and how many of them the host keeps free whatever it loads
    "roomy": (1_000_000 * KB, 0),
    "one network at a time": (13_000 * KB, 0),
    "half the UNet": (7_000 * KB, 0),
    "less than a block": (4_900 * KB, 3_700 * KB),
}
"""At 4 frames of 64x64 the narrow UNet is 11.4 MB of weights, a residual block of it 0.43 MB, its work 1.05 MB;
decoding takes 4.8 MB at the least. Frames are decoded one at a time: other chunks are other kernels, rounded otherwise.
"""
pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Peak:
    """Of a run: bytes on the GPU, promised ones included, and the share of the UNet's weights that was there."""

    bytes: int = 0
    unet: float = 0.0


@pytest.fixture
def peak(monkeypatch) -> Peak:
    """Watches every entry of a network to its work."""
    seen, enter = Peak(), PatchedResident.bring_to_gpu

    @contextmanager
    def watch(resident, working_bytes):
        from stub_gpu import _stub as gpu

        with enter(resident, working_bytes) as network:
            seen.bytes = max(seen.bytes, gpu.used() + working_bytes)
            if isinstance(network, UNet):
                seen.unet = gpu.bytes_of(network) / count_weight_bytes(network)
            yield network

    monkeypatch.setattr(PatchedResident, "bring_to_gpu", watch)
    return seen


@pytest.fixture
def small_scratch(monkeypatch) -> None:
    """Fixed reserves as narrow as the networks: at full size they are a small part of a card, here all of it."""
    monkeypatch.setattr(memory, "CPU_CHUNK_BYTES", 64 * KB)
    monkeypatch.setattr(memory, "estimate_vision_bytes", lambda config, dtype: 500 * KB)


@pytest.fixture
def made(tmp_path, monkeypatch, checkpoint, picture, small_scratch) -> Callable[[Host], Tensor]:
    """Frames of the same clip, by whatever host, before they are rounded to 8 bits."""
    frames: list[Tensor] = []
    decoding = importlib.import_module("lib_svd.stages.decode")  # the package's name of the same is its function
    to_uint8 = decoding.convert_to_uint8
    monkeypatch.setattr(decoding, "convert_to_uint8", lambda x: frames.append(x) or to_uint8(x))

    def make(host: Host) -> Tensor:
        out = tmp_path / f"{len(frames)}.mp4"
        request = ClipRequest(seed=3, num_frames=4, width=64, height=64, num_steps=2, decode_chunk=1)
        animate(order(request, picture, recognise(checkpoint), Destination(out=out)), host)
        return frames[-1]

    return make


@pytest.mark.parametrize("name", MANAGEMENT)
def test_a_clip_is_the_same_at_any_budget_and_keeps_within_it(stub_host, monkeypatch, made, peak, name):
    stub = stub_host(name)
    gpu = stub.gpu
    wanted, shares = made(make_standalone_host("cpu")), {}
    for label, (budget, floor) in BUDGETS.items():
        gpu.plug_in(monkeypatch, budget)
        gpu.inference_memory, peak.bytes = floor, 0
        assert torch.equal(made(find_host()), wanted), label
        assert 0 < peak.bytes <= budget, label
        shares[label] = peak.unet
        stub.management.unload_all_models()
        assert gpu.used() == 0, label
    assert shares["roomy"] > 0.99
    assert shares["one network at a time"] > 0.99
    assert 0.2 < shares["half the UNet"] < 0.8
    assert shares["less than a block"] < 0.02
