"""Clips finished over HTTP: one that is there, or one that comes along; and what no caller may reach."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import api, line, video
from lib_svd.clip import Clip
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.studio import Studio
from tests.conftest import snapshot
from tests.requests import complete
from tests.review import clips

SETTINGS = complete(num_frames=10, width=192, height=128, fps=9, seed=5)


@pytest.fixture
def studio(tmp_path) -> Studio:
    return Studio(make_standalone_host("cpu", output_dir=tmp_path / "clips", options={"svd_review": False}))


@pytest.fixture
def clip(studio) -> Path:
    made = Clip(frames=clips.make_pan(2), fps=9, infotext=SETTINGS.write_infotext())
    return video.save(made, studio.find_output_dir() / "a.mp4").video


def make_client(studio: Studio, *guards) -> TestClient:
    app = FastAPI()
    api.add_routes(app, studio, list(guards))
    return TestClient(app)


@pytest.fixture
def finish(studio):
    client = make_client(studio)
    return lambda **order: client.post("/svd/v1/finish", json=order)


def encode_text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def test_a_clip_of_the_history_by_its_name(finish, studio, clip, tmp_path):
    answer = finish(clip="a.mp4", loop="pingpong", also=["gif", "h265:24"])
    assert answer.status_code == 200
    told = answer.json()
    assert (told["num_frames"], told["fps"]) == (18, 9)
    assert [Path(each).name for each in told["copies"]] == ["a-finished.gif", "a-finished.h265.mp4"]
    (tmp_path / "back.mp4").write_bytes(base64.b64decode(told["video"]))
    assert video.probe(tmp_path / "back.mp4").num_frames == 18
    assert history.find_entry(Path(told["path"])).source == "a.mp4"
    assert finish(clip=told["path"], reverse=True).json()["num_frames"] == 18


@pytest.mark.parametrize("prefix", ["", "data:video/mp4;base64,"])
def test_a_clip_that_comes_along(finish, studio, clip, prefix, tmp_path):
    content = clip.read_bytes()
    clip.unlink()
    told = finish(video=prefix + encode_text(content), upscale="lanczos").json()
    assert (told["width"], told["height"], told["settings"]["seed"]) == (384, 256, 5)
    assert "SVD source: sent.mp4" in told["infotext"]
    assert not [name for name in snapshot(studio.find_output_dir()) if name.startswith(".svd-")]


def test_a_moving_picture_that_comes_along(finish):
    stream = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in clips.make_pan(2)]
    first.save(stream, "WEBP", save_all=True, append_images=rest, duration=100, lossless=True)
    told = finish(video=encode_text(stream.getvalue()), first=2, last=4).json()
    assert (told["num_frames"], told["fps"]) == (3, 10)


def test_a_delivery_by_its_name(finish, clip):
    told = finish(clip="a.mp4", **{"for": "editor"}).json()
    assert [Path(each).suffix for each in told["copies"]] == [".mov"]
    assert told["num_frames"] == 10


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({}, "Say which clip"),
        ({"clip": "a.mp4", "video": "AAAA"}, "Say which clip"),
        ({"clip": "b.mp4"}, "There is no clip 'b.mp4'"),
        ({"clip": 3}, '"clip" must be text, not 3'),
        ({"clip": "../secret.mp4"}, "There is no clip '../secret.mp4'"),
        ({"clip": "a.txt"}, "There is no clip 'a.txt'"),
        ({"clip": "a\0.mp4"}, "There is no clip"),
        ({"clip": "a.mp4", "sharpen": 1}, "'sharpen' cannot be done to a clip"),
        ({"clip": "a.mp4", "first": 11}, "the clip has 10"),
        ({"clip": "a.mp4", "first": "1"}, "First frame must be a whole number"),
        ({"clip": "a.mp4", "loop": "round"}, "Loop must be one of none, pingpong"),
        ({"clip": "a.mp4", "upscale": "/etc/passwd"}, "There is no upscaler '/etc/passwd', there is lanczos"),
        ({"clip": "a.mp4", "also": "tiff"}, "There is no format that is called 'tiff'"),
        ({"clip": "a.mp4", "also": 3}, '"also" must be a list of formats'),
        ({"clip": "a.mp4", "for": "cinema"}, "There is no delivery 'cinema'"),
        ({"video": "%%%"}, "The video must be base64 text"),
        ({"video": 3}, "The video must be base64 text"),
        ({"video": encode_text(b"#EXTM3U\nfile:///etc/passwd")}, "This is no clip that is taken here: send an mp4"),
        ({"video": encode_text(b"ffconcat version 1.0\nfile a.mp4")}, "This is no clip that is taken here"),
        ({"video": encode_text(b"\0\0\0\x18ftypisom" + b"x" * 99)}, "is not a video that can be read"),
    ],
    ids=str,
)
def test_what_cannot_be_is_a_sentence_and_leaves_nothing(finish, studio, clip, tmp_path, order, said):
    (tmp_path / "secret.mp4").write_bytes(clip.read_bytes())
    before = snapshot(tmp_path)
    answer = finish(**order)
    assert answer.status_code == 422
    assert said in answer.json()["message"]
    assert snapshot(tmp_path) == before


def test_a_link_in_the_folder_of_clips_leads_nowhere(finish, studio, clip, tmp_path):
    (tmp_path / "else").mkdir()
    clip.rename(tmp_path / "else" / "theirs.mp4")
    clip.symlink_to(tmp_path / "else" / "theirs.mp4")
    assert "is a link, which is not followed" in finish(clip="a.mp4").json()["message"]


def test_who_is_not_let_in_gets_nothing(studio, clip):
    def refuse() -> None:
        raise HTTPException(401, "Incorrect username or password")

    answer = make_client(studio, Depends(refuse)).post("/svd/v1/finish", json={"clip": "a.mp4"})
    assert answer.status_code == 401


def test_it_waits_in_the_line_of_clips_and_the_line_ends(finish, clip, monkeypatch):
    monkeypatch.setattr(line, "MOST", 0)
    monkeypatch.setattr(line.Line, "hold_place", lambda self, size: (_ for _ in ()).throw(line.Busy("32 are waiting.")))
    assert finish(clip="a.mp4").status_code == 429


def test_frames_are_the_clips_own(finish, studio, clip):
    told = finish(clip="a.mp4", reverse=True, also=["ffv1"]).json()
    frames, _ = video.read_frames(Path(told["copies"][0]))
    assert np.array_equal(frames[::-1], video.read_frames(clip)[0])
