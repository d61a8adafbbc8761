"""A page of the browser, a web server for it to load from, and the stand-alone page in three versions of gradio."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.tab import find_part

ROOT = Path(__file__).parents[2]
PYTHONS = {
    "gradio4": Path(sys.executable),
    "gradio3": ROOT / ".venv-gradio3" / "bin" / "python",
    "gradio6": ROOT / ".venv-gradio6" / "bin" / "python",
}
"""Which Python has which gradio."""
GRADIOS_OWN = r"net::|AbortError|Connection errored out"  # it asks the net for a script, and says that its stream ended


@pytest.fixture
def page(blank: Page) -> Iterator[Page]:
    """An empty page; the test fails if a script on it threw."""
    thrown: list[str] = []
    blank.on("pageerror", lambda error: thrown.append(str(error)))
    yield blank
    assert thrown == []


class _Ranged(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, whole or in part: a browser asks for parts of a video when it jumps."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the name is the base class's
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2] or len(content)) if asked else len(content), len(content) - 1)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end + 1 - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start : end + 1])

    def log_message(self, *_given: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_given: object) -> None:
        """A browser hangs up in the middle of a video when it has seen enough."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder on this machine only; gives its address, without a slash at the end."""
    servers: list[_Server] = []

    def start(folder: Path) -> str:
        server = _Server(("127.0.0.1", 0), functools.partial(_Ranged, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Served:
    """A page that is being served."""

    address: str
    folder: Path  # of the clips; beside it is `pictures`, where pictures may be read
    log: Path


@pytest.fixture(scope="session", params=PYTHONS)
def served(request, tmp_path_factory, checkpoint_of) -> Iterator[Served]:
    here = tmp_path_factory.mktemp("served")
    models = here / "models"
    models.mkdir()
    for family in ("svd_xt", "svd_image_decoder", "sv3d_p"):
        shutil.copy(checkpoint_of(family), models)
    yield from _serve(PYTHONS[request.param], here, models)


@pytest.fixture(scope="session", params=PYTHONS)
def served_without_models(request, tmp_path_factory) -> Iterator[Served]:
    here = tmp_path_factory.mktemp("served_without_models")
    yield from _serve(PYTHONS[request.param], here, here / "models")


@pytest.fixture
def served_to_a_new_user(served_without_models) -> Served:
    """Without any model, clip or setting of the user's."""
    if served_without_models.folder.exists():
        shutil.rmtree(served_without_models.folder)
    return served_without_models


def _serve(python: Path, here: Path, models: Path) -> Iterator[Served]:
    if not python.exists():
        pytest.fail(f"There is no {python}: run `make {python.parts[-3]}/installed`.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    words = ["serve", "--port", str(port), "--models", str(models), "--out", str(here / "clips"), "--device", "cpu"]
    words += ["--pictures", str(here / "pictures")]
    with (here / "log").open("w") as log:
        server = subprocess.Popen(
            [str(python), "-m", "lib_svd", *words], cwd=here, env=environment, stdout=log, stderr=log
        )
    try:
        found = Served(f"http://127.0.0.1:{port}", here / "clips", here / "log")
        _wait_for(found, server)
        yield found
    finally:
        server.terminate()
        server.wait(30)
    # Gradio 3 logs every page that is left, with all that stands before it.
    log = (here / "log").read_text()
    ours = re.search(rf'File "{re.escape(str(ROOT))}/lib_svd/(?!door|ui/file_guard|ui/own_only)', log)
    assert ours is None, log[max(0, ours.start() - 2000) :]


def _wait_for(served: Served, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, served.log.read_text()
        try:
            urllib.request.urlopen(served.address, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(served.log.read_text())


@pytest.fixture
def tab(blank: Page, served: Served) -> Iterator[Page]:
    """The page, loaded; the test fails if a script threw or its console shows an error."""
    yield from _load_page(blank, served, "made for 5 frames")


@pytest.fixture
def tab_of_a_new_user(blank: Page, served_to_a_new_user: Served) -> Iterator[Page]:
    yield from _load_page(blank, served_to_a_new_user, "made for 8 frames of 64x64")


def _load_page(page: Page, served: Served, about: str) -> Iterator[Page]:
    expect.set_options(timeout=60_000)
    errors: list[str] = []
    page.on("pageerror", lambda thrown: errors.append(str(thrown)))
    page.on("console", lambda said: errors.append(f"{said.text} {said.location}") if said.type == "error" else None)
    page.goto(served.address)
    expect(find_part(page, "about")).to_contain_text(about)
    yield page
    assert [error for error in errors if not re.search(GRADIOS_OWN, error)] == [], served.log.read_text()[-5000:]
