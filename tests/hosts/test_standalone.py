"""Without a web UI: which device, and who is sent away to make room."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib_svd.engine.memory import count_weight_bytes
from lib_svd.errors import BadRequest, OutOfMemory
from lib_svd.hosts.own_memory import OwnMemory, OwnResident, choose_device, choose_dtype
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.progress import Progress, Stage
from tests.hosts.test_contract import build_filled

CPU, META = torch.device("cpu"), torch.device("meta")
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
        make_standalone_host("cpu", "float16")


def test_the_encoder_computes_in_float32_whatever_is_asked_for():
    host = make_standalone_host("cpu", "bfloat16")
    assert host.memory.choose_dtype("encoder") == torch.float32
    assert {host.memory.choose_dtype(part) for part in ("vision", "unet", "decoder")} == {torch.bfloat16}


def test_the_unets_matrices_can_wait_in_float8_and_nothing_else():
    host = make_standalone_host("cpu", "bfloat16", weights="float8")
    assert [host.memory.count_bytes_a_weight(part) for part in ("vision", "encoder", "unet", "decoder")] == [2, 4, 1, 2]
    for part in ("vision", "encoder", "unet", "decoder"):
        network = build_filled(part, host)
        whole = count_weight_bytes(network)
        resident = host.memory.adopt(network, host.memory.choose_dtype(part))
        share = resident.weights / whole
        assert 0.5 < share < 0.53 if part == "unet" else share == 1


def test_weights_by_name():
    with pytest.raises(BadRequest, match="Weights must be one of auto, float8, not 'int8'"):
        make_standalone_host("cpu", weights="int8")


def test_progress_is_passed_on():
    heard: list[tuple[object, ...]] = []
    host = make_standalone_host("cpu", on_report=lambda *given: heard.append(given))
    host.queue.report(Progress(Stage.SAMPLING, 1, 4))
    assert heard == [(Progress(Stage.SAMPLING, 1, 4), None)]


def make_gpu(budget: int) -> OwnMemory:
    """So many bytes on a device that is not the CPU."""
    return OwnMemory(META, torch.float32, budget=budget)


def adopt(memory: OwnMemory, megabytes: int) -> OwnResident:
    return memory.adopt(nn.Linear(1000, 250 * megabytes, bias=False).requires_grad_(False), torch.float32)


def list_homes(*residents: OwnResident) -> list[str]:
    return [next(resident.network.parameters()).device.type for resident in residents]


@pytest.fixture
def stays(monkeypatch) -> None:
    """Let weights come back from the meta device, which has none."""
    monkeypatch.setattr(nn.Module, "to", lambda module, device: module.to_empty(device=device))


def test_what_fits_stays_on_the_device(stays):
    memory = make_gpu(10_000_000)
    residents = [adopt(memory, 4), adopt(memory, 4)]
    for resident in residents:
        with resident.bring_to_gpu(1_000_000):
            assert list_homes(resident) == ["meta"]
    assert list_homes(*residents) == ["meta", "meta"]
    assert residents[0].count_room() == 6_000_000


def test_others_are_sent_away_to_make_room_and_no_more_of_them_than_needed(stays):
    memory = make_gpu(10_000_000)
    residents = [adopt(memory, 3) for _ in range(4)]
    for resident in residents[:3]:
        with resident.bring_to_gpu(0):
            pass
    with residents[3].bring_to_gpu(0):
        assert list_homes(*residents) == ["cpu", "meta", "meta", "meta"]
    with residents[1].bring_to_gpu(5_000_000):
        assert list_homes(*residents) == ["cpu", "meta", "cpu", "cpu"]


def test_a_device_that_fills_up_halfway_is_left_clean(monkeypatch):
    def fill_up(module: nn.Module, device: object) -> nn.Module:
        if torch.device(device) == META:  # type: ignore[arg-type]
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        came_back.append(module)
        return module

    came_back: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "to", fill_up)
    resident = adopt(make_gpu(10_000_000), 4)
    with pytest.raises(OutOfMemory), resident.bring_to_gpu(0):
        pass
    resident.leave()
    assert came_back == [resident.network]
