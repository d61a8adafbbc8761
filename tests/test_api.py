"""Clips over HTTP: what a program gets back, and what it is told where it asked for the impossible."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

from lib_svd import api, video
from lib_svd.hosts.standalone import StandaloneHost
from lib_svd.studio import Studio

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def studio(checkpoint, tmp_path) -> Studio:
    return Studio(StandaloneHost("cpu", model_dirs=(checkpoint.parent,), output_dir=tmp_path / "clips"))


@pytest.fixture
def client(studio) -> TestClient:
    app = FastAPI()
    api.add_routes(app, studio, [])
    return TestClient(app)


def text_of(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_picture_and_settings_give_a_clip(client, picture, tmp_path, checkpoint, prefix):
    order = {"picture": prefix + text_of(picture), "checkpoint": checkpoint.name, "seed": 5, "frames": True, **SHORT}
    answer = client.post("/svd/v1/animate", json=order)
    assert answer.status_code == 200
    made = answer.json()
    path = tmp_path / "clip.mp4"
    path.write_bytes(base64.b64decode(made["video"]))
    assert video.probe(path).num_frames == 2
    assert Path(made["path"]).read_bytes() == path.read_bytes()
    assert len(made["frames"]) == 2
    assert made["settings"]["seed"] == 5
    assert "Seed: 5" in made["infotext"]
    assert {"condition", "sample", "decode"} <= made["seconds"].keys()


def test_a_clip_has_another_seed_each_time_unless_one_is_given(client, picture):
    order = {"picture": text_of(picture), **SHORT}
    seeds = {client.post("/svd/v1/animate", json=order).json()["settings"]["seed"] for _ in range(2)}
    assert len(seeds) == 2


def test_a_speed_stands_for_the_steps_that_are_not_given(client, picture):
    order = {"picture": text_of(picture), "checkpoint": "demo", "num_frames": 2, "speed": "draft"}
    made = client.post("/svd/v1/animate", json=order).json()["settings"]
    assert (made["num_steps"], made["schedule"]) == (2, "align_your_steps")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"picture": None}, "BadRequest", "There is no picture yet"),
        ({"picture": "not base64!"}, "BadPicture", "The picture must be base64 text"),
        ({"picture": 7}, "BadPicture", "The picture must be base64 text"),
        ({"picture": base64.b64encode(b"no picture").decode()}, "BadPicture", ""),
        ({"motion_bucket_id": 999}, "BadRequest", "SVD motion must be from 1 to 255"),
        ({"motion": 75}, "BadRequest", "'motion' is not a setting; the settings are"),
        ({"speed": "warp"}, "BadRequest", "'warp' is no speed: choose one of best, balanced, draft"),
        ({"speed": "draft", "checkpoint": 7}, "BadRequest", "SVD checkpoint must be text"),
        ({"checkpoint": "gone"}, "BadCheckpoint", "No model is called 'gone'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(client, picture, tmp_path, changes, error, message):
    answer = client.post("/svd/v1/animate", json={"picture": text_of(picture), **SHORT, **changes})
    assert answer.status_code == 422
    assert answer.json()["error"] == error
    assert answer.json()["message"].startswith(message)
    assert answer.json()["message"].endswith(".")
    assert not list(tmp_path.glob("clips/*"))


def test_a_stopped_clip_is_no_failure_of_the_server(studio, picture):
    studio.host.interrupted = lambda: True  # type: ignore[method-assign]
    status, told = api.answer(studio, {"picture": text_of(picture)})
    assert (status, told["error"]) == (409, "Interrupted")


def test_models_are_listed_with_what_they_were_made_for(client, checkpoint):
    (first,) = (m for m in client.get("/svd/v1/models").json() if m["name"] == checkpoint.name)
    assert (first["family"], first["num_frames"], first["width"], first["height"]) == ("svd_xt", 5, 96, 64)


def test_who_is_not_let_in_gets_nothing(studio, picture):
    def closed() -> None:
        raise HTTPException(401, "Incorrect username or password")

    app = FastAPI()
    api.add_routes(app, studio, [Depends(closed)])
    client = TestClient(app)
    assert client.get("/svd/v1/models").status_code == 401
    assert client.post("/svd/v1/animate", json={"picture": text_of(picture)}).status_code == 401


def test_a_picture_that_is_too_short_to_be_one_is_read_as_a_picture(studio):
    assert isinstance(api._picture(base64.b64encode(b"x").decode()), io.BytesIO)
