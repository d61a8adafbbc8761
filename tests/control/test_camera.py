"""The camera goes where it is told, as far as it is told, by review's own fit; and with what else may be asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_svd.companions import keep_picture
from lib_svd.progress import Stage
from lib_svd.studio import Studio
from lib_svd.testing import FakeQueue, make_fake_host
from tests.control.clips import PICTURE, draw_mask, make_clip, measure_camera, measure_steps

pytestmark = pytest.mark.usefixtures("one_thread")
COINS = Path(__file__).parents[1] / "demo" / "pictures" / "coins.jpg"
ASKED = {"pan_left": ("right", -30, 64), "zoom_in": ("nears", 30, 128), "orbit_right": ("shift", 30, 128)}
"""By camera: what is measured of it, percent, and in how many pixels a side; benchmarks/control.py has the others."""


@pytest.fixture
def studio(tmp_path) -> Studio:
    return Studio(make_fake_host(tmp_path))


@pytest.mark.parametrize("move", ASKED)
def test_the_camera_is_measured_where_it_was_asked_for(studio, move: str) -> None:
    what, asked, side = ASKED[move]
    measured = measure_camera(make_clip(studio, COINS, camera=move, camera_strength=30, width=side, height=side))

    for each, percent in measured.items():
        assert percent == pytest.approx(asked if each == what else 0, abs=0.2 * 30), measured


def test_a_still_camera_stands_where_a_free_one_goes(studio) -> None:
    still, free = (measure_camera(make_clip(studio, COINS, camera=camera)) for camera in ("still", "free"))

    assert free["right"] > 4  # what this model was taught
    assert abs(still["right"]) < 0.25 * free["right"]
    assert abs(still["nears"]) < 0.25 * free["nears"]


def test_a_camera_goes_on_through_the_windows_of_a_long_clip(studio) -> None:
    frames = make_clip(studio, COINS, camera="pan_left", camera_strength=60, num_frames=12)

    assert len(frames) == 12
    assert measure_camera(frames)["right"] == pytest.approx(-60, abs=0.2 * 60)
    steps = measure_steps(frames)
    assert steps.max() <= 1.5 * np.median(steps)


@pytest.mark.parametrize(
    "settings",
    [
        {"ending": "loop", "camera": "still"},
        {"num_steps": 1},
        {"sampler": "lcm", "schedule": "lcm", "num_steps": 4},
        {"sampler": "heun", "num_steps": 4},
        {"cache_interval": 3},
        {"num_frames": 1},
        {"fit": "letterbox", "width": 48, "height": 80, "camera": "orbit_left"},
        {"max_guidance": 1.0, "min_guidance": 1.0},
    ],
    ids=str,
)
def test_a_camera_goes_with(studio, settings) -> None:
    frames = make_clip(studio, **{"num_frames": 4, "num_steps": 3, "camera": "pan_right", **settings})
    first = np.asarray(Image.open(PICTURE).convert("RGB"), np.float64).mean()

    assert len(frames) == settings.get("num_frames", 4)
    assert abs(frames[0].mean() - first) < 12


def test_what_must_not_move_does_not_go_with_the_camera(studio) -> None:
    mask = keep_picture(draw_mask("half"), studio.find_output_dir()).name
    frames = make_clip(studio, camera="pan_left", mask=mask, mask_edge=4, width=80, height=48)
    moved = np.abs(np.diff(frames.astype(float), axis=0)).mean((0, 3))

    assert moved[:, 48:].mean() < 0.02 * moved[:, :36].mean()


def test_every_step_is_reported_and_each_may_be_the_last(tmp_path) -> None:
    queue = FakeQueue()
    make_clip(Studio(make_fake_host(tmp_path, queue=queue)), num_frames=4, num_steps=5, camera="zoom_in")
    sampling = [each.done for each in queue.reports if each.stage is Stage.SAMPLING]

    assert sampling == [0, 1, 2, 3, 4, 5]


def test_a_clip_says_where_its_camera_went_and_one_whose_camera_was_free_does_not(studio) -> None:
    def write(**settings) -> str:
        return studio.order(studio.make_request({"checkpoint": "demo", **settings}), PICTURE).request.write_infotext()

    assert "SVD camera: Pan left, SVD camera strength: 35" in write(camera="pan_left", camera_strength=35)
    assert "camera" not in write(camera="free")
    assert write() == write(camera="free", camera_strength=20)
