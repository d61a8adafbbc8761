"""Who is on the GPU: networks in the keeping of a host with a list of loaded models, on a GPU made of host memory."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lib_svd.errors import OutOfMemory
from lib_svd.hosts.detect import find_host
from tests.hosts.operands import META, Operands, run_fixed
from tests.hosts.stub_hosts import MANAGEMENT
from tests.hosts.test_contract import PARTS, build_filled

MB = 1_000_000
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=MANAGEMENT)
def stub(request, stub_host):
    return stub_host(request.param)


@pytest.fixture
def card(stub, monkeypatch):
    """Plugs in a GPU of so many bytes."""

    def plug_in(budget: int, **how: object):
        stub.gpu.plug_in(monkeypatch, budget, **how)
        stub.gpu.inference_memory = 0
        return find_host()

    return plug_in


class Stack(nn.Module):
    """Some layers of a megabyte each, and a single factor that no host moves."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))
        self.layers = nn.Sequential(*(nn.Conv2d(500, 500, 1, bias=False) for _ in range(layers)))


def adopt(host, megabytes: int):
    with host.memory.swap_layers(torch.float32):
        network = Stack(megabytes)
    return host.memory.adopt(network.requires_grad_(False), torch.float32)


def load_checkpoint_of_host(stub, megabytes: int):
    """What the host draws with, loaded as it does it."""
    patcher = stub.patcher(nn.Sequential(*(nn.Linear(500, 500, bias=False) for _ in range(megabytes))))
    stub.management.load_models_gpu([patcher])
    return patcher


def test_the_hosts_checkpoint_stays_where_there_is_room_for_both(card, stub):
    host = card(100 * MB)
    own, ours = load_checkpoint_of_host(stub, 4), adopt(host, 4)
    with ours.bring_to_gpu(MB) as network:
        assert stub.gpu.bytes_of(network) >= 4 * MB
        assert stub.gpu.bytes_of(own.model) == 4 * MB


def test_it_is_evicted_where_there_is_not_and_comes_back_by_itself(card, stub):
    host = card(8 * MB)
    own, ours = load_checkpoint_of_host(stub, 4), adopt(host, 5)
    with ours.bring_to_gpu(2 * MB):
        assert stub.gpu.bytes_of(own.model) == 0
    stub.management.load_models_gpu([own])
    assert stub.gpu.bytes_of(own.model) == 4 * MB
    with ours.bring_to_gpu(2 * MB) as network:
        assert stub.gpu.bytes_of(network) >= 5 * MB


def test_a_network_stays_warm_after_its_work(card, stub):
    host = card(100 * MB)
    ours = adopt(host, 4)
    with ours.bring_to_gpu(MB):
        moved = stub.gpu.moves
    with ours.bring_to_gpu(MB) as network:
        assert stub.gpu.bytes_of(network) >= 4 * MB
    assert stub.gpu.moves == moved


def test_more_work_than_last_time_gets_its_room(card, stub):
    host = card(12 * MB)
    ours = adopt(host, 8)
    with ours.bring_to_gpu(MB):
        assert stub.gpu.free() >= MB
    with ours.bring_to_gpu(9 * MB):
        assert stub.gpu.free() >= 9 * MB


@pytest.mark.parametrize("unload", ["unload_all_models", "free_memory"])
def test_unloading_everything_breaks_nothing(card, stub, unload):
    host = card(100 * MB)
    ours = adopt(host, 4)
    with ours.bring_to_gpu(MB):
        pass
    given = () if unload == "unload_all_models" else (1e30, host.memory.get_device())
    getattr(stub.management, unload)(*given)
    assert (stub.gpu.used(), stub.management.current_loaded_models) == (0, [])
    with ours.bring_to_gpu(MB) as network:
        assert stub.gpu.bytes_of(network) >= 4 * MB


def test_a_full_card_on_arrival_is_emptied_and_tried_once_more(card, stub):
    host = card(100 * MB)
    own, ours = load_checkpoint_of_host(stub, 4), adopt(host, 4)
    stub.gpu.arrivals_that_fail = 1
    with ours.bring_to_gpu(MB) as network:
        assert stub.gpu.bytes_of(network) >= 4 * MB
    assert stub.gpu.bytes_of(own.model) == 0


def test_a_card_that_stays_full_is_told_in_a_sentence_and_left_clean(card, stub):
    host = card(100 * MB)
    ours = adopt(host, 4)
    stub.gpu.arrivals_that_fail = 2
    with pytest.raises(OutOfMemory, match=r"no room for this clip"), ours.bring_to_gpu(MB):
        pass
    with ours.bring_to_gpu(MB) as network:
        assert stub.gpu.bytes_of(network) >= 4 * MB


def test_a_card_that_fills_up_at_work_is_emptied(card, stub):
    host = card(100 * MB)
    own, ours = load_checkpoint_of_host(stub, 4), adopt(host, 4)
    with pytest.raises(OutOfMemory), ours.bring_to_gpu(MB):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
    assert (stub.gpu.used(), stub.gpu.bytes_of(own.model)) == (0, 0)
    assert stub.gpu.emptied


def test_a_bug_is_no_lack_of_room_where_every_error_of_the_host_is(card, stub, monkeypatch):
    monkeypatch.setattr(stub.management, "OOM_EXCEPTION", Exception)  # DirectML
    with pytest.raises(ValueError, match="a bug"), adopt(card(100 * MB), 1).bring_to_gpu(MB):
        raise ValueError("a bug")


def test_a_hosts_own_kind_of_error_is(card, stub, monkeypatch):
    class Full(Exception):
        pass

    monkeypatch.setattr(stub.management, "OOM_EXCEPTION", Full)
    with pytest.raises(OutOfMemory), adopt(card(100 * MB), 1).bring_to_gpu(MB):
        raise Full


def test_room_counts_what_can_be_evicted(card, stub):
    host = card(20 * MB)
    load_checkpoint_of_host(stub, 4)
    ours, other = adopt(host, 5), adopt(host, 3)
    with other.bring_to_gpu(MB):
        assert ours.count_room() == 20 * MB - 5 * MB - 4
        with ours.bring_to_gpu(MB):
            assert ours.count_room() == 20 * MB - 5 * MB - 4


def test_where_the_weights_do_not_fit_work_may_have_it_all(card):
    host = card(4 * MB)
    assert adopt(host, 5).count_room() == 4 * MB


def test_float32_in_the_middle_of_work_makes_room_for_twice_as_much(card, stub):
    host = card(20 * MB)
    with host.memory.swap_layers(torch.float16):
        network = Stack(12).half()
    ours = host.memory.adopt(network.requires_grad_(False), torch.float16)
    with ours.bring_to_gpu(4 * MB):
        assert stub.gpu.bytes_of(network) >= 6 * MB
        ours.use_fp32()
        assert stub.gpu.free() >= 8 * MB
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    with ours.bring_to_gpu(4 * MB):
        assert stub.gpu.bytes_of(network) >= 8 * MB


def test_with_high_vram_networks_wait_on_the_gpu(card, stub):
    stub.management.vram_state = stub.management.VRAMState.HIGH_VRAM
    host = card(100 * MB)
    ours = adopt(host, 4)
    with ours.bring_to_gpu(MB):
        pass
    stub.management.unload_all_models()
    assert stub.gpu.bytes_of(ours.network) >= 4 * MB
    with ours.bring_to_gpu(MB):
        pass


def test_a_held_network_survives_the_hosts_tidying_up(card, stub):
    host = card(100 * MB)
    ours = adopt(host, 4)
    with ours.bring_to_gpu(MB):
        pass
    gc.collect()
    stub.management.free_memory(0, host.memory.get_device())
    assert [entry.model for entry in stub.management.current_loaded_models] == [ours._patcher]


@pytest.mark.parametrize("part", PARTS)
def test_swapped_layers_meet_every_operand_on_the_device(card, stub, part):
    host = card(0, device=META)
    network = build_filled(part, host)
    with torch.inference_mode(), host.memory.adopt(network, torch.float32).bring_to_gpu(0), Operands(META) as seen:
        run_fixed(part, network, META)
    assert seen.count > 20
    assert seen.strayed == []
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}


@pytest.mark.parametrize("storage", [torch.float8_e4m3fn, torch.float16])
def test_weights_may_wait_in_less_than_they_compute_in(card, stub, storage):
    host = card(100 * MB)
    plain, stored = build_filled("encoder", host), build_filled("encoder", host)
    for layer in stored.modules():
        for name, weight in layer.named_parameters(recurse=False):
            setattr(layer, name, nn.Parameter(weight.to(storage), False))
    with (
        host.memory.adopt(plain, torch.float32).bring_to_gpu(0),
        host.memory.adopt(stored, torch.float32).bring_to_gpu(0),
        torch.inference_mode(),
    ):
        picture = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
        difference = (plain(picture) - stored(picture)).abs().max() / plain(picture).abs().max()
    assert 0 < difference < (0.2 if storage.itemsize == 1 else 0.01)


def test_the_hosts_choice_of_dtypes_is_followed(stub):
    gpu, host = stub.gpu, find_host()
    gpu.storage, gpu.compute, gpu.vae = torch.float8_e5m2, torch.bfloat16, torch.float16
    assert {part: (host.memory.choose_dtype(part), host.memory.choose_storage(part)) for part in PARTS} == {
        "vision": (torch.bfloat16, torch.bfloat16),
        "encoder": (torch.float32, torch.float32),
        "unet": (torch.bfloat16, torch.float8_e5m2),
        "decoder": (torch.float16, torch.float16),
    }


@pytest.fixture(params=[name for name, module in MANAGEMENT.items() if module.startswith("backend.")])
def low_bits(request, stub_host):
    """A host whose page offers "Diffusion in Low Bits", and a way to choose there."""
    stub = stub_host(request.param)
    from backend.args import dynamic_args

    def choose(dtype: object) -> None:
        dynamic_args["forge_unet_storage_dtype"] = dtype

    stub.gpu.storage = stub.gpu.compute = torch.float16
    yield find_host(), choose
    choose(None)


def test_low_bits_chosen_in_the_page_are_followed(low_bits):
    host, choose = low_bits
    choose(torch.float8_e4m3fn)
    assert host.memory.choose_storage("unet") == torch.float8_e4m3fn
    choose(None)
    assert host.memory.choose_storage("unet") == torch.float16


def test_neo_is_not_left_to_choose_layers_that_round_what_goes_through_them(low_bits, monkeypatch):
    from backend import operations

    def use_rounding(chosen=None, **how):  # what --fast-fp8 makes of float8 weights
        return swapping(chosen or SimpleNamespace(**{**vars(operations.ForgeOperations), "Linear": Rounding}), **how)

    class Rounding(operations.ForgeOperations.Linear):
        pass

    swapping = operations.using_forge_operations
    monkeypatch.setattr(operations, "using_forge_operations", use_rounding)
    with low_bits[0].memory.swap_layers(torch.float8_e4m3fn):
        assert not isinstance(nn.Linear(1, 1), Rounding)


@pytest.mark.parametrize("chosen", [torch.int8, torch.uint8, "nf4", "gguf"])
def test_low_bits_that_are_no_fractions_are_told_once_and_passed_over(low_bits, caplog, chosen):
    host, choose = low_bits
    choose(chosen)
    memory = host.memory
    assert [(memory.choose_storage("unet"), memory.choose_dtype("unet")) for _ in range(2)] == 2 * [
        (torch.float16, torch.float16)
    ]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"SVD cannot keep its UNet as {chosen}, so it is kept as torch.float16"


def test_a_storage_dtype_of_powers_of_two_is_none_for_weights(stub, caplog):
    stub.gpu.storage = getattr(torch, "float8_e8m0fnu", torch.int8)  # which has no sign; torch 2.7 brought it
    assert find_host().memory.choose_storage("unet") == torch.float16
    assert "so it is kept as torch.float16" in caplog.text
