"""What every adapter to a host promises the recipe. A new adapter adds one line to ADAPTERS."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.filling import _give_memory
from lib_svd.checkpoints.rife import read_rife
from lib_svd.errors import OutOfMemory, SvdError
from lib_svd.finish.rife import RifeSmoother
from lib_svd.hosts.detect import find_host
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.options import DEFAULTS
from lib_svd.ports import Host, Part
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.testing import FakeQueue, make_fake_host
from tests.conftest import NARROW
from tests.engine.rife import draw_weights
from tests.halves import HALVES
from tests.hosts.stub_hosts import FOLDERS, use_stub_host

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Screen:
    """What a user sees of a run."""

    text: str
    share: float  # of the clip that is done, 0 to 1
    picture: tuple[int, int] | None  # size of the preview in pixels


Look = Callable[[], Screen]
NewHost = Callable[[Path], AbstractContextManager[tuple[Host, Look]]]


@contextmanager
def make_stand_alone(folder: Path) -> Iterator[tuple[Host, Look]]:
    seen: list[Screen] = []

    def show(progress: Progress, preview: Preview | None) -> None:
        share = progress.done / progress.total
        seen.append(Screen(str(progress), share, preview().size if preview else None))

    models, clips = (folder / "models",), folder / "clips" / "svd"
    yield make_standalone_host("cpu", model_dirs=models, output_dir=clips, on_report=show), lambda: seen[-1]


@contextmanager
def make_web_ui(name: str, folder: Path) -> Iterator[tuple[Host, Look]]:
    with use_stub_host(name, folder) as stub:
        state = stub.shared.state

        def look() -> Screen:
            size = state.current_image.size if state.current_image else None
            return Screen(state.textinfo, state.sampling_step / state.sampling_steps, size)

        yield find_host(), look


@contextmanager
def make_faked(folder: Path) -> Iterator[tuple[Host, Look]]:
    queue = FakeQueue()

    def look() -> Screen:
        last = queue.reports[-1]
        return Screen(str(last), last.done / last.total, queue.previews[-1].size if queue.previews else None)

    yield make_fake_host(folder, folder / "models", queue=queue), look


ADAPTERS: dict[str, NewHost] = {
    "stand-alone": make_stand_alone,
    "a fake": make_faked,
    **{name: partial(make_web_ui, name) for name in FOLDERS},
}
"""Each makes a host whose model and output folders are below a folder, and a way to look at its screen."""


@pytest.fixture(params=ADAPTERS)
def host_and_screen(request, tmp_path) -> Iterator[tuple[Host, Look]]:
    with ADAPTERS[request.param](tmp_path) as pair:
        yield pair


@pytest.fixture
def host(host_and_screen) -> Host:
    return host_and_screen[0]


@pytest.fixture
def screen(host_and_screen) -> Look:
    return host_and_screen[1]


def build_filled(part: Part, host: Host) -> nn.Module:
    """A narrow network with random weights in the host's dtype, built as `checkpoints.filling` does."""
    shapes, dtype = networks.list_shapes(part, NARROW), host.memory.choose_dtype(part)
    with host.memory.swap_layers(dtype):
        network = networks.build(part, NARROW)
    _give_memory(network, shapes, dtype)
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator).div(8).to(dtype) for name, shape in shapes.items()}
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(False)


def encode(network: nn.Module, device: torch.device) -> torch.Tensor:
    """What the encoder makes of a picture."""
    picture = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    with torch.inference_mode():
        return network(picture.to(device, next(network.parameters()).dtype)).float().cpu()


def test_it_has_a_name_for_log_lines(host):
    assert host.name
    assert host.name == host.name.strip()


def test_it_says_where_and_in_what_every_part_computes(host):
    assert isinstance(host.memory.get_device(), torch.device)
    for part in PARTS:
        assert host.memory.choose_dtype(part) in (torch.float32, torch.float16, torch.bfloat16)
        assert host.memory.choose_storage(part).itemsize <= host.memory.choose_dtype(part).itemsize
        assert 1 <= host.memory.count_bytes_a_weight(part) <= host.memory.choose_storage(part).itemsize


def test_clips_go_to_a_folder_that_is_there(host, tmp_path):
    assert host.folders.find_output_dir().is_dir()
    assert host.folders.find_output_dir().is_relative_to(tmp_path)
    assert host.folders.find_output_dir() == host.folders.find_output_dir()


def test_models_are_looked_for_in_folders_that_may_be_missing(host, tmp_path):
    assert host.folders.list_model_dirs()
    assert all(isinstance(folder, Path) for folder in host.folders.list_model_dirs())
    host.folders.list_model_dirs().clear()
    assert host.folders.list_model_dirs()
    assert all(isinstance(folder, Path) for folder in host.folders.list_lora_dirs())


def test_an_option_that_nobody_set_is_as_the_table_has_it(host):
    own = {name: default for name, default in DEFAULTS.items() if "svd" in name}
    assert {name: host.options[name] for name in own} == own
    assert all(host.options[name] is not None for name in DEFAULTS if not name.startswith("video_"))


def test_work_gives_its_result_back(host):
    assert host.queue.run_exclusively("svd", lambda: {"clip": 1}) == {"clip": 1}
    assert host.queue.run_exclusively("svd", lambda: None) is None


@pytest.mark.parametrize("error", [OutOfMemory("no room"), KeyError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_of_the_work_passes_unchanged(host, error):
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        host.queue.run_exclusively("svd", work)
    assert caught.value is error
    assert host.queue.run_exclusively("svd", lambda: "the next one runs") == "the next one runs"


def test_two_works_never_overlap(host):
    running, most = [], []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    threads = [threading.Thread(target=host.queue.run_exclusively, args=("svd", work)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_nobody_has_interrupted_a_run_that_just_began(host):
    assert host.queue.is_interrupted() is False


def test_progress_says_what_is_going_on_and_goes_forward(host, screen):
    shares = []
    for done in range(11):
        host.queue.report(Progress(Stage.SAMPLING, done, 10))
        assert screen().text == f"Sampling {done}/10"
        shares.append(screen().share)
    assert shares == sorted(set(shares))
    assert 0 <= shares[0] < 0.1 < 0.7 < shares[-1] <= 1


def test_a_picture_is_shown_as_it_is_or_larger_and_none_where_there_is_none(host, screen):
    host.queue.report(Progress(Stage.SAMPLING, 0, 10))
    assert screen().picture is None
    host.queue.report(Progress(Stage.SAMPLING, 1, 10), lambda: Image.new("RGB", (16, 8)))
    width, height = screen().picture
    assert width >= 16
    assert width == 2 * height


def test_work_within_work_runs_in_its_turn(host):
    results: list[str] = []
    turn = host.queue.run_exclusively

    def outer() -> None:
        results.append(turn("svd", lambda: turn("svd", lambda: "inner") + " in outer"))

    caller = threading.Thread(target=outer, daemon=True)  # which a host that waits for itself never comes back from
    caller.start()
    caller.join(20)
    assert results == ["inner in outer"]


def test_a_network_that_nobody_holds_is_not_kept(host):
    kept = weakref.ref(host.memory.adopt(build_filled("encoder", host), host.memory.choose_dtype("encoder")))
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("part", PARTS)
def test_a_network_is_built_in_a_swapped_torch_and_left_in_a_plain_one(host, part):
    plain = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
    network = build_filled(part, host)
    assert (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm) == plain
    assert not any(weight.is_meta for weight in network.parameters())


def test_layers_are_plain_again_after_an_error_while_building(host):
    before = nn.Linear
    with pytest.raises(SvdError), host.memory.swap_layers(torch.float16):
        raise SvdError("no such weight")
    assert nn.Linear is before


def test_a_resident_runs_and_runs_again(host):
    resident = host.memory.adopt(build_filled("encoder", host), host.memory.choose_dtype("encoder"))
    assert resident.dtype == host.memory.choose_dtype("encoder")
    results = []
    for _ in range(2):
        with resident.bring_to_gpu(1000) as network:
            results.append(encode(network, resident.device))
    assert torch.equal(*results)
    assert bool(results[0].isfinite().all())


def test_a_resident_may_be_entered_within_itself_and_beside_others(host):
    first, second = (
        host.memory.adopt(build_filled("encoder", host), host.memory.choose_dtype("encoder")) for _ in range(2)
    )
    with first.bring_to_gpu(0) as network, second.bring_to_gpu(0) as other, first.bring_to_gpu(0) as again:
        assert again is network
        assert torch.equal(encode(again, first.device), encode(other, second.device))


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), OutOfMemory("told already")])
def test_an_error_inside_passes_unchanged_and_the_resident_still_works(host, error):
    first, second = (
        host.memory.adopt(build_filled("encoder", host), host.memory.choose_dtype("encoder")) for _ in range(2)
    )
    with pytest.raises(type(error)) as caught, first.bring_to_gpu(0), second.bring_to_gpu(0):
        raise error
    assert caught.value is error
    with second.bring_to_gpu(0) as network:
        encode(network, second.device)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.0 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_every_devices_way_to_have_no_room_becomes_one_sentence(host, error):
    resident = host.memory.adopt(build_filled("encoder", host), host.memory.choose_dtype("encoder"))
    with (
        pytest.raises(OutOfMemory, match=r"no room for this clip: choose fewer frames or a smaller size.*\.$"),
        resident.bring_to_gpu(0),
    ):
        raise error
    with resident.bring_to_gpu(0) as network:
        encode(network, resident.device)


def test_a_resident_goes_on_in_float32(host):
    network = build_filled("encoder", host).to(HALVES[0])
    resident = host.memory.adopt(network, HALVES[0])
    with resident.bring_to_gpu(0) as network:
        half = encode(network, resident.device)
        resident.use_fp32()
        full = encode(network, resident.device)
    assert resident.dtype == torch.float32
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert torch.allclose(half, full, atol=0.05)
    assert not torch.equal(half, full)


def test_a_smoothers_network_is_kept_like_any_other(host, tmp_path):
    kind = "RIFE 4.25 lite"
    save_file(draw_weights(kind), tmp_path / "rife.safetensors")
    looks = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), np.uint8)
    smoothers = [
        RifeSmoother(read_rife(tmp_path / "rife.safetensors"), each) for each in (host, make_fake_host(tmp_path))
    ]
    made, wanted = (next(smoother.fill([*looks], [Fraction(1, 2)])) for smoother in smoothers)
    assert np.abs(made.astype(int) - wanted).max() <= 1


def test_room_is_a_number_of_bytes(host):
    resident = host.memory.adopt(build_filled("encoder", host), host.memory.choose_dtype("encoder"))
    assert isinstance(resident.count_room(), int)
    assert resident.count_room() > 2**20
