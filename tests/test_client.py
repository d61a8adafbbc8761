"""The client against a real server: the stand-alone page as a user starts it, and servers that answer badly."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from lib_svd import video
from lib_svd.client import Refused, Svd
from tests.conftest import start

SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture(scope="module")
def svd(tmp_path_factory, checkpoint) -> Iterator[Svd]:
    here = tmp_path_factory.mktemp("client")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--port", port, "--models", checkpoint.parent, "--out", here / "clips", "--device", "cpu"]
    server = start("serve", *words, cwd=here, first="import warnings; warnings.simplefilter('ignore')")
    svd = Svd(f"http://127.0.0.1:{port}/")
    for _ in range(600):
        try:
            svd.jobs()
            break
        except Refused:
            assert server.poll() is None, server.stderr and server.stderr.read()
            time.sleep(0.1)
    yield svd
    server.terminate()
    try:
        server.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()


def test_a_clip_in_two_lines(svd, picture, checkpoint, tmp_path):
    clip = svd.animate(picture, checkpoint=checkpoint.name, seed=5, **SHORT)
    path = clip.save(tmp_path / "clip.mp4")
    assert video.probe(path).num_frames == 2
    assert clip.about["settings"]["seed"] == 5
    with pytest.raises(FileExistsError):
        clip.save(path)


def test_jobs_are_followed_listed_moved_and_cancelled(svd, picture, checkpoint):
    long = svd.submit(picture=picture.read_bytes(), checkpoint=checkpoint.name, num_frames=2, num_steps=100)
    waits = svd.submit(picture=picture, checkpoint=checkpoint.name, **SHORT)
    other = svd.submit(picture=picture, checkpoint=checkpoint.name, **SHORT)
    assert other.move(1).about["position"] == 1
    assert waits.cancel().state == "cancelled"
    with pytest.raises(Refused, match=r"The job was taken out of the queue\.") as stopped:
        waits.wait()
    assert stopped.value.error == "Interrupted"
    with pytest.raises(TimeoutError, match="wait longer, or cancel it"):
        other.wait(0)
    long.cancel()
    states = [about["state"] for about in other.follow()]
    assert states[-1] == "done"
    assert zipfile.ZipFile(BytesIO(other.frames())).namelist() == ["0000.png", "0001.png"]
    assert other.id in {job.id for job in svd.jobs()}
    other.forget()
    assert other.id not in {job.id for job in svd.jobs()}


def test_a_clip_is_finished_and_measured(svd, picture, checkpoint):
    made = svd.animate(picture, checkpoint=checkpoint.name, num_frames=3, num_steps=1)
    name = Path(made.about["path"]).name
    assert svd.finish(name, loop="pingpong").about["num_frames"] == 4
    assert svd.review(name)["num_frames"] == 3
    assert checkpoint.name in {model["name"] for model in svd.models()}


def test_a_refusal_is_the_servers_sentence(svd, picture):
    with pytest.raises(Refused, match="Motion must be from 1 to 255") as refused:
        svd.animate(picture, motion_bucket_id=999)
    assert (refused.value.status, refused.value.error) == (422, "BadRequest")


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (200, b"<html>", "gave no answer that can be read"),
        (404, b"<html>", "The server answered with status 404: is it the right address?"),
        (401, b'{"detail": "Incorrect username or password"}', "Incorrect username or password"),
        (500, b"[]", "The server answered with status 500"),
    ],
)
def test_a_server_of_another_kind_is_said_to_be_one(answering, status, content, sentence):
    with pytest.raises(Refused, match=sentence):
        Svd(answering(status, content)).models()


def test_a_server_that_is_not_there_is_said_so():
    with pytest.raises(Refused, match="does not answer"):
        Svd("http://127.0.0.1:1").models()


def test_a_password_does_not_go_where_a_server_redirects_to():
    seen = []

    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(302 if self.path == "/svd/v1/models" else 200)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/other")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *given: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Redirects) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert Svd(f"http://127.0.0.1:{server.server_port}", "me", "secret").models() == []
        server.shutdown()
    assert seen == [("/svd/v1/models", "Basic bWU6c2VjcmV0"), ("/other", None)]
