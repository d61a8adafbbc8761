"""Narrow checkpoints that animate in a second, a picture, a browser, and the command line in this process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeVar

# Tests run side by side, a process a core, so threads would only get in one another's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from lib_svd import places
from lib_svd.cli import main
from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig, VisionConfig
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host, write_checkpoint
from tests.needs import BROWSERS

T = TypeVar("T")

settings.register_profile("patient", deadline=None)  # other work on the machine is no fault of ours
settings.load_profile("patient")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores Ctrl-C for what it runs in the background

NARROW = NetworkConfigs(
    unet=UNetConfig(channels=(64, 64), num_res_blocks=1, attention=(True, True), emb_dim=64, context_dim=32),
    encoder=EncoderConfig(channels=(32, 32, 32, 64), num_res_blocks=1),
    decoder=DecoderConfig(channels=(32, 32, 32, 64), num_res_blocks=1),
    vision=VisionConfig(width=80, num_layers=1, mlp_width=96, patch_size=14, image_size=56, embed_dim=32),
)
PLAIN_DECODER = DecoderConfig(channels=(32, 32, 32, 64), num_res_blocks=1, temporal=False, post_quant_conv=True)
SELF_DESCRIBED = {"svd.num_frames": "5", "svd.width": "96", "svd.height": "64", "svd.num_steps": "3"}


def set_vector(vector_dim: int) -> NetworkConfigs:
    return replace(NARROW, unet=replace(NARROW.unet, vector_dim=vector_dim))


FAMILIES = {
    "svd_xt": NARROW,
    "svd_image_decoder": replace(NARROW, decoder=PLAIN_DECODER),
    "sv3d_u": set_vector(256),
    "sv3d_p": set_vector(1280),
    "animatelcm_svd_xt": NARROW,
}
"""One of each kind of model."""


SERVERS = ("served", "served_without_models", "webui")
"""Fixtures that start a server, which is worth starting once."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one server, and tests of one file, run in one process; those of servers take longest and come first."""

    def find_server(item: pytest.Item) -> str:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        return next((f"{name} {params[name]}" for name in SERVERS if name in params), "")

    items.sort(key=lambda item: not find_server(item))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(find_server(item) or item.path.name))


QUIET = [
    "--no-sandbox",  # there is none for root, as in a container
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A test says the same with and without a net.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
]


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Every program a test starts; after the test none of them runs."""
    begun: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            begun.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield begun
    assert [program.args for program in begun if program.poll() is None] == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine: the ones that playwright brings itself may lack H.264."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(f"No Chromium is installed (looked for {', '.join(BROWSERS)}): on Debian, `apt install chromium`.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> BrowserContext:
    """For all pages, as a user's: what a page has loaded once, the next one has from the cache."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(60_000)  # milliseconds
    return context


@pytest.fixture
def blank(window: BrowserContext) -> Iterator[Page]:
    """An empty page; what it kept in the browser is gone with it."""
    page = window.new_page()
    yield page
    page.evaluate("localStorage.clear()")
    page.close()


def await_result(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, on a thread of its own: a browser's tests have a loop running on this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def use_single_thread() -> Iterator[None]:
    """Narrow networks gain nothing by a second thread, and lose much where another program has that core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A narrow checkpoint by family, each in a folder of its own; 5 frames of 96x64 in 3 steps, unless it is told
    otherwise.
    """

    @cache
    def write_once(family: str) -> Path:
        path = tmp_path_factory.mktemp("models") / f"{family}.safetensors"
        with use_single_thread():
            return write_checkpoint(path, FAMILIES[family], metadata={"svd.family": family, **SELF_DESCRIBED})

    return write_once


@pytest.fixture(scope="session")
def checkpoint(checkpoint_of: Callable[[str], Path]) -> Path:
    """A narrow svd_xt."""
    return checkpoint_of("svd_xt")


@pytest.fixture
def models(tmp_path: Path, checkpoint_of: Callable[[str], Path]) -> Path:
    """A folder with two SVD models."""
    folder = tmp_path / "svd"
    folder.mkdir()
    shutil.copy(checkpoint_of("svd_xt"), folder / "svd_xt.safetensors")
    shutil.copy(checkpoint_of("sv3d_p"), folder / "sv3d_p.safetensors")
    return folder


@pytest.fixture
def studio(models: Path, tmp_path: Path) -> Studio:
    """A studio with those models, and clips in a folder beside them."""
    return Studio(make_fake_host(tmp_path, models))


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 150x100 with edges and colours, in a folder of its own."""
    return save_picture(tmp_path_factory.mktemp("pictures") / "photo.png", 150, 100)


def draw_disc(x: int, y: int, radius: int) -> Image.Image:
    """A subject on sand, 1200x800."""
    sand = np.random.default_rng(0).normal(130, 12, (800, 1200)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(sand).convert("RGB")
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(220, 60, 40))
    return image


def save_picture(path: Path, width: int, height: int) -> Path:
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, 128 + 127 * ((x // 8 + y // 8) % 2)], axis=-1)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@dataclass(frozen=True)
class Ran:
    """What came of a command line."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="session")
def nobodys_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers that many tests use keep out of the home folder too."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
            patched.setenv(name, str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The second place to save to: the user's own data folder, which is nobody's here."""
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp("data")))
    return places.list_data_folders()[0]


@pytest.fixture
def one_thread() -> Iterator[None]:
    with use_single_thread():
        yield


@pytest.fixture
def lib_svd(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> Callable[..., Ran]:
    """`python -m lib_svd WORDS`, in this process."""

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["lib_svd", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


def start(*words: object, cwd: Path, first: str = "") -> subprocess.Popen[str]:
    """`python -m lib_svd WORDS` in a process of its own; or, with `first`, some Python and then the same."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["OMP_NUM_THREADS"] = "1"
    how = ["-c", f"{first}\nfrom lib_svd.cli import main\nmain()"] if first else ["-m", "lib_svd"]
    command = [sys.executable, "-W", "error", *how, *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, **pipes)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_frames_in(folder: Path) -> npt.NDArray[np.uint8]:
    """[T, H, W, 3] from the PNG files of a folder."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below one, with what is in it; links and hidden names too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """A server that answers everything in one way; gives its address."""
    servers: list[HTTPServer] = []

    def begin(status: int, content: bytes) -> str:
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *given: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Answers))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()
