"""A clip is the same clip from whichever door: the same files, the same note, the same JSON."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_svd import api
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.queue import JobQueue
from lib_svd.queue.kinds import read_kind
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio

SETTINGS = {"checkpoint": "svd_xt.safetensors", "seed": 3, "num_steps": 2, "num_frames": 3}
OF_THE_RUN = ("path", "seconds", "copies")


@pytest.fixture
def studio(checkpoint, tmp_path):
    """What tab and API use, with its own folder of clips."""
    host = make_standalone_host("cpu", "float32", model_dirs=(checkpoint.parent,), output_dir=tmp_path / "clips")
    return Studio(host)


@pytest.fixture
def by_hand(here, lib_svd, checkpoint, picture):
    """The clip as the command line makes it, and what that prints."""
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--seed", 3, "--num-steps", 2, "--num-frames", 3,
                  "--dtype", "float32", "--also", "gif", "--out", "cat.mp4", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_command_line_tab_and_api_leave_the_same_and_say_the_same(by_hand, studio, picture, here):
    saved = studio.animate(studio.order(ClipRequest(**SETTINGS), picture, stem="cat"))
    suffixes = {path.suffix for path in saved.video.parent.iterdir()}
    assert {path.suffix for path in here.glob("cat.*")} == {*suffixes, ".gif"}
    assert suffixes == {".mp4", ".txt", ".json"}

    noted, own = (asdict(history.find_entry(video)) for video in (here / "cat.mp4", saved.video))
    for entry in (noted, own):
        assert entry.pop("seconds").keys() == {"condition", "sample", "decode"}
    assert {**noted, "video": 0, "made": 0, "files": 0} == {**own, "video": 0, "made": 0, "files": 0}
    assert noted["measures"]["flow"] is not None

    app, queue = FastAPI(), JobQueue(studio)
    api.add_routes(app, studio, queue, [])
    asked = TestClient(app).post("/svd/v1/animate", json={**SETTINGS, "picture": _encode_base64(picture)})
    queue.close()
    answer = asked.json()
    assert (asked.status_code, answer.keys() - by_hand.keys()) == (200, {"video"})
    for found in (by_hand, answer):
        for name in OF_THE_RUN:
            found.pop(name)
    assert {name: answer[name] for name in by_hand} == by_hand


def test_a_clip_of_the_command_line_goes_to_the_trash_with_its_copies(by_hand, here, lib_svd):
    assert lib_svd("history", ".", "--trash", "cat.mp4").code == 0
    assert sorted(path.name for path in (here / "trash").iterdir()) == ["cat.gif", "cat.json", "cat.mp4", "cat.txt"]
    assert not list(here.glob("cat.*"))


@pytest.mark.parametrize("door", ["api", "command line"])
def test_a_seed_that_is_left_open_may_be_any_seed(door, studio, picture, lib_svd, checkpoint, monkeypatch):
    asked = []
    monkeypatch.setattr("lib_svd.settings.secrets.randbelow", lambda most: asked.append(most) or 7)
    if door == "api":
        open_seed = {name: value for name, value in SETTINGS.items() if name != "seed"}
        order = read_kind("animate").check(studio, open_seed, picture.read_bytes())
        assert order["seed"] == 7
    else:
        ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--num-frames", 2, "--num-steps", 1, "--json")
        assert json.loads(ran.out)["settings"]["seed"] == 7
    assert asked == [2**32]


def _encode_base64(picture):
    return base64.b64encode(picture.read_bytes()).decode()
