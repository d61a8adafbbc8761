"""Without a web UI: which device, who is sent away to make room, and layers that come one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lib_svd.checkpoints import networks
from lib_svd.engine.float8 import keep_in_float8
from lib_svd.engine.memory import weight_bytes
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder
from lib_svd.errors import BadRequest, OutOfMemory
from lib_svd.hosts.standalone import StandaloneHost, StandaloneResident, choose_device, choose_dtype, stream_layers
from lib_svd.ports import Part
from tests.conftest import NARROW
from tests.hosts.test_contract import filled

CPU, META = torch.device("cpu"), torch.device("meta")
T = 3
pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_fastest_device_that_is_there_is_taken(monkeypatch):
    assert choose_device() == choose_device("cpu") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    assert choose_device("mps").type == "mps"


@pytest.mark.parametrize("name", ["cuda", "mps", "cuda:0", "tpu", ""])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(BadRequest, match=rf"^Device '{name}' is not there: this machine and this PyTorch have cpu\.$"):
        choose_device(name)


def test_dtypes_by_name():
    assert choose_dtype("auto", CPU) == choose_dtype("float32", torch.device("cuda")) == torch.float32
    assert choose_dtype("auto", torch.device("cuda")) == choose_dtype("float16", CPU) == torch.float16
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    with pytest.raises(BadRequest, match="Dtype must be one of auto, float32, float16, bfloat16, not 'half'"):
        choose_dtype("half", CPU)


@pytest.mark.parametrize("lacking", [RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'"), TypeError("No.")])
def test_a_dtype_that_pytorch_lacks_is_refused_before_anything_is_loaded(monkeypatch, lacking):
    def linear(*_given: object) -> None:
        raise lacking

    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    with pytest.raises(BadRequest, match=r"^PyTorch \S+ cannot compute in float16 on cpu \(.*\): use float32\.$"):
        StandaloneHost("cpu", "float16")


def test_the_encoder_computes_in_float32_whatever_is_asked_for():
    host = StandaloneHost("cpu", "bfloat16")
    assert host.dtype("encoder") == torch.float32
    assert {host.dtype(part) for part in ("vision", "unet", "decoder")} == {torch.bfloat16}


def test_the_unets_matrices_can_wait_in_float8_and_nothing_else():
    host = StandaloneHost("cpu", "float16", weights="float8")
    assert [host.bytes_a_weight(part) for part in ("vision", "encoder", "unet", "decoder")] == [2, 4, 1, 2]
    for part in ("vision", "encoder", "unet", "decoder"):
        network = filled(part, host)
        whole = weight_bytes(network)
        resident = host.adopt(network, host.dtype(part))
        share = resident.weights / whole
        assert 0.5 < share < 0.53 if part == "unet" else share == 1


def test_weights_by_name():
    with pytest.raises(BadRequest, match="Weights must be one of auto, float8, not 'int8'"):
        StandaloneHost("cpu", weights="int8")


def test_progress_is_passed_on():
    heard: list[tuple[object, ...]] = []
    host = StandaloneHost("cpu", on_report=lambda *given: heard.append(given))
    host.report(1, 4, "Sampling")
    assert heard == [(1, 4, "Sampling", None)]


@pytest.fixture
def gpu() -> Callable[..., StandaloneHost]:
    """A host with so many bytes on a device that is not the CPU."""

    def make(budget: int) -> StandaloneHost:
        host = StandaloneHost("cpu", budget=budget)
        host._device = META
        return host

    return make


def adopted(host: StandaloneHost, megabytes: int) -> StandaloneResident:
    return host.adopt(nn.Linear(1000, 250 * megabytes, bias=False).requires_grad_(False), torch.float32)


def homes(*residents: StandaloneResident) -> list[str]:
    return [next(resident.network.parameters()).device.type for resident in residents]


@pytest.fixture
def stays(monkeypatch) -> None:
    """Let weights come back from the meta device, which has none."""
    monkeypatch.setattr(nn.Module, "to", lambda module, device: module.to_empty(device=device))


def test_what_fits_stays_on_the_device(gpu, stays):
    host = gpu(10_000_000)
    residents = [adopted(host, 4), adopted(host, 4)]
    for resident in residents:
        with resident.on_gpu(1_000_000):
            assert homes(resident) == ["meta"]
    assert homes(*residents) == ["meta", "meta"]
    assert residents[0].room() == 6_000_000


def test_others_are_sent_away_to_make_room_and_no_more_of_them_than_needed(gpu, stays):
    host = gpu(10_000_000)
    residents = [adopted(host, 3) for _ in range(4)]
    for resident in residents[:3]:
        with resident.on_gpu(0):
            pass
    with residents[3].on_gpu(0):
        assert homes(*residents) == ["cpu", "meta", "meta", "meta"]
    with residents[1].on_gpu(5_000_000):
        assert homes(*residents) == ["cpu", "meta", "cpu", "cpu"]


@pytest.mark.usefixtures("offloading_to_meta")
def test_what_does_not_fit_at_all_comes_layer_by_layer(gpu, stays):
    host = gpu(3_000_000)
    resident = adopted(host, 4)
    with resident.on_gpu(1_000_000) as network:
        assert homes(resident) == ["cpu"]
        assert network(torch.empty(1, 1000, device=META)).is_meta
    assert resident.bytes_on_device() == 0
    assert resident.room() == 3_000_000


def test_a_device_that_fills_up_halfway_is_left_clean(gpu, monkeypatch):
    def full(module: nn.Module, device: object) -> nn.Module:
        if torch.device(device) == META:  # type: ignore[arg-type]
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        came_back.append(module)
        return module

    came_back: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "to", full)
    resident = adopted(gpu(10_000_000), 4)
    with pytest.raises(OutOfMemory), resident.on_gpu(0):
        pass
    resident.leave()
    assert came_back == [resident.network]


class Operands(TorchDispatchMode):
    """Notes every operation that meets a tensor elsewhere than on one device; moving one there is no operation."""

    MOVES = ("aten.to.", "aten._to_copy", "aten.detach", "aten.copy_")

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.count, self.strayed = device, 0, list[str]()

    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        tensors = [leaf for leaf in tree_flatten((given, named))[0] if isinstance(leaf, Tensor)]
        if not str(func).startswith(self.MOVES):
            self.count += 1
            self.strayed += [f"{func} on {t.device}" for t in tensors if t.device != self.device and t.ndim]
        return func(*given, **(named or {}))


def runs(part: Part, network: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """The network's result on fixed inputs, made on the device."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    if isinstance(network, UNet):
        levels = torch.zeros(2, device=device)
        tables = network.tables(levels, drawn(1, 768), drawn(2, 1, NARROW.unet.context_dim), T)
        return network(drawn(2 * T, 8, 16, 16), tables, 1)
    if isinstance(network, VaeDecoder):
        return torch.cat(list(network.frames(drawn(T, 4, 16, 16), 2)))
    return network(drawn(1, 3, 56, 56) if part == "vision" else drawn(1, 3, 64, 64))


@pytest.fixture
def offloading_to_meta(monkeypatch):
    """diffusers' offloading with the meta device for a GPU, where a weight cannot change its device in place."""

    def offloaded(layer: nn.Module, *, onload_device: torch.device, **how: object) -> None:
        waiting = dict(layer.named_parameters(recurse=False))

        def place(there: Callable[[Tensor], Tensor]) -> None:
            for name, weight in waiting.items():
                setattr(layer, name, nn.Parameter(there(weight), requires_grad=False))

        layer.register_forward_pre_hook(lambda *_: place(lambda weight: weight.to(onload_device)))
        layer.register_forward_hook(lambda *_: place(lambda weight: weight))

    monkeypatch.setattr("diffusers.hooks.group_offloading.apply_group_offloading", offloaded)


@pytest.fixture
def cpu_accelerator(monkeypatch):
    """diffusers' offloading asks torch for its accelerator, which a machine without a GPU has none of."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_: CPU)


@pytest.mark.usefixtures("offloading_to_meta")
@pytest.mark.parametrize("part", ["vision", "encoder", "unet", "decoder"])
def test_streamed_layers_meet_every_operand_on_the_device(part):
    network = filled(part, StandaloneHost("cpu"))
    stream_layers(network, META)
    with torch.inference_mode():
        seen = Operands(META)
        with seen:
            result = runs(part, network, META)
    assert result.is_meta
    assert seen.strayed == []
    assert seen.count > 20
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    assert {weight.device for layer in layers for weight in layer.parameters()} == {CPU}


@pytest.mark.parametrize("part", ["vision", "encoder", "unet", "decoder"])
def test_a_network_that_is_not_streamed_is_caught_by_that_test(part):
    seen = Operands(META)
    with torch.inference_mode(), seen:
        runs(part, filled(part, StandaloneHost("cpu")), CPU)
    assert seen.strayed


@pytest.mark.usefixtures("cpu_accelerator")
@pytest.mark.parametrize("part", ["vision", "encoder", "unet", "decoder"])
def test_streamed_layers_give_the_same_numbers(part):
    plain, streamed = (filled(part, StandaloneHost("cpu")) for _ in range(2))
    stream_layers(streamed, CPU)
    with torch.inference_mode():
        first, second, third = runs(part, plain, CPU), runs(part, streamed, CPU), runs(part, streamed, CPU)
    assert torch.equal(first, second)
    assert torch.equal(second, third)


@pytest.mark.usefixtures("cpu_accelerator")
def test_layers_in_float8_are_streamed_in_float8():
    plain, streamed = (filled("unet", StandaloneHost("cpu")) for _ in range(2))
    keep_in_float8(plain)
    keep_in_float8(streamed)
    stream_layers(streamed, CPU)
    with torch.inference_mode():
        assert torch.equal(runs("unet", plain, CPU), runs("unet", streamed, CPU))


@pytest.mark.usefixtures("cpu_accelerator")
def test_streamed_layers_go_on_in_float32():
    host = StandaloneHost("cpu")
    plain, streamed = (filled("encoder", host).half() for _ in range(2))
    resident = host.adopt(streamed, torch.float16)
    stream_layers(streamed, CPU)
    with torch.inference_mode():
        assert runs("encoder", streamed, CPU, torch.float16).dtype == torch.float16
        resident.use_fp32()
        assert torch.equal(runs("encoder", streamed, CPU), runs("encoder", plain.float(), CPU))


@pytest.mark.usefixtures("offloading_to_meta")
def test_small_weights_stay_on_the_device():
    network = networks.build("vision", NARROW)
    network.to_empty(device=CPU)
    stream_layers(network, META)
    on_device = {name for name, weight in network.named_parameters() if weight.is_meta}
    assert {"class_embedding", "positional_embedding", "proj", "ln_pre.weight", "ln_post.bias"} <= on_device
    assert "conv1.weight" not in on_device
