"""Without a web UI, on a device that a network does not fit on: layers that come one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lib_svd.checkpoints import networks
from lib_svd.engine.float8 import keep_in_float8
from lib_svd.errors import OutOfMemory
from lib_svd.hosts.own_memory import OwnMemory, OwnResident, stream_layers
from lib_svd.hosts.standalone import make_standalone_host
from tests.conftest import NARROW
from tests.halves import HALVES
from tests.hosts.operands import CPU, META, Operands, run_fixed
from tests.hosts.test_contract import build_filled

pytestmark = pytest.mark.usefixtures("one_thread")


def make_too_large() -> OwnResident:
    """Weights of 4 MB for a device that is not the CPU and has 3."""
    memory = OwnMemory(META, torch.float32, budget=3_000_000)
    return memory.adopt(nn.Linear(1000, 1000, bias=False).requires_grad_(False), torch.float32)


@pytest.fixture
def offloading_to_meta(monkeypatch):
    """diffusers' offloading with the meta device for a GPU, where a weight cannot change its device in place."""

    def offload(layers: nn.ModuleList, *, onload_device: torch.device, **how: object) -> None:
        for layer in layers:
            bring(layer, onload_device)

    def bring(layer: nn.Module, onload_device: torch.device) -> None:
        waiting = dict(layer.named_parameters(recurse=False))

        def place(there: Callable[[Tensor], Tensor]) -> None:
            for name, weight in waiting.items():
                setattr(layer, name, nn.Parameter(there(weight), requires_grad=False))

        layer.register_forward_pre_hook(lambda *_: place(lambda weight: weight.to(onload_device)))
        layer.register_forward_hook(lambda *_: place(lambda weight: weight))

    monkeypatch.setattr("diffusers.hooks.group_offloading.apply_group_offloading", offload)


@pytest.fixture
def cpu_accelerator(monkeypatch):
    """diffusers' offloading asks torch for its accelerator, where torch has the word and the machine no GPU."""
    if hasattr(torch, "accelerator"):
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_: CPU)


@pytest.mark.usefixtures("offloading_to_meta")
def test_what_does_not_fit_at_all_comes_layer_by_layer():
    resident = make_too_large()
    with resident.bring_to_gpu(1_000_000) as network:
        assert next(network.parameters()).device == CPU
        assert network(torch.empty(1, 1000, device=META)).is_meta
    assert resident.count_bytes_on_device() == 0
    assert resident.count_room() == 3_000_000


def test_without_diffusers_offloading_that_is_a_sentence_and_the_device_is_left_clean(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers.hooks", None)
    monkeypatch.setitem(sys.modules, "diffusers.hooks.group_offloading", None)
    resident = make_too_large()
    with (
        pytest.raises(OutOfMemory, match=r"does not fit on meta.*needs diffusers 0\.33 or newer"),
        resident.bring_to_gpu(0),
    ):
        pass
    assert resident.count_bytes_on_device() == 0
    assert next(resident.network.parameters()).device == CPU


@pytest.mark.usefixtures("offloading_to_meta")
@pytest.mark.parametrize("part", ["vision", "encoder", "unet", "decoder"])
def test_streamed_layers_meet_every_operand_on_the_device(part):
    network = build_filled(part, make_standalone_host("cpu"))
    stream_layers(network, META)
    with torch.inference_mode():
        seen = Operands(META)
        with seen:
            result = run_fixed(part, network, META)
    assert result.is_meta
    assert seen.strayed == []
    assert seen.count > 20
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    assert {weight.device for layer in layers for weight in layer.parameters()} == {CPU}


@pytest.mark.parametrize("part", ["vision", "encoder", "unet", "decoder"])
def test_a_network_that_is_not_streamed_is_caught_by_that_test(part):
    seen = Operands(META)
    with torch.inference_mode(), seen:
        run_fixed(part, build_filled(part, make_standalone_host("cpu")), CPU)
    assert seen.strayed


@pytest.mark.usefixtures("cpu_accelerator")
@pytest.mark.parametrize("part", ["vision", "encoder", "unet", "decoder"])
def test_streamed_layers_give_the_same_numbers(part):
    plain, streamed = (build_filled(part, make_standalone_host("cpu")) for _ in range(2))
    stream_layers(streamed, CPU)
    with torch.inference_mode():
        first, second, third = (
            run_fixed(part, plain, CPU),
            run_fixed(part, streamed, CPU),
            run_fixed(part, streamed, CPU),
        )
    assert torch.equal(first, second)
    assert torch.equal(second, third)


@pytest.mark.usefixtures("cpu_accelerator")
def test_layers_in_float8_are_streamed_in_float8():
    plain, streamed = (build_filled("unet", make_standalone_host("cpu")) for _ in range(2))
    keep_in_float8(plain)
    keep_in_float8(streamed)
    stream_layers(streamed, CPU)
    with torch.inference_mode():
        assert torch.equal(run_fixed("unet", plain, CPU), run_fixed("unet", streamed, CPU))


@pytest.mark.usefixtures("cpu_accelerator")
def test_streamed_layers_go_on_in_float32():
    host = make_standalone_host("cpu")
    plain, streamed = (build_filled("encoder", host).to(HALVES[0]) for _ in range(2))
    resident = host.memory.adopt(streamed, HALVES[0])
    stream_layers(streamed, CPU)
    with torch.inference_mode():
        assert run_fixed("encoder", streamed, CPU, HALVES[0]).dtype == HALVES[0]
        resident.use_fp32()
        assert torch.equal(run_fixed("encoder", streamed, CPU), run_fixed("encoder", plain.float(), CPU))


@pytest.mark.usefixtures("offloading_to_meta")
def test_small_weights_stay_on_the_device():
    network = networks.build("vision", NARROW)
    network.to_empty(device=CPU)
    stream_layers(network, META)
    on_device = {name for name, weight in network.named_parameters() if weight.is_meta}
    assert {"class_embedding", "positional_embedding", "proj", "ln_pre.weight", "ln_post.bias"} <= on_device
    assert "conv1.weight" not in on_device
