"""A whole clip in every web UI, over stub hosts: the command line's frames, whatever happens in between."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lib_svd.errors import Interrupted
from lib_svd.hosts.detect import find_host, get_current_host
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.progress import Stage
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from tests.hosts.stub_hosts import FOLDERS, MANAGEMENT, use_stub_host

MB = 1_000_000
REQUEST = ClipRequest(seed=5, num_frames=3, num_steps=2, width=64, height=64)
pytestmark = pytest.mark.usefixtures("one_thread")
Make = Callable[[Studio], np.ndarray]


@pytest.fixture(params=FOLDERS)
def stub(request, stub_host):
    return stub_host(request.param)


@pytest.fixture(params=MANAGEMENT)
def managed(request, stub_host, monkeypatch):
    """A stub host with a list of loaded models and a GPU of 200 MB."""
    stub = stub_host(request.param)
    stub.gpu.plug_in(monkeypatch, 200 * MB)
    return stub


@pytest.fixture
def models(checkpoint, tmp_path) -> Path:
    """The host's folder for SVD models, with the narrow checkpoint in it."""
    folder = tmp_path / "models" / "svd"
    folder.mkdir(parents=True)
    (folder / checkpoint.name).hardlink_to(checkpoint)
    return folder


@pytest.fixture
def make(models, picture) -> Make:
    """Frames of the same clip."""
    return lambda studio: studio.animate(studio.order(REQUEST, picture)).clip.frames


@pytest.fixture
def wanted(make, models, tmp_path) -> np.ndarray:
    """Those frames as the command line makes them."""
    return make(Studio(make_standalone_host("cpu", model_dirs=(models,), output_dir=tmp_path / "alone")))


@pytest.fixture
def weights_read(monkeypatch) -> list[str]:
    """A word for every network that is read from a file."""
    loading = importlib.import_module("lib_svd.checkpoints.filling")
    read, seen = loading.ReadAhead, []
    monkeypatch.setattr(loading, "ReadAhead", lambda pieces: seen.append("read") or read(pieces))
    return seen


def load_drawn(stub, megabytes: int = 4):
    """A checkpoint of the host's own, loaded as for a picture."""
    patcher = stub.patcher(nn.Sequential(*(nn.Linear(500, 500, bias=False) for _ in range(megabytes))))
    stub.management.load_models_gpu([patcher])
    return patcher


def test_every_host_makes_the_same_clip(stub, make, wanted):
    assert np.abs(make(Studio(find_host())).astype(int) - wanted).max() <= 1
    assert stub.shared.state.job == ""


def test_a_storage_dtype_that_is_no_fraction_costs_no_clip(stub_host, make, wanted):
    stub_host("neo")
    from backend.args import dynamic_args

    dynamic_args["forge_unet_storage_dtype"] = torch.int8
    assert np.abs(make(Studio(find_host())).astype(int) - wanted).max() <= 1


def test_a_file_is_read_once_whatever_the_host_does_in_between(managed, make, wanted, weights_read):
    studio = Studio(find_host())
    clips = [make(studio)]
    load_drawn(managed)  # a picture
    clips.append(make(studio))
    managed.management.unload_all_models()  # /sdapi/v1/unload-checkpoint, and the page's first picture after a reload
    clips.append(make(studio))
    managed.management.free_memory(1e30, managed.management.get_torch_device())
    load_drawn(managed, 195)  # another model of the host's, which leaves no room
    clips.append(make(studio))
    assert len(weights_read) == 4
    for clip in clips:
        assert np.abs(clip.astype(int) - wanted).max() <= 1


def test_the_unet_stays_warm_where_there_is_room(managed, make):
    studio = Studio(find_host())
    make(studio)
    assert managed.gpu.used() > 11 * MB


def test_a_reloaded_page_finds_the_same_host_and_its_model(managed, make, weights_read, monkeypatch):
    monkeypatch.setattr("lib_svd.hosts.detect._kept", [])
    studio = Studio(get_current_host())
    make(studio)
    managed.management.unload_all_models()
    managed.shared.demo = object()
    assert get_current_host() is studio.host
    make(studio)
    assert len(weights_read) == 4


def test_a_card_that_is_full_on_arrival_still_gives_the_clip(managed, make, wanted):
    own = load_drawn(managed)
    managed.gpu.arrivals_that_fail = 1
    assert np.abs(make(Studio(find_host())).astype(int) - wanted).max() <= 1
    assert managed.gpu.bytes_of(own.model) == 0
    managed.management.load_models_gpu([own])
    assert managed.gpu.bytes_of(own.model) == 4 * MB


def test_a_card_that_fills_up_at_work_still_gives_the_clip(managed, make, wanted):
    studio = Studio(find_host())
    make(studio)
    last, failures = studio._loaded.decoder.network.get_submodule("decoder.conv_out"), [1]

    def fill_up(*_) -> None:
        if failures:
            failures.pop()
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    last.register_forward_pre_hook(fill_up)
    assert np.abs(make(studio).astype(int) - wanted).max() <= 1
    assert failures == []


def test_interrupting_leaves_nothing_and_the_next_clip_runs(stub, make, tmp_path, monkeypatch):
    studio = Studio(find_host())
    report, state = studio.host.queue.report, stub.shared.state

    def press(progress, preview=None) -> None:
        report(progress, preview)
        if (progress.stage, progress.done) == (Stage.SAMPLING, 1):
            state.interrupt()

    monkeypatch.setattr(studio.host.queue, "report", press)
    with pytest.raises(Interrupted):
        make(studio)
    assert list(tmp_path.rglob("*.mp4")) == []
    monkeypatch.undo()
    assert len(make(studio)) == 3


def test_a_clip_stays_within_float8_of_itself(managed, make, wanted):
    managed.gpu.storage = torch.float8_e4m3fn
    studio = Studio(find_host())
    difference = np.abs(make(studio).astype(int) - wanted)
    held = {weight.dtype for weight in studio._loaded.unet.network.parameters()}
    assert held == {torch.float32, torch.float8_e4m3fn}  # norms and single factors stay
    assert 0 < difference.mean() < 40


class OnlyThere(nn.Module):
    """A checkpoint of A1111's: 4 MB that say where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1000, 1000, bias=False)


def test_a1111s_checkpoint_makes_room_and_comes_back(tmp_path, monkeypatch):
    meta = torch.device("meta")
    monkeypatch.setattr(nn.Module, "to", lambda module, device: module.to_empty(device=device))
    with use_stub_host("a1111", tmp_path) as stub:
        from modules import devices, sd_models

        devices.device, sd_models.model_data.sd_model = meta, OnlyThere().to(meta)
        host = find_host()
        unused = "lib_svd.hosts.own_memory._count_unused_bytes"
        monkeypatch.setattr(
            unused, lambda device: 10 * MB - host.memory._count_held() - host.memory._count_checkpoint_bytes()
        )
        homes: list[str] = []

        def find_home(resident) -> None:
            with resident.bring_to_gpu(MB):
                where = (sd_models.model_data.sd_model, resident.network)
                homes.append(" ".join(next(m.parameters()).device.type for m in where))

        small, large = (host.memory.adopt(nn.Linear(1000, 250 * mb, bias=False), torch.float32) for mb in (2, 8))
        assert small.count_room() == 10 * MB - 2 * MB
        host.queue.run_exclusively("svd", lambda: (find_home(small), find_home(large)))
        assert homes == ["meta meta", "cpu meta"]
        assert next(sd_models.model_data.sd_model.parameters()).device == meta
        assert [next(r.network.parameters()).device.type for r in (small, large)] == ["cpu", "cpu"]
        assert stub.shared.state.job == ""
