"""RIFE in a host's keeping: the same frames in any memory, and what is done where room or precision fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lib_svd.checkpoints.rife import choose_rife, read_rife
from lib_svd.engine.rife import Rife
from lib_svd.errors import NotFinite, OutOfMemory
from lib_svd.finish.rife import RifeSmoother
from lib_svd.finish.smooth import smooth_frames
from lib_svd.hosts.own_memory import OwnMemory, OwnResident
from lib_svd.ports import Host
from lib_svd.testing import make_fake_host
from tests.engine.rife import draw_weights
from tests.finish.motions import Blend, make_moving, measure_decibels, read_photo
from tests.halves import HALVES

KIND = "RIFE 4.25 or 4.26"
pytestmark = pytest.mark.usefixtures("one_thread")


def write(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """A file where ComfyUI's users have it, beside a folder for models."""
    path = folder / "models" / "frame_interpolation" / "rife_v4.26.safetensors"
    path.parent.mkdir(parents=True)
    save_file(weights, path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("drawn"), draw_weights(KIND))


@pytest.fixture
def host(path: Path, tmp_path: Path) -> Host:
    return make_fake_host(tmp_path, path.parents[1] / "svd")


def make_frames(path: Path, host: Host, width: int = 150, height: int = 200):
    """Three frames of a photograph that moves, at four times the rate."""
    wide = read_photo(0, width + 6, height)
    frames = np.stack([wide[:, 3 * t : 3 * t + width] for t in range(3)])
    return frames, smooth_frames(frames, 7, 28, RifeSmoother(read_rife(path), host))


def test_originals_stay_and_what_is_between_is_the_networks(path, host):
    frames, made = make_frames(path, host)
    assert made.shape == (9, 200, 150, 3)
    assert np.array_equal(made[::4], frames)
    network = Rife(read_rife(path).config).eval()
    network.load_state_dict(draw_weights(KIND))
    grown = [np.pad(frame, ((0, 56), (0, 42), (0, 0)), "edge") for frame in frames]  # to the grid of 64
    with torch.inference_mode():
        x = [torch.from_numpy(each).permute(2, 0, 1)[None].float() / 255 for each in grown]
        for pair in (0, 1):
            looks = torch.cat([network.look(x[pair]), network.look(x[pair + 1])])
            for quarter in (1, 2, 3):
                wanted = (
                    network.interpolate(looks, quarter / 4, 256)[0, :, :200, :150].clamp(0, 1).permute(1, 2, 0) * 255
                )
                assert np.abs(made[4 * pair + quarter] - wanted.numpy()).max() <= 0.51


def test_it_is_found_where_comfyui_has_it(host):
    smoother = RifeSmoother(choose_rife("", host.folders.list_model_dirs()), host)
    assert smoother.name == "rife"
    assert len(list(smoother.fill([read_photo(), read_photo()], [Fraction(1, 2)]))) == 1


def test_a_network_that_knows_the_motion_beats_blending(tmp_path):
    """By its last bias it says that all goes right by 5 pixels and down by 2, as the pattern does behind the disc."""
    weights = {name: torch.zeros_like(weight) for name, weight in draw_weights(KIND).items()}
    told = torch.tensor([-2.5, -1, 2.5, 1, 0, *[0] * 8])
    weights["blocks.4.lastconv.0.bias"] = told.repeat_interleave(4)
    path = write(tmp_path, weights)
    frames, true = make_moving(range(4), 160, 96), make_moving([0.5, 1.5, 2.5], 160, 96)
    made = smooth_frames(frames, 7, 14, RifeSmoother(read_rife(path), make_fake_host(tmp_path)))[1::2]
    blended = smooth_frames(frames, 7, 14, Blend())[1::2]
    corner = np.s_[:, 4:24, 4:-4]  # where the disc is not
    assert measure_decibels(made[corner], true[corner]) > measure_decibels(blended[corner], true[corner]) + 10


@contextmanager
def note_rows(monkeypatch) -> Iterator[list[int]]:
    """How many rows at a time the network is asked for."""
    rows: list[int] = []
    between = Rife.interpolate

    def note_and_interpolate(self, looks, time, at_a_time):
        rows.append(at_a_time)
        return between(self, looks, time, at_a_time)

    with monkeypatch.context() as patched:
        patched.setattr(Rife, "interpolate", note_and_interpolate)
        yield rows


def test_with_little_memory_the_frames_are_the_same_from_fewer_rows_at_a_time(path, host, tmp_path, monkeypatch):
    _, whole = make_frames(path, host)
    small = make_fake_host(tmp_path, memory=OwnMemory(torch.device("cpu"), torch.float32, budget=1))
    with note_rows(monkeypatch) as rows:
        _, made = make_frames(path, small)
    assert set(rows) == {64}
    assert np.abs(made.astype(int) - whole).max() <= 1


class Short(OwnMemory):
    """A device that has no room for more rows than so many, which nobody knows before."""

    def __init__(self, most: int) -> None:
        super().__init__(torch.device("cpu"), torch.float32, budget=10**12)
        self.most = most

    def adopt(self, network: Rife, dtype: torch.dtype) -> OwnResident:
        between = network.interpolate

        def run_short(looks: torch.Tensor, time: float, rows: int) -> torch.Tensor:
            if rows > self.most:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return between(looks, time, rows)

        network.interpolate = run_short
        return super().adopt(network, dtype)


def test_where_room_runs_out_it_goes_on_with_fewer_rows(path, host, tmp_path):
    _, whole = make_frames(path, host)
    _, made = make_frames(path, make_fake_host(tmp_path, memory=Short(64)))
    assert np.abs(made.astype(int) - whole).max() <= 1


def test_where_there_is_no_room_for_the_fewest_it_says_so(path, tmp_path):
    with pytest.raises(OutOfMemory, match="has no room"):
        make_frames(path, make_fake_host(tmp_path, memory=Short(0)))


def test_damaged_weights_are_said_to_be(tmp_path):
    weights = dict(draw_weights(KIND))
    weights["blocks.4.lastconv.0.bias"] = torch.full((52,), torch.nan)
    path = write(tmp_path, weights)
    with pytest.raises(NotFinite, match=r"^rife_v4.26.safetensors gave NaN .* damaged, download it again\.$"):
        make_frames(path, make_fake_host(tmp_path))


class HalfAtFirst(OwnMemory):
    """A network begins in half precision, as on a GPU."""

    switched = 0

    def adopt(self, network: Rife, dtype: torch.dtype) -> OwnResident:
        resident = super().adopt(network.half(), torch.float16)
        use_fp32 = resident.use_fp32

        def note_and_switch() -> None:
            self.switched += 1
            use_fp32()

        resident.use_fp32 = note_and_switch
        return resident


@pytest.mark.parametrize("dtype", [dtype for dtype in HALVES if dtype == torch.float16])
def test_where_half_precision_is_not_enough_it_goes_on_in_float32(tmp_path, dtype):
    """What a convolution gives is beyond float16, and the next one takes it back."""
    weights = dict(draw_weights(KIND))
    for name, by in (("0.0.weight", 2**18), ("0.0.bias", 0), ("1.0.weight", 2**-18)):
        weights[f"blocks.1.conv0.{name}"] = weights[f"blocks.1.conv0.{name}"] * by
    path = write(tmp_path, {name: weight.half() for name, weight in weights.items()})
    _, wanted = make_frames(path, make_fake_host(tmp_path))
    half = HalfAtFirst(torch.device("cpu"), dtype)
    _, made = make_frames(path, make_fake_host(tmp_path, memory=half))
    assert half.switched == 1
    assert np.abs(made.astype(int) - wanted).max() <= 1
