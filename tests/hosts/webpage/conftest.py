"""One server a host for all tests here, and pages of it in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.hosts.webpage.driver import Driver

ROOT = Path(__file__).parents[3]
GRADIO_3 = ROOT / ".venv-gradio3" / "bin" / "python"
PYTHON = {"forge": sys.executable, "reforge": os.environ.get("SVD_GRADIO3_PYTHON", str(GRADIO_3))}
"""Which Python has the host's gradio."""


@dataclass(frozen=True)
class Webui:
    """A server that is running."""

    host: str
    address: str
    data: Path

    def ask(self, path: str, sent: Any = None) -> Any:
        """GET, or POST of JSON; gives JSON. An error's text is in the exception."""
        body = None if sent is None else json.dumps(sent).encode()
        request = urllib.request.Request(f"{self.address}{path}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def log(self) -> str:
        """What the server printed so far."""
        return (self.data / "log.txt").read_text("utf-8")


@contextmanager
def serve(host: str, data: Path, *extensions: Path) -> Iterator[Webui]:
    """A host with these extensions, until the end of the block."""
    if not Path(PYTHON[host]).exists():
        pytest.fail(f"There is no {PYTHON[host]}: run `make .venv-gradio3/installed`.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [word for path in extensions for word in ("--extension", str(path))]
    command = [PYTHON[host], "-m", "tests.hosts.webpage", "--host", host, *given, "--data", str(data)]
    with (data / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--api"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Webui(host, f"http://127.0.0.1:{port}", data)
    try:
        wait_for(lambda: "Ready:" in running.log() or server.poll() is not None, 120, running.log)
        assert server.poll() is None, running.log()
        yield running
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session", params=PYTHON)
def webui(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, checkpoint_of: Callable[[str], Path]
) -> Iterator[Webui]:
    """A host with the probe and with the project's own extension, and narrow models in models/svd."""
    data = tmp_path_factory.mktemp(request.param)
    (data / "models" / "svd").mkdir(parents=True)
    for family, name in (("svd_xt", "svd_xt"), ("sv3d_p", "turning_sv3d_p")):  # by name, the first is the usual one
        shutil.copy(checkpoint_of(family), data / "models" / "svd" / f"{name}.safetensors")
    with serve(request.param, data, Path(__file__).parent / "probe", ROOT) as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """What a page's scripts said went wrong; a test that makes something go wrong clears it."""
    return []


@pytest.fixture
def page(blank: Page, webui: Webui, complaints: list[str]) -> Iterator[Page]:
    """The web UI's page; the test fails if a script on it threw or complained."""
    blank.on("pageerror", lambda error: complaints.append(str(error)))
    blank.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    blank.goto(webui.address)
    blank.wait_for_selector("#txt2img_generate")
    blank.wait_for_function("Object.keys(opts).length > 0")
    yield blank
    assert [text for text in complaints if not _is_of_no_consequence(text)] == []


@pytest.fixture
def on(page: Page) -> Driver:
    """What a user does on the page, by the names of parts."""
    return Driver(page)


def wait_for(done: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Until something is so; the text of what went wrong if it never is."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.1)


def _is_of_no_consequence(complaint: str) -> bool:
    """Fonts and the like that gradio wants from elsewhere, and an upload that it gives up when it has been done."""
    harmless = ("manifest.json", "Failed to load resource", "fonts.googleapis.com", "AbortError")
    return any(text in complaint for text in harmless)
