"""Jobs over HTTP: added in whatever way programs spell an order, followed, moved, cancelled, and their clips given."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import api
from lib_svd.api import fetching
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue, queue
from lib_svd.studio import Studio
from tests.conftest import await_result

pytestmark = pytest.mark.usefixtures("one_thread")
JOBS = "/svd/v1/jobs"
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def studio(checkpoint, picture, tmp_path) -> Studio:
    host = make_standalone_host(
        "cpu",
        model_dirs=(checkpoint.parent,),
        output_dir=tmp_path / "clips",
        options={"svd_review": False},
        picture_dirs=(picture.parent,),
    )
    return Studio(host)


@pytest.fixture
def app(studio) -> Iterator[FastAPI]:
    jobs, made = JobQueue(studio), FastAPI()
    api.add_routes(made, studio, jobs, [])
    yield made
    jobs.close()


@pytest.fixture
def client(app) -> TestClient:
    return TestClient(app)


def encode_text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def await_end(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended."""
    for _ in range(3000):
        now = client.get(f"{JOBS}/{job['id']}").json()
        if now["state"] in ("done", "failed", "cancelled"):
            return now
        time.sleep(0.02)
    raise AssertionError(now)


def test_a_job_is_added_followed_and_its_clip_and_frames_are_given(client, picture, studio):
    added = client.post(JOBS, json={"picture": encode_text(picture), "seed": 3, **SHORT})
    assert added.status_code == 202
    assert added.headers["location"] == f"{JOBS}/{added.json()['id']}"
    job = await_end(client, added.json())
    assert (job["state"], job["kind"], job["progress"], job["position"], job["error"]) == (
        "done",
        "animate",
        1,
        None,
        None,
    )
    clip = client.get(f"{JOBS}/{job['id']}/clip")
    assert (clip.status_code, clip.headers["content-type"]) == (200, "video/mp4")
    assert clip.content == Path(job["clips"][0]["path"]).read_bytes()
    frames = zipfile.ZipFile(io.BytesIO(client.get(f"{JOBS}/{job['id']}/frames").content))
    assert frames.namelist() == ["0000.png", "0001.png"]
    assert np.asarray(Image.open(frames.open("0000.png"))).shape == (64, 96, 3)
    assert [each["id"] for each in client.get(JOBS).json()] == [job["id"]]
    assert client.delete(f"{JOBS}/{job['id']}").status_code == 200
    gone = client.get(f"{JOBS}/{job['id']}")
    assert (gone.status_code, gone.json()["error"]) == (404, "NoSuchJob")
    assert Path(job["clips"][0]["path"]).is_file()


@pytest.mark.parametrize("way", ["base64", "path", "whole path", "form", "form with path"])
def test_a_picture_comes_in_several_ways_and_gives_the_same_clip(client, picture, way, tmp_path):
    order = {"seed": "3" if "form" in way else 3, **SHORT, "cond_aug": 0.03}
    if way == "form":
        added = client.post(JOBS, data=order, files={"picture": ("a cat.png", picture.read_bytes(), "image/png")})
    elif way == "form with path":
        added = client.post(JOBS, data={**order, "kind": "animate"}, files={"picture": picture.read_bytes()})
    else:
        named = {"base64": encode_text(picture), "path": {"path": picture.name}, "whole path": {"path": str(picture)}}
        added = client.post(JOBS, json={**order, "picture": named[way]})
    assert added.status_code == 202, added.json()
    job = await_end(client, added.json())
    assert job["state"] == "done", job
    settings = job["clips"][0]["settings"]
    assert (settings["seed"], settings["num_frames"], settings["noise_aug_strength"]) == (3, 2, 0.03)
    if way == "form":
        assert job["title"] == "a cat.png"


@pytest.mark.parametrize(
    "other",
    [("cond_aug", 0.03), ("decoding_t", 2), ("motion_bucket", 33), ("video_frames", 3)],
    ids=lambda each: each[0],
)
def test_other_programs_names_of_settings_are_taken(client, picture, other):
    name, value = other
    own = {
        "cond_aug": "noise_aug_strength",
        "decoding_t": "decode_chunk",
        "motion_bucket": "motion_bucket_id",
        "video_frames": "num_frames",
    }[name]
    order = {"picture": encode_text(picture), "num_steps": 1, "num_frames": 2, name: value}
    order.pop(own, None)
    job = client.post(JOBS, json=order).json()
    assert job["order"][own] == value


def test_every_kind_of_job_by_http(client, picture):
    first = await_end(client, client.post(JOBS, json={"picture": encode_text(picture), **SHORT}).json())
    name = Path(first["clips"][0]["path"]).name
    for order, count in (
        ({"kind": "extend", "clip": name}, 1),
        ({"kind": "finish", "clip": name, "reverse": True}, 1),
        ({"kind": "sweep", "picture": {"path": picture.name}, "sweep": "motion", "values": "60, 90", **SHORT}, 3),
    ):
        job = await_end(client, client.post(JOBS, json=order).json())
        assert (job["state"], len(job["clips"])) == ("done", count), job


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "/etc/hostname",
        "..\\secret.png",
        "C:\\Windows\\win.ini",
        "\\\\server\\share\\a.png",
        "link.png",
        "%2e%2e/secret.png",
        "a\0b",
        "~/.bashrc",
        "",
        ".",
        "x" * 5000,
        "folder",
        7,
        None,
        ["a.png"],
    ],
    ids=str,
)
def test_what_is_not_there_and_what_is_not_allowed_are_told_alike(client, picture, name, tmp_path):
    secret = picture.parent.parent / "secret.png"
    secret.write_bytes(picture.read_bytes())
    (picture.parent / "folder").mkdir(exist_ok=True)
    link = picture.parent / "link.png"
    if not link.is_symlink():
        link.symlink_to(secret)
    refused = client.post(JOBS, json={"picture": {"path": name}, **SHORT})
    assert (refused.status_code, refused.json()["error"]) == (422, "BadPicture")
    message = refused.json()["message"]
    assert message.endswith(" in the folders that programs may read: name one there."), message
    assert message.startswith("There is no picture ")


def test_jobs_are_moved_and_cancelled(client, picture, studio):
    with studio.host.queue._running:  # the host's queue is busy
        ids = [client.post(JOBS, json={"picture": {"path": picture.name}, **SHORT}).json()["id"] for _ in range(4)]
        moved = client.post(f"{JOBS}/{ids[3]}/move", json={"position": 1})
        assert (moved.status_code, moved.json()["position"]) == (200, 1)
        shown = {each["id"]: each["position"] for each in client.get(JOBS).json()}
        assert [shown[id] for id in ids] == [0, 2, 3, 1]
        assert client.post(f"{JOBS}/{ids[1]}/cancel").json()["state"] == "cancelled"
        for wrong in ({"position": 0}, {"position": "1"}, {"position": True}, {}, {"position": -5}):
            assert client.post(f"{JOBS}/{ids[2]}/move", json=wrong).status_code == 422, wrong
        no_clip = client.get(f"{JOBS}/{ids[2]}/clip")
        assert (no_clip.status_code, no_clip.json()["message"]) == (404, "The job has no clip yet: it is waiting.")
    states = [await_end(client, {"id": id})["state"] for id in ids]
    assert states == ["done", "cancelled", "done", "done"]


def test_a_job_is_followed_by_events_until_it_has_ended(app, picture):
    async def follow() -> list[dict[str, Any]]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            order = {"picture": encode_text(picture), **SHORT, "num_steps": 12}
            job = (await client.post(JOBS, json=order)).json()
            answer = await client.get(f"{JOBS}/{job['id']}/events")
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = [event for event in answer.text.split("\n\n") if event.startswith("event: job")]
            return [json.loads(event.partition("data: ")[2]) for event in events]

    events = await_result(follow())
    assert events[-1]["state"] == "done"
    shares = [each["progress"] for each in events]
    assert shares == sorted(shares)


def test_a_preview_comes_where_it_is_asked_for(client, picture):
    added = client.post(JOBS, json={"picture": encode_text(picture), **SHORT, "num_steps": 60})
    assert added.status_code == 202, added.text
    job, seen = added.json(), set()
    while (now := client.get(f"{JOBS}/{job['id']}?preview=true").json())["state"] in ("waiting", "running"):
        seen.add((now["preview"] or "")[:23])
        if now["state"] == "running" and now["step"]:
            assert now["stage"]
        time.sleep(0.01)
    assert "data:image/jpeg;base64," in seen
    assert client.get(f"{JOBS}/{job['id']}").json()["preview"] is None


def test_a_full_queue_says_when_to_ask_again(client, picture, studio, monkeypatch):
    monkeypatch.setattr(queue, "MOST_WAITING", 1)
    with studio.host.queue._running:
        first = client.post(JOBS, json={"picture": {"path": picture.name}, **SHORT}).json()
        full = client.post(JOBS, json={"picture": {"path": picture.name}, **SHORT})
        assert (full.status_code, full.json()["error"]) == (429, "Busy")
        assert 1 <= int(full.headers["retry-after"]) <= 3600
        client.post(f"{JOBS}/{first['id']}/cancel")


def test_a_job_file_that_names_a_file_elsewhere_gives_nothing_away(client, studio, picture, app):
    job = await_end(client, client.post(JOBS, json={"picture": {"path": picture.name}, **SHORT}).json())
    jobs = next(route for route in app.routes if getattr(route, "path", "") == JOBS).endpoint.__self__._queue
    jobs._change(job["id"], clips=({"path": "/etc/hostname"},))
    for part in ("clip", "frames"):
        answer = client.get(f"{JOBS}/{job['id']}/{part}")
        assert answer.status_code == 422, part
        assert "There is no clip" in answer.json()["message"]


@pytest.mark.parametrize("id", ["0" * 16, "x", "..", "%2e%2e%2fetc", "a" * 4000, "0000000000000000%00"])
@pytest.mark.parametrize("part", ["", "/clip", "/frames", "/events"])
def test_a_job_that_is_not_there(client, id, part):
    answer = client.get(f"{JOBS}/{id}{part}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ({"num_frames": "many"}, {}),
        ({"kind": "paint"}, {}),
        ({"num_frames": "2"}, {"picture": b"no picture"}),
        ({"num_frames": "2", "else": "1"}, {"picture": b"x"}),
        ({str(number): "1" for number in range(200)}, {}),
    ],
)
def test_a_form_that_cannot_be_is_refused_with_a_sentence(client, form, files):
    answer = client.post(JOBS, data=form, files=files or {"unused": b""})
    assert answer.status_code == 422, answer.text
    assert answer.json()["message"].endswith(".")


def test_what_there_is_to_ask(client, picture, checkpoint):
    assert client.get("/svd/v1/samplers").json()["samplers"]["euler"] == "Euler"
    assert "Baseline" in {preset["name"] for preset in client.get("/svd/v1/presets").json()}
    plan = client.post("/svd/v1/memory-plan", json={"checkpoint": checkpoint.name, "video_frames": 3}).json()
    assert plan["settings"]["num_frames"] == 3
    assert plan["sentence"].startswith("Memory: about")
    assert client.post("/svd/v1/memory-plan", json={"picture_size": [0, 5]}).status_code == 422
    check = client.post("/svd/v1/check", json={"checkpoint": checkpoint.name, "picture": encode_text(picture)}).json()
    assert check["size"] == [96, 64]
    assert client.post("/svd/v1/check", json={"checkpoint": checkpoint.name}).status_code == 422
    job = await_end(
        client, client.post(JOBS, json={"picture": encode_text(picture), "num_frames": 3, "num_steps": 1}).json()
    )
    looked = client.get("/svd/v1/review", params={"clip": Path(job["clips"][0]["path"]).name})
    assert (looked.status_code, looked.json()["num_frames"]) == (200, 3)
    assert client.get("/svd/v1/review", params={"clip": "../x"}).status_code == 422
    assert client.get("/svd/v1/review").status_code == 422


def test_open_api_tells_every_route_with_its_settings(client):
    told = client.get("/openapi.json").json()
    assert {"/svd/v1/jobs", "/svd/v1/jobs/{id}", "/svd/v1/jobs/{id}/events", "/svd/v1/animate"} <= set(told["paths"])
    body = told["paths"]["/svd/v1/animate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["motion_bucket_id"]["anyOf"][0]["maximum"] == 255
    assert "motion_bucket" in body["properties"]
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("number", "is_one"),
    [
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("224.0.0.1", False),
        ("no number", False),
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
    ],
)
def test_only_the_public_net_is_asked(number, is_one):
    assert fetching.is_public(number) is is_one


@pytest.mark.parametrize(
    "address",
    [
        *("file:///etc/passwd", "ftp://example.org/a", "http://", "http://a b/", "javascript:1", "//x", ""),
        *(
            "http://user:word@example.org/",
            "http://example.org:99999/",
            "http://[::1",
            "http://ex\nample.org/",
            7,
            None,
        ),
        *("http://127.0.0.1/", "http://localhost:80/", "http://[::1]/", "http://2130706433/"),
    ],
    ids=str,
)
def test_addresses_that_are_none_or_lead_inside_are_refused(client, studio, address, monkeypatch):
    monkeypatch.setitem(studio.host.options.maps[0], "svd_fetch_pictures", True)
    refused = client.post(JOBS, json={"picture": {"url": address}, **SHORT})
    assert (refused.status_code, refused.json()["error"]) == (422, "BadRequest")
    assert refused.json()["message"].endswith(".")


def test_a_picture_is_fetched_from_the_number_that_was_looked_at(client, studio, picture, monkeypatch):
    """A server of our own stands for the public net."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    content = picture.read_bytes()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = self.path == "/a.png?x=1"
            self.send_response(200 if is_there else 302)
            self.send_header("Location", "http://127.0.0.1/")
            self.send_header("Content-Length", str(len(content) if is_there else 0))
            self.end_headers()
            self.wfile.write(content if is_there else b"")

        def log_message(self, *given: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setitem(studio.host.options.maps[0], "svd_fetch_pictures", True)
    monkeypatch.setattr(fetching, "is_public", lambda number: number == "127.0.0.1")
    address = f"http://127.0.0.1:{server.server_port}/a.png?x=1"
    job = await_end(client, client.post(JOBS, json={"picture": {"url": address}, **SHORT}).json())
    assert job["state"] == "done"
    elsewhere = client.post(JOBS, json={"picture": {"url": address.replace("a.png", "b.png")}, **SHORT})
    assert elsewhere.json()["message"].startswith("The picture was not given: status 302")
    monkeypatch.setattr(fetching, "MOST_BYTES", 10)
    large = client.post(JOBS, json={"picture": {"url": address}, **SHORT})
    assert "has more than" in large.json()["message"]
    server.shutdown()
    server.server_close()


def test_a_folder_is_a_job(client, picture):
    """Its pictures lie where pictures may be read; as JSON and as a form."""
    name = str(picture.parent)
    job = await_end(client, client.post(JOBS, json={"kind": "folder", "folder": name, **SHORT}).json())
    assert (job["state"], job["error"], len(job["clips"])) == ("done", None, 1)
    form = {"kind": "folder", "folder": name, "recursive": "true", "num_frames": "2", "num_steps": "2"}
    again = client.post(JOBS, files={field: (None, value) for field, value in form.items()})
    assert again.status_code == 202, again.text
    ended = await_end(client, again.json())
    assert (ended["state"], ended["clips"]) == ("done", [])
    assert client.post(JOBS, json={"kind": "folder", "folder": "/etc"}).status_code == 422
