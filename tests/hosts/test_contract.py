"""What every adapter to a host promises the recipe. A new adapter adds one line to ADAPTERS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from PIL import Image
from torch import nn

from lib_svd.checkpoints import networks
from lib_svd.errors import OutOfMemory, SvdError
from lib_svd.hosts.standalone import StandaloneHost
from lib_svd.ports import Host, Part
from tests.conftest import NARROW

PARTS: tuple[Part, ...] = get_args(Part)
NewHost = Callable[[Path], Host]


def stand_alone(folder: Path) -> Host:
    return StandaloneHost("cpu", model_dirs=(folder / "models",), output_dir=folder / "clips" / "svd")


ADAPTERS: dict[str, NewHost] = {"stand-alone": stand_alone}
"""Each makes a host whose model and output folders are below the folder it is given."""


@pytest.fixture(params=ADAPTERS)
def host(request, tmp_path) -> Host:
    return ADAPTERS[request.param](tmp_path)


def filled(part: Part, host: Host) -> nn.Module:
    """A narrow network with random weights in the host's dtype, built as `checkpoints.load` does."""
    with host.building(host.dtype(part)):
        network = networks.build(part, NARROW)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(shape, generator=generator).div(8).to(host.dtype(part))
        for name, shape in networks.shapes(part, NARROW).items()
    }
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(False)


def encoded(network: nn.Module, device: torch.device) -> torch.Tensor:
    """What the encoder makes of a picture."""
    picture = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    with torch.inference_mode():
        return network(picture.to(device, next(network.parameters()).dtype)).float().cpu()


def test_it_has_a_name_for_log_lines(host):
    assert host.name
    assert host.name == host.name.strip()


def test_it_says_where_and_in_what_every_part_computes(host):
    assert isinstance(host.device(), torch.device)
    for part in PARTS:
        assert host.dtype(part) in (torch.float32, torch.float16, torch.bfloat16)


def test_clips_go_to_a_folder_that_is_there(host, tmp_path):
    assert host.output_dir().is_dir()
    assert host.output_dir().is_relative_to(tmp_path)
    assert host.output_dir() == host.output_dir()


def test_models_are_looked_for_in_folders_that_may_be_missing(host, tmp_path):
    assert host.model_dirs()
    assert all(isinstance(folder, Path) for folder in host.model_dirs())
    host.model_dirs().clear()
    assert host.model_dirs()


def test_settings_that_are_not_there_have_the_callers_default(host):
    assert host.option("svd_no_such_setting", 41) == 41


def test_work_gives_its_result_back(host):
    assert host.exclusively("svd", lambda: {"clip": 1}) == {"clip": 1}
    assert host.exclusively("svd", lambda: None) is None


@pytest.mark.parametrize("error", [OutOfMemory("no room"), KeyError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_of_the_work_passes_unchanged(host, error):
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        host.exclusively("svd", work)
    assert caught.value is error
    assert host.exclusively("svd", lambda: "the next one runs") == "the next one runs"


def test_two_works_never_overlap(host):
    running, most = [], []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    threads = [threading.Thread(target=host.exclusively, args=("svd", work)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_nobody_has_interrupted_a_run_that_just_began(host):
    assert host.interrupted() is False


def test_progress_is_taken_with_and_without_a_picture(host):
    host.report(0, 10, "Sampling")
    host.report(10, 10, "Sampling", lambda: Image.new("RGB", (8, 8)))
    host.report(1, 3, "Decoding", None)


@pytest.mark.parametrize("part", PARTS)
def test_a_network_is_built_in_a_swapped_torch_and_left_in_a_plain_one(host, part):
    plain = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
    network = filled(part, host)
    assert (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm) == plain
    assert not any(weight.is_meta for weight in network.parameters())


def test_layers_are_plain_again_after_an_error_while_building(host):
    before = nn.Linear
    with pytest.raises(SvdError), host.building(torch.float16):
        raise SvdError("no such weight")
    assert nn.Linear is before


def test_a_resident_runs_and_runs_again(host):
    resident = host.adopt(filled("encoder", host), host.dtype("encoder"))
    assert resident.dtype == host.dtype("encoder")
    results = []
    for _ in range(2):
        with resident.on_gpu(1000) as network:
            results.append(encoded(network, resident.device))
    assert torch.equal(*results)
    assert bool(results[0].isfinite().all())


def test_a_resident_may_be_entered_within_itself_and_beside_others(host):
    first, second = (host.adopt(filled("encoder", host), host.dtype("encoder")) for _ in range(2))
    with first.on_gpu(0) as network, second.on_gpu(0) as other, first.on_gpu(0) as again:
        assert again is network
        assert torch.equal(encoded(again, first.device), encoded(other, second.device))


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), OutOfMemory("told already")])
def test_an_error_inside_passes_unchanged_and_the_resident_still_works(host, error):
    first, second = (host.adopt(filled("encoder", host), host.dtype("encoder")) for _ in range(2))
    with pytest.raises(type(error)) as caught, first.on_gpu(0), second.on_gpu(0):
        raise error
    assert caught.value is error
    with second.on_gpu(0) as network:
        encoded(network, second.device)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.0 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_every_devices_way_to_have_no_room_becomes_one_sentence(host, error):
    resident = host.adopt(filled("encoder", host), host.dtype("encoder"))
    with (
        pytest.raises(OutOfMemory, match=r"no room for this clip: choose fewer frames or a smaller size.*\.$"),
        resident.on_gpu(0),
    ):
        raise error
    with resident.on_gpu(0) as network:
        encoded(network, resident.device)


def test_a_resident_goes_on_in_float32(host):
    network = filled("encoder", host).half()
    resident = host.adopt(network, torch.float16)
    with resident.on_gpu(0) as network:
        half = encoded(network, resident.device)
        resident.use_fp32()
        full = encoded(network, resident.device)
    assert resident.dtype == torch.float32
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert torch.allclose(half, full, atol=0.05)
    assert not torch.equal(half, full)


def test_room_is_a_number_of_bytes(host):
    resident = host.adopt(filled("encoder", host), host.dtype("encoder"))
    assert isinstance(resident.room(), int)
    assert resident.room() > 2**20
