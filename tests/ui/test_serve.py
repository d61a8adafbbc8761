"""`python -m lib_svd serve`, up to where a browser is needed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import line
from lib_svd.errors import Busy, Interrupted
from lib_svd.files import mark
from lib_svd.ui import compat
from lib_svd.ui.clips import render_error
from lib_svd.ui.standalone import Choices, StandalonePage, use_own_cache
from tests.browser.conftest import PYTHONS
from tests.conftest import await_result

ROOT = Path(__file__).parents[2]


def serve(*words, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lib_svd", "serve", "--device", "cpu", *map(str, words)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_port_that_is_taken_is_one_sentence(here):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve("--port", port, cwd=here) as server:
            _, err = server.communicate(timeout=120)
    assert server.returncode == 2
    assert err.splitlines()[-1].startswith(f"Error: Port {port} cannot be used (Address already in use): choose")


def test_it_is_there_for_this_machine_only_and_ctrl_c_ends_it(here):
    with serve("--port", 0, "--models", here / "none", cwd=here) as server:
        address = server.stdout.readline().split()[3]
        for _ in range(300):
            try:
                urllib.request.urlopen(address, timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                break
        assert address.startswith("http://127.0.0.1:")
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=60)
    assert "Traceback" not in err
    assert server.returncode in (0, 130)


@pytest.mark.parametrize("chosen", [False, True])
def test_what_gradio_keeps_is_this_pages_own_and_goes_with_it(here, monkeypatch, chosen):
    place = here / "chosen" if chosen else here
    monkeypatch.setattr("tempfile.tempdir", str(here))
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(place))
    with use_own_cache():
        kept = Path(os.environ["GRADIO_TEMP_DIR"])
        (kept / "picture.png").write_bytes(b"")
        assert kept.parent == place
        assert kept.stat().st_mode & 0o077 == 0  # pictures are nobody else's business
    assert [*place.iterdir()] == []
    assert os.environ.get("GRADIO_TEMP_DIR") == (str(place) if chosen else None)


def test_what_a_page_that_was_killed_left_is_removed_by_the_next_one(here, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(here))
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    made = (
        f"import tempfile; from lib_svd.files import mark; tempfile.mkdtemp(prefix='page-' + mark(), dir={str(here)!r})"
    )
    subprocess.run([sys.executable, "-c", made], check=True, cwd=ROOT)
    (left,) = here.iterdir()
    (left / "upload.png").write_bytes(b"picture")
    others = [Path(tempfile.mkdtemp(prefix=f"page-{mark()}")), here / "page-svd-notes"]  # one runs, one is a user's
    others[1].mkdir()
    with use_own_cache():
        assert not left.exists()
    assert sorted(here.iterdir()) == sorted(others)


def test_choices_are_kept_in_a_file_and_a_damaged_file_is_no_reason_to_stop(tmp_path):
    path = tmp_path / "new" / "page.json"
    Choices(path).keep("svd_checkpoint", "svd.safetensors")
    assert Choices(path) == {"svd_checkpoint": "svd.safetensors"}
    for damaged in ("{", "[]", "null", "[" * 10_000, '{"svd_checkpoint": ["svd.safetensors"], "svd_preset": 5}'):
        path.write_text(damaged)
        assert Choices(path) == {}
    Choices(path).keep("svd_checkpoint", "a")
    assert json.loads(path.read_text()) == {"svd_checkpoint": "a"}


READING = """
import base64, io, pathlib
import gradio as gr
from PIL import Image, PngImagePlugin
from lib_svd.ui import compat
from lib_svd.ui.clips import render_error
from lib_svd.ui.framing import Framing
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.studio import Studio

with gr.Blocks() as blocks:
    picture = Framing(Studio(make_standalone_host("cpu")), "svd").picture
def read(data, name):
    path = pathlib.Path("kept-by-gradio")
    path.write_bytes(data)
    if compat.VERSION == 3:
        return picture.preprocess("data:image/png;base64," + base64.b64encode(data).decode())
    return picture.preprocess(picture.data_model(path=str(path), orig_name=name))

png, text = io.BytesIO(), PngImagePlugin.PngInfo()
text.add_text("parameters", "a dog")
Image.new("RGBA", (64, 64)).save(png, "PNG", pnginfo=text)
found = read(png.getvalue(), "dog.png")
print(found.mode, found.info["parameters"])
for name, size in (("wide.png", (9000, 8000)), ("icon.png", (16, 16))):
    stream = io.BytesIO()
    Image.new("1", size).save(stream, "PNG")
    print(read(stream.getvalue(), name))
for name, data in (("cut.png", png.getvalue()[:90]), ("dog.txt.png", b"no picture"), ("empty.png", b"")):
    print(read(data, name))
if compat.VERSION > 3:
    print(picture.preprocess(picture.data_model(path="/gone/dog.png", orig_name="dog.png")))
"""


@pytest.mark.parametrize("gradio", PYTHONS)
def test_a_picture_that_cannot_be_read_is_a_sentence_without_the_servers_paths(gradio, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [PYTHONS[gradio], "-W", "ignore", "-c", READING]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    mode, *told = ran.stdout.splitlines()
    assert mode == "RGBA a dog", ran.stderr
    named = gradio != "gradio3"  # which does not send names
    names = ["wide.png", "icon.png", "cut.png", "dog.txt.png", "empty.png"] if named else ["The picture"] * 5
    wanted = [
        "is 9000x8000 pixels, and at most 70 megapixels can be read: make it smaller first",
        "is only 16x16 pixels, and the shorter side must be at least 32 pixels: choose a larger picture.",
        "is incomplete or damaged",
        "is a text file, not a picture: choose a PNG, JPEG or WebP file.",
        "is empty (0 bytes): copy or download it again.",
    ]
    for name, sentence, found in zip(names, wanted, told, strict=False):
        assert found.startswith(f"{name} {sentence}")
    assert told[5:] == ["The picture is not there any more: choose it again."] * named
    assert "kept-by-gradio" not in ran.stdout
    assert not ran.stderr


def ask(*calls):
    """What handlers of a page give that are called at the same time."""

    async def gather():
        return await asyncio.gather(*calls)

    return await_result(gather())


def test_jobs_run_one_after_the_other_on_one_thread(tmp_path):
    page, threads = StandalonePage(tmp_path), []
    handle = page.queue_job(lambda: threads.append(threading.get_ident()) or ["clip", "done"], [None])
    ask(*(handle(f"task{i}") for i in range(4)))
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_a_job_that_breaks_is_finished_and_said(tmp_path, caplog):
    page = StandalonePage(tmp_path)
    ((said,),) = ask(page.queue_job(lambda: [render_error("No <clip>.")], [])("before"))
    assert said.startswith('<div class="error">No &lt;clip&gt;.</div><p class="svd-said">Time taken: ')
    ((clip, said),) = ask(page.queue_job(lambda: 1 / 0, ["before"])("a"))
    assert clip == "before"
    assert said == '<div class="error">ZeroDivisionError: the log has more.</div>'
    assert page.tasks.tell("a", -1, False)["completed"]
    assert caplog.records[0].exc_info


def test_a_stop_that_came_late_does_not_stop_the_next_clip(tmp_path):
    page = StandalonePage(tmp_path)
    page.stop.set()
    ((*_, said),) = ask(page.queue_job(lambda: [str(page.stop.is_set())], [])("a"))
    assert said.startswith("False")


def test_a_page_that_closes_stops_its_clip_and_begins_no_other(tmp_path):
    page, begun = StandalonePage(tmp_path), threading.Event()
    handle = page.queue_job(lambda: begun.set() or [str(page.stop.wait(30))], [])

    async def close():
        while not begun.is_set():
            await asyncio.sleep(0.01)
        page.close()

    async def tell():
        return await asyncio.gather(handle("a"), handle("b"), close(), return_exceptions=True)

    first, second, _ = await_result(tell())
    assert first[-1].startswith("True")
    assert isinstance(second, asyncio.CancelledError)


def test_jobs_that_wait_hold_no_thread_and_one_too_many_is_told_so(tmp_path):
    page, go_on = StandalonePage(tmp_path), threading.Event()
    handle = page.queue_job(lambda: [str(go_on.wait(60))], ["as it was"])

    async def tell():
        before = {*threading.enumerate()}
        waiting = [asyncio.ensure_future(handle(f"task{i}")) for i in range(line.MOST)]
        await asyncio.sleep(0.1)
        assert len({*threading.enumerate()} - before) == 1
        with pytest.raises(Busy, match=f"^{line.MOST} clips are waiting already: ask again when some are done.$"):
            await handle("one too many")
        assert page.tasks.tell("one too many", -1, False)["completed"]  # so its page has Generate again at once
        state = page.tasks.tell("task3", -1, False)
        assert (state["queued"], state["textinfo"]) == (True, f"In queue: 3/{line.MOST - 1}")
        go_on.set()
        return await asyncio.gather(*waiting)

    assert all(said.startswith("True") for (*_, said) in await_result(tell()))


def test_each_page_stops_its_own_job_and_no_other(tmp_path):
    page, begun, go_on = StandalonePage(tmp_path), threading.Event(), threading.Event()
    made = []

    def run_job(name):
        begun.set()
        go_on.wait(60)
        made.append((name, page.stop.is_set()))
        return [name]

    handle = page.queue_job(run_job, [])

    async def tell():
        jobs = {name: asyncio.ensure_future(handle(name, name)) for name in ("first", "second", "third", "")}
        while not begun.is_set():
            await asyncio.sleep(0.01)
        assert await page.stop_job("second")
        with pytest.raises(Interrupted, match="taken out of the queue before it was begun"):
            await asyncio.wait_for(jobs.pop("second"), 10)  # at once, though another one is being made
        state = page.tasks.tell("second", -1, False)
        assert (state["queued"], state["completed"]) == (False, True)
        assert page.tasks.tell("third", -1, False)["textinfo"] == "In queue: 1/2"
        assert not page.stop.is_set()
        await page.stop_job("first")
        for unknown in ("second", "gone", ""):
            await page.stop_job(unknown)
        go_on.set()
        return await asyncio.gather(*jobs.values())

    assert [str(said).partition("<p")[0] for (said,) in await_result(tell())] == ["first", "third", ""]
    assert made == [("first", True), ("third", False), ("", False)]


def test_the_pictures_that_wait_are_bounded_together(tmp_path):
    page, go_on = StandalonePage(tmp_path), threading.Event()
    handle, picture = page.queue_job(lambda picture: [str(go_on.wait(60))], []), Image.new("1", (8000, 8000))

    async def tell():
        waiting = [asyncio.ensure_future(handle(f"task{i}", picture)) for i in range(3)]
        await asyncio.sleep(0.1)
        go_on.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert [isinstance(each, Busy) for each in await_result(tell())] == [False, False, True]


@pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning")  # gradio's own
def test_what_gradio_copied_is_removed_while_the_page_runs(tmp_path, monkeypatch):
    """Three hours later; here a second."""
    monkeypatch.setattr(compat, "KEPT", (1, 1))
    blocks = compat.make_page("Page", None)
    app = compat.mount(FastAPI(), blocks, tmp_path, None)
    copied = tmp_path / "copy.png"
    copied.write_bytes(b"picture")
    blocks.temp_file_sets.append({str(copied)})
    with TestClient(app):
        until = time.monotonic() + 60
        while copied.exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert not copied.exists()
