"""Upscalers: a web UI's own, and the user's files where there is none."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save_file
from torch import nn

from lib_svd import jobs, video
from lib_svd.clip import Clip
from lib_svd.errors import BadRequest, Interrupted, OutOfMemory, SvdError
from lib_svd.finish.finishing import Finishing
from lib_svd.hosts.detect import find_host
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.hosts.own_upscalers import BORDER, TILE, FileUpscalers
from tests.conftest import save_picture
from tests.hosts.stub_hosts import FOLDERS
from tests.review import clips


@pytest.fixture(params=FOLDERS)
def stub(request, stub_host):
    return stub_host(request.param)


def set_upscalers(stub, **do):
    """The host, whose upscalers do that to a picture."""
    from modules.upscaler import Upscaler

    def make_scaler(work):
        scaler = Upscaler()
        scaler.do_upscale = lambda img, selected_model: work(img, selected_model, scaler.scale)
        return scaler

    stub.shared.sd_upscalers = [
        SimpleNamespace(name=n, data_path=f"{n}.pth", scaler=make_scaler(w)) for n, w in do.items()
    ]
    return find_host()


def double(img, model, scale):
    return img.resize((2 * img.width, 2 * img.height), Image.Resampling.NEAREST)


def break_down(img, model, scale):
    raise RuntimeError("no weights")


def test_the_web_uis_own_are_offered_but_what_is_ours_or_none(stub):
    host = set_upscalers(stub, None_=double, ESRGAN_4x=double)
    stub.shared.sd_upscalers[0].name = "None"
    stub.shared.sd_upscalers.append(SimpleNamespace(name="Lanczos"))
    assert host.upscalers.list_names() == ["ESRGAN_4x"]
    assert host.upscalers.find_name("esrgan_4X") == "ESRGAN_4x"
    with pytest.raises(BadRequest, match="There is no upscaler 'x', there is lanczos and ESRGAN_4x: choose of these"):
        host.upscalers.find_name("x")


def test_one_that_gives_less_than_is_asked_for_runs_again_as_in_the_web_ui(stub):
    seen = []

    def note_and_enlarge(img, model, scale):
        seen.append((img.size, model, scale))
        return double(img, model, scale)

    host = set_upscalers(stub, net=note_and_enlarge)
    assert host.upscalers.enlarge("net", Image.new("RGB", (50, 30)), 3).size == (200, 120)
    assert seen == [((50, 30), "net.pth", 3), ((100, 60), "net.pth", 3)]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (break_down, "The upscaler net failed (RuntimeError: no weights): choose another."),
        (lambda img, model, scale: img, "The upscaler net made nothing larger: the web UI's log says why"),
    ],
)
def test_one_that_fails_says_so(stub, work, said):
    with pytest.raises(SvdError) as error:
        set_upscalers(stub, net=work).upscalers.enlarge("net", Image.new("RGB", (50, 30)), 2)
    assert str(error.value).startswith(said)


def test_a_clip_is_finished_by_the_web_uis_own_in_its_queue(stub):
    """And Interrupt of the web UI stops it between two frames."""
    busy = []

    def note_and_enlarge(img, model, scale):
        busy.append(not stub.queue_lock.acquire(blocking=False))
        return double(img, model, scale)

    host = set_upscalers(stub, net=note_and_enlarge)
    clip = Clip(frames=clips.make_pan(2), fps=7, infotext="")
    path = video.save(clip, host.folders.find_output_dir() / "a.mp4").video
    made = jobs.finish(jobs.finish_order(path, Finishing(upscale="NET"), host), host)
    assert made.clip.size == (384, 256)
    assert busy == [True] * 10

    def interrupt_and_enlarge(img, model, scale):
        stub.shared.state.interrupted = True
        return double(img, model, scale)

    host = set_upscalers(stub, net=interrupt_and_enlarge)
    with pytest.raises(Interrupted):
        jobs.finish(jobs.finish_order(path, Finishing(upscale="net"), host), host)
    assert len(list(path.parent.glob("*.mp4"))) == 2


class Doubling(nn.Module):
    """A network that doubles a picture, and sees some pixels around."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 3, 9, padding=4, padding_mode="replicate", groups=3, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 81)

    def forward(self, x):
        return torch.nn.functional.interpolate(self.blur(x), scale_factor=2, mode="nearest")


class Described:
    """As spandrel describes a network."""

    supports_half, scale, input_channels = True, 2, 3

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, x):
        return self.model(x)


class Loader:
    def load_from_state_dict(self, tensors):
        if "blur.weight" not in tensors:
            raise ValueError("unknown architecture")
        model = Doubling()
        model.load_state_dict(tensors)
        return Described(model)


@pytest.fixture
def spandrel(monkeypatch):
    """What stands in for it: one architecture."""
    for name in ("spandrel", "torchvision"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(ModelLoader=Loader, ImageModelDescriptor=Described))
        sys.modules[name].__spec__ = SimpleNamespace(name=name)


@pytest.fixture
def upscalers(tmp_path, spandrel):
    folder = tmp_path / "upscale_models"
    folder.mkdir()
    save_file(Doubling().state_dict(), folder / "2x-blur.safetensors")
    save_file({"other": torch.zeros(1)}, folder / "other.safetensors")
    (folder / "net.pth").write_bytes(b"a pickle")
    return FileUpscalers(OwnMemory(torch.device("cpu"), torch.float32), [tmp_path])


def test_files_are_found_but_no_pickles(upscalers):
    assert sorted(upscalers.list_names()) == ["2x-blur.safetensors", "other.safetensors"]
    assert upscalers.find_name("2X-blur") == "2x-blur.safetensors"


def test_tiles_are_not_seen(upscalers, tmp_path):
    """A picture of several tiles, held against the network on the whole of it."""
    picture = Image.open(save_picture(tmp_path / "p.png", TILE + 300, 90))
    made = upscalers.enlarge("2x-blur.safetensors", picture, 2)
    with torch.inference_mode():
        network = Doubling()
        network.load_state_dict(load((tmp_path / "upscale_models" / "2x-blur.safetensors").read_bytes()))
        whole = network(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255)[0]
    assert made.size == (2 * picture.width, 180)
    assert np.array_equal(np.asarray(made), (whole * 255).round().byte().permute(1, 2, 0).numpy())
    assert BORDER > 4


def test_what_is_wanted_larger_runs_again(upscalers):
    assert upscalers.enlarge("2x-blur.safetensors", Image.new("RGB", (20, 10)), 3).size == (80, 40)


def test_where_memory_is_short_tiles_are_smaller(upscalers, monkeypatch):
    sides = []
    real = Described.__call__

    def run_short(self, x):
        sides.append(max(x.shape[2:]))
        if max(x.shape[2:]) > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, x)

    monkeypatch.setattr(Described, "__call__", run_short)
    picture = Image.new("RGB", (500, 60), "red")
    assert upscalers.enlarge("2x-blur.safetensors", picture, 2).getpixel((999, 119)) == (255, 0, 0)
    assert sides[0] > 300 > max(sides[1:])
    monkeypatch.setattr(Described, "__call__", lambda self, x: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA")))
    with pytest.raises(OutOfMemory):
        upscalers.enlarge("2x-blur.safetensors", picture, 2)


def test_a_file_that_is_no_upscaler_is_a_sentence(upscalers):
    with pytest.raises(BadRequest, match=r"other\.safetensors is no upscaler that spandrel reads"):
        upscalers.enlarge("other.safetensors", Image.new("RGB", (20, 10)), 2)


def test_without_spandrel_it_is_said_before_anything_runs(upscalers, monkeypatch):
    monkeypatch.delitem(sys.modules, "spandrel")
    with pytest.raises(
        BadRequest, match=r"read by spandrel, which cannot be loaded \(it is not installed\): run `python"
    ):
        upscalers.find_name("2x-blur")
