"""What OpenAPI tells of the routes is what they take: a program that keeps to it is not refused for how it writes."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import api
from lib_svd.api import jobs
from lib_svd.door import Door
from lib_svd.finish.deliveries import DELIVERIES
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue
from lib_svd.studio import Studio
from tests.conftest import await_result

pytestmark = pytest.mark.usefixtures("one_thread")
JOBS = "/svd/v1/jobs"


@pytest.fixture
def client(checkpoint, tmp_path) -> Iterator[TestClient]:
    options = {"svd_review": False}
    host = make_standalone_host("cpu", model_dirs=(checkpoint.parent,), output_dir=tmp_path / "clips", options=options)
    studio = Studio(host)
    queue, app = JobQueue(studio), FastAPI()
    api.add_routes(app, studio, queue, [])
    app.mount("/", FastAPI())  # as the page is: it answers all that is left
    yield TestClient(app)
    queue.close()


@pytest.fixture
def order(picture) -> dict[str, Any]:
    text = base64.b64encode(picture.read_bytes()).decode("ascii")
    return {"picture": text, "checkpoint": "demo", "num_frames": 2, "num_steps": 1, "width": 64, "height": 64}


@pytest.fixture
def told(client) -> dict[str, Any]:
    return client.get("/openapi.json").json()["paths"]


def find_schema(told: dict[str, Any], path: str, form: bool = False) -> dict[str, Any]:
    content = told[f"/svd/v1{path}"]["post"]["requestBody"]["content"]
    return content["multipart/form-data" if form else "application/json"]["schema"]


def make_clip(client: TestClient, order: dict[str, Any]) -> str:
    made = client.post("/svd/v1/animate", json=order)
    assert made.status_code == 200, made.json()
    return Path(made.json()["path"]).name


def test_a_whole_number_may_be_written_with_a_point(client, order):
    plain = {name: float(value) if type(value) is int else value for name, value in order.items()}
    clip = make_clip(client, plain)
    added = client.post(JOBS, json={"kind": "extend", "clip": clip, "frame": 0.0})
    assert added.status_code == 202, added.json()
    half = client.post(JOBS, json={"kind": "extend", "clip": clip, "frame": 0.5})
    assert (half.status_code, half.json()["message"]) == (
        422,
        '"frame" must be from 0 to 1, or -1 for the last one, not 0.5.',
    )
    planned = client.post("/svd/v1/memory-plan", json={"checkpoint": "demo", "picture_size": [96.0, 64.0]})
    assert planned.status_code == 200, planned.json()


def test_a_job_moves_to_a_position_with_a_point(client, order):
    waiting = [client.post(JOBS, json={**order, "num_steps": 100}).json() for _ in "abc"]
    moved = client.post(f"{JOBS}/{waiting[2]['id']}/move", json={"position": 1.0})
    assert (moved.status_code, moved.json()["position"]) == (200, 1)
    for job in waiting:
        client.delete(f"{JOBS}/{job['id']}")
    refused = client.post(f"{JOBS}/{waiting[1]['id']}/move", json={"position": 1.5})
    assert refused.json()["message"] == '"position" must be a whole number, 1 for the next job, not 1.5.'


def test_a_form_writes_switches_and_numbers_as_json_does(client, order):
    clip = make_clip(client, order)

    def send(**fields: str) -> Any:
        return client.post(JOBS, files={name: (None, text) for name, text in fields.items()})  # no file among them

    finish = {"kind": "finish", "clip": clip, "first": "1.0", "speed": "0.5"}
    for order in ({**finish, "reverse": "true"}, {**finish, "reverse": "no"}, {"kind": "extend", "clip": clip}):
        assert send(**order).status_code == 202, order
    assert send(kind="extend", clip=clip, frame="1.0").status_code == 202
    assert send(kind="extend", clip=clip, frame="0.5").status_code == 422
    refused = send(**finish, reverse="backwards")
    assert refused.json()["message"] == "\"reverse\" must be true or false, not 'backwards'."


@pytest.mark.parametrize("seed", [None, -1, 5])
def test_an_order_is_checked_and_planned_as_it_will_be_sent(client, order, seed):
    order |= {"seed": seed, "frames": True, "also": ["gif"], "source": "a cat", "speed": "draft"}
    checked = client.post("/svd/v1/check", json=order)
    assert checked.status_code == 200, checked.json()
    assert client.post("/svd/v1/check", json={**order, "frames": "some"}).status_code == 422
    settings = {name: order[name] for name in ("checkpoint", "num_frames", "seed")}
    assert client.post("/svd/v1/memory-plan", json=settings).status_code == 200


def test_what_says_nothing_about_a_clip_is_not_taken_for_nothing(client, order):
    for name, value in (("source", 0), ("also", False), ("also", {}), ("kind", "finish")):
        answer = client.post("/svd/v1/animate", json={**order, name: value})
        assert (answer.status_code, answer.json()["error"]) == (422, "BadRequest"), name


@pytest.mark.parametrize("path", ["/jobs", "/animate", "/check", "/memory-plan"])
def test_a_setting_by_two_names_is_not_guessed_at(client, order, path):
    both = {**({} if path == "/memory-plan" else order), "num_frames": 0, "video_frames": 2}
    answer = client.post(f"/svd/v1{path}", json=both)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("num_frames is given twice")


def test_a_preview_is_wanted_or_not(client, order):
    job = client.post(JOBS, json=order).json()
    for word, status in (("true", 200), ("false", 200), ("1", 200), ("-7.5", 422), ("please", 422), ("", 422)):
        assert client.get(f"{JOBS}/{job['id']}", params={"preview": word}).status_code == status, word


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/svd/v1/animate", "POST"),
        ("PUT", f"{JOBS}/0123456789abcdef", "GET, DELETE"),
        ("DELETE", JOBS, "POST, GET"),
        ("TRACE", "/svd/v1/doctor", "GET"),
        ("QUERY", f"{JOBS}/0123456789abcdef/events", "GET"),
    ],
)
def test_a_route_that_is_asked_in_another_way_says_in_which(client, method, path, allowed):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["message"] == f"{method} is not answered here: ask with {allowed.replace(', ', ' or ')}."


def test_who_would_follow_a_job_too_many_is_told_when_to_ask_again(client, order, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_FOLLOWERS", 0)
    job = client.post(JOBS, json=order).json()
    refused = client.get(f"{JOBS}/{job['id']}/events")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)


def test_a_clip_that_was_sent_is_called_so_where_it_cannot_be_finished(client):
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "GIF")
    order = {"video": base64.b64encode(stream.getvalue()).decode("ascii"), "reverse": True}
    answer = client.post("/svd/v1/finish", json=order)
    assert (answer.status_code, answer.json()["message"]) == (
        422,
        "The clip that was sent has a single frame: choose a clip.",
    )


@pytest.mark.parametrize(
    ("path", "kind"), [("clip", "video/mp4"), ("frames", "application/zip"), ("events", "text/event-stream")]
)
def test_files_are_told_as_what_they_are(client, told, order, path, kind):
    job = client.post(JOBS, json=order).json()
    assert client.get(f"{JOBS}/{job['id']}/events").text.count("event: job") >= 1  # until it has ended
    answer = client.get(f"{JOBS}/{job['id']}/{path}")
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert list(told[f"{JOBS}/{{id}}/{path}"]["get"]["responses"]["200"]["content"]) == [kind]


def test_what_goes_together_is_told(told):
    animate, (named, sent) = find_schema(told, "/animate"), find_schema(told, "/finish")["oneOf"]
    for schema, way, other in ((named, "clip", "video"), (sent, "video", "clip")):
        assert schema["required"] == [way]
        assert other not in schema["properties"]
        assert schema["properties"]["for"]["anyOf"][0]["enum"] == [*DELIVERIES]
    for schema in (animate, find_schema(told, "/memory-plan")):
        assert schema["dependentRequired"] == {"width": ["height"], "height": ["width"]}
    (sweep,) = (each for each in find_schema(told, "/jobs")["oneOf"] if each["title"] == "sweep")
    assert {"motion_bucket_id", "motion"} <= set(sweep["properties"]["sweep"]["enum"])


@pytest.mark.parametrize("path", ["/animate", "/finish", "/check"])
def test_a_form_is_not_told_to_send_null(told, path):
    assert "null" not in str(find_schema(told, path, form=True))


def test_who_is_not_let_in_is_told_in_a_shape_that_stands_there(client, told):
    refused = TestClient(Door(client.app)).get(JOBS, headers={"Host": "localhost", "Origin": "http://example.org"})
    assert (refused.status_code, set(refused.json())) == (403, {"error", "message"})
    shapes = told[JOBS]["get"]["responses"]["403"]["content"]["application/json"]["schema"]["anyOf"]
    assert {each["$ref"].rpartition("/")[2] for each in shapes} == {"Refusal", "Closed"}


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", ["/animate", "/jobs", "/check", "/memory-plan", "/jobs/{id}/move"])
def test_who_hangs_up_in_the_middle_is_no_failure_and_leaves_no_job(client, order, path, kind):
    done = client.post(JOBS, json=order).json()
    parts = iter([{"type": "http.request", "body": b'{"', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[int] = []

    async def receive() -> dict[str, Any]:
        return next(parts)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("status", 0))

    headers = [(b"host", b"localhost"), (b"content-length", b"99"), (b"content-type", kind.encode())]
    asked = f"/svd/v1{path.format(id=done['id'])}"
    scope = {"type": "http", "method": "POST", "path": asked, "query_string": b"", "headers": headers}
    await_result(client.app(scope, receive, send))
    assert sent[0] == 422
    assert [job["id"] for job in client.get(JOBS).json()] == [done["id"]]


def test_a_kind_that_is_null_is_the_usual_one(client, told, order) -> None:
    (animate,) = (each for each in find_schema(told, "/jobs")["oneOf"] if each["title"] == "animate")
    (form,) = (each for each in find_schema(told, "/jobs", form=True)["oneOf"] if each["title"] == "animate")

    added = client.post(JOBS, json={**order, "kind": None})

    assert animate["properties"]["kind"] == {"enum": ["animate", None]}
    assert form["properties"]["kind"] == {"enum": ["animate"]}
    assert (added.status_code, added.json()["kind"]) == (202, "animate")
