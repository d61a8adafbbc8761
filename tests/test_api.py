"""Clips over HTTP: what a program gets back, and what it is told where it asked for the impossible."""

from __future__ import annotations

import asyncio
import base64
import io
import textwrap
import threading
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import api, door, line, video
from lib_svd.errors import Busy, Interrupted
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.studio import Studio
from tests.conftest import await_result

pytestmark = pytest.mark.usefixtures("one_thread")
URL = "/svd/v1/animate"
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def studio(checkpoint, tmp_path) -> Studio:
    return Studio(make_standalone_host("cpu", model_dirs=(checkpoint.parent,), output_dir=tmp_path / "clips"))


@pytest.fixture
def client(studio) -> TestClient:
    app = FastAPI()
    api.add_routes(app, studio, [])
    return TestClient(app)


def read_text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_picture_and_settings_give_a_clip(client, picture, tmp_path, checkpoint, prefix):
    order = {"picture": prefix + read_text(picture), "checkpoint": checkpoint.name, "seed": 5, "frames": True, **SHORT}
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
    order = {"picture": read_text(picture), **SHORT}
    seeds = {client.post("/svd/v1/animate", json=order).json()["settings"]["seed"] for _ in range(2)}
    assert len(seeds) == 2


def test_a_speed_stands_for_the_steps_that_are_not_given(client, picture):
    order = {"picture": read_text(picture), "checkpoint": "demo", "num_frames": 2, "speed": "draft"}
    made = client.post("/svd/v1/animate", json=order).json()["settings"]
    assert (made["num_steps"], made["schedule"]) == (2, "align_your_steps")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"picture": None}, "BadRequest", "There is no picture yet"),
        ({"picture": "not base64!"}, "BadPicture", "The picture must be base64 text"),
        ({"picture": 7}, "BadPicture", "The picture must be base64 text"),
        ({"picture": base64.b64encode(b"no picture").decode()}, "BadPicture", ""),
        ({"motion_bucket_id": 999}, "BadRequest", "Motion must be from 1 to 255"),
        ({"motion": 75}, "BadRequest", "'motion' is not a setting; the settings are"),
        ({"speed": "warp"}, "BadRequest", "'warp' is no speed: choose one of best, balanced, draft"),
        ({"speed": "draft", "checkpoint": 7}, "BadRequest", "Model must be text"),
        ({"checkpoint": "gone"}, "BadCheckpoint", "No model is called 'gone'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(client, picture, tmp_path, changes, error, message):
    answer = client.post("/svd/v1/animate", json={"picture": read_text(picture), **SHORT, **changes})
    assert answer.status_code == 422
    assert answer.json()["error"] == error
    assert answer.json()["message"].startswith(message)
    assert answer.json()["message"].endswith(".")
    assert not list(tmp_path.glob("clips/*"))


def test_programs_spell_things_in_more_than_one_way(client, picture):
    plain = read_text(picture)
    spelled = [
        *(plain, "\r\n".join(textwrap.wrap(plain, 76)), plain.rstrip("="), f"data:image/png;base64,{plain}\n"),
        base64.urlsafe_b64encode(picture.read_bytes()).decode(),
    ]
    clips = [client.post(URL, json={"picture": each, "seed": 1, **SHORT}).json() for each in spelled]
    assert {clip.get("message", clip.get("infotext")) for clip in clips} == {clips[0]["infotext"]}
    drawn = [client.post(URL, json={"picture": plain, "seed": -1, **SHORT}).json()["settings"]["seed"] for _ in "ab"]
    assert drawn[0] != drawn[1]
    for frames, wanted in ((True, True), ("true", True), (1, True), (False, False), ("false", False), (None, False)):
        made = client.post(URL, json={"picture": plain, "frames": frames, **SHORT}).json()
        assert bool(made["frames"]) is wanted, frames
    refused = client.post(URL, json={"picture": plain, "frames": "some", **SHORT})
    assert (refused.status_code, refused.json()["message"]) == (422, "\"frames\" must be true or false, not 'some'.")


def test_a_stopped_clip_is_no_failure_of_the_server(studio, picture):
    studio.host.queue.is_interrupted = lambda: True  # type: ignore[method-assign]
    status, told = api.animating.answer(studio, {"picture": read_text(picture)})
    assert (status, told["error"]) == (409, "Interrupted")


def test_models_are_listed_with_what_they_were_made_for(client, checkpoint):
    (first,) = (m for m in client.get("/svd/v1/models").json() if m["name"] == checkpoint.name)
    assert (first["family"], first["num_frames"], first["width"], first["height"]) == ("svd_xt", 5, 96, 64)


def test_who_is_not_let_in_gets_nothing(studio, picture):
    def refuse() -> None:
        raise HTTPException(401, "Incorrect username or password")

    app = FastAPI()
    api.add_routes(app, studio, [Depends(refuse)])
    client = TestClient(app)
    assert client.get("/svd/v1/models").status_code == 401
    assert client.post("/svd/v1/animate", json={"picture": read_text(picture)}).status_code == 401


def test_a_picture_that_is_too_short_to_be_one_is_read_as_a_picture(studio):
    assert isinstance(api.animating.decode_picture({"picture": base64.b64encode(b"x").decode()}), io.BytesIO)


def order_of(size: int) -> bytes:
    """An order of so many bytes."""
    start, end = b'{"picture": "', b'"}'
    return start + b"A" * (size - len(start) - len(end)) + end


def test_a_body_is_not_read_before_the_password(studio):
    asked: list[str] = []

    def refuse() -> None:
        asked.append("password")
        raise HTTPException(401, "Incorrect username or password")

    async def receive() -> dict[str, object]:
        asked.append("body")
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        asked.append(str(message.get("status", "")))

    app = FastAPI()
    api.add_routes(app, studio, [Depends(refuse)])
    headers = [(b"host", b"localhost"), (b"content-length", b"2"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/svd/v1/animate", "query_string": b"", "headers": headers}
    await_result(app(scope, receive, send))
    assert asked[:2] == ["password", "401"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (order_of(door.MOST_BYTES), {}, 422),
        (order_of(door.MOST_BYTES + 1), {}, 413),
        (iter([b"{}"]), {}, 411),
        (b"{}", {"Content-Length": "9" * 40}, 413),
    ],
)
def test_a_body_says_how_large_it_is_and_is_not_too_large(client, content, headers, status):
    answer = client.post("/svd/v1/animate", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b'"text"',
        b"null",
        b"{",
        b"\xff",
        b"[" * 900,
        b"[" * 100_000,
        b'{"seed": [' + b"1," * 5000 + b"1]}",
        b"{" + b'"a":{' * 5000,
    ],
)
def test_what_is_no_order_is_refused_with_a_sentence(client, body):
    answer = client.post("/svd/v1/animate", content=body)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("An order is a JSON object")


def test_a_number_of_very_many_digits_is_refused_before_it_is_read(client):
    answer = client.post("/svd/v1/animate", content=b'{"seed": ' + b"9" * 5_000_000 + b"}")
    assert answer.status_code == 422
    assert answer.json()["message"].endswith("this cannot be read (a whole number has 5000000 digits).")


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(client):
    bomb = Image.new("1", (30_000, 3_000))
    stream = io.BytesIO()
    bomb.save(stream, "PNG")
    answer = client.post("/svd/v1/animate", json={"picture": base64.b64encode(stream.getvalue()).decode()})
    assert answer.status_code == 422
    assert "at most 70 megapixels can be read" in answer.json()["message"]


def test_orders_that_wait_hold_no_thread_and_one_too_many_is_told_so(studio, picture, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    pictures: list[int] = []

    def make(order: object) -> None:
        pictures.append(1)
        begun.set()
        assert go_on.wait(60)
        raise Interrupted("Stopped.")

    monkeypatch.setattr(studio, "animate", make)
    order, statuses = {"picture": read_text(picture), "checkpoint": "demo"}, []
    app = FastAPI()
    api.add_routes(app, studio, [])
    app.add_api_route("/interrupt", lambda: "stopped")  # on the threads that a web UI answers on

    async def ask() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            waiting = [asyncio.ensure_future(client.post("/svd/v1/animate", json=order)) for _ in range(line.MOST)]
            while not begun.is_set():
                await asyncio.sleep(0.01)
            assert (await client.get("/interrupt")).json() == "stopped"
            assert (await client.post("/svd/v1/animate", json=order)).status_code == 429
            assert pictures == [1]
            go_on.set()
            statuses.extend(answer.status_code for answer in await asyncio.gather(*waiting))

    await_result(ask())
    assert statuses == [409] * line.MOST
    assert len(pictures) == line.MOST


def test_the_pictures_of_orders_that_wait_are_bounded_together():
    waiting = line.Line("test")
    # The only one: there is room for whatever may come in.
    with waiting.hold_place(2 * line.MOST_BYTES), pytest.raises(Busy), waiting.hold_place(1):
        pass
    with waiting.hold_place(line.MOST_BYTES - 1), waiting.hold_place(1), pytest.raises(Busy), waiting.hold_place(1):
        pass
    waiting.close()
