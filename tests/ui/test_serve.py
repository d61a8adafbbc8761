"""`python -m lib_svd serve`, up to where a browser is needed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from lib_svd.ui.standalone import Choices, StandalonePage, own_cache

ROOT = Path(__file__).parents[2]


def serving(*words, cwd):
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
        with serving("--port", port, cwd=here) as server:
            _, err = server.communicate(timeout=120)
    assert server.returncode == 2
    assert err.splitlines()[-1].startswith(f"Error: Port {port} cannot be used (Address already in use): choose")


def test_it_is_there_for_this_machine_only_and_ctrl_c_ends_it(here):
    with serving("--port", 0, "--models", here / "none", cwd=here) as server:
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
def test_what_gradio_keeps_is_this_pages_own_unless_it_is_told_where(here, monkeypatch, chosen):
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(here))
    if chosen:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(here / "chosen"))
    with own_cache():
        kept = Path(os.environ["GRADIO_TEMP_DIR"])
        kept.mkdir(exist_ok=True)
        (kept / "picture.png").write_bytes(b"")
        assert kept == here / "chosen" if chosen else kept.parent == here
    assert [path.name for path in here.iterdir()] == ["chosen"] * chosen
    assert ("GRADIO_TEMP_DIR" in os.environ) == chosen


def test_choices_are_kept_in_a_file_and_a_damaged_file_is_no_reason_to_stop(tmp_path):
    path = tmp_path / "new" / "page.json"
    Choices(path).keep("svd_checkpoint", "svd.safetensors")
    assert Choices(path) == {"svd_checkpoint": "svd.safetensors"}
    for damaged in ("{", "[]", "null"):
        path.write_text(damaged)
        assert Choices(path) == {}
    Choices(path).keep("svd_checkpoint", "a")
    assert json.loads(path.read_text()) == {"svd_checkpoint": "a"}


def test_jobs_run_one_after_the_other_on_one_thread(tmp_path):
    page, threads = StandalonePage(tmp_path), []
    handle = page.queued(lambda: threads.append(threading.get_ident()) or ["clip", "done"], [None])
    callers = [threading.Thread(target=handle, args=(f"task{i}",)) for i in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_breaks_is_finished_and_said(tmp_path, caplog):
    page = StandalonePage(tmp_path)
    clip, said = page.queued(lambda: 1 / 0, ["before"])("a")
    assert clip == "before"
    assert said == '<div class="error">ZeroDivisionError: the log has more.</div>'
    assert page.progress.told("a", -1, False)["completed"]
    assert caplog.records[0].exc_info


def test_a_stop_that_came_late_does_not_stop_the_next_clip(tmp_path):
    page = StandalonePage(tmp_path)
    page.stop.set()
    (*_, said) = page.queued(lambda: [str(page.stop.is_set())], [])("a")
    assert said.startswith("False")


def test_a_page_that_closes_stops_its_clip_and_begins_no_other(tmp_path):
    page, begun = StandalonePage(tmp_path), threading.Event()
    handle = page.queued(lambda: begun.set() or [str(page.stop.wait(30))], [])
    told = []
    callers = [threading.Thread(target=lambda name=name: told.append(handle(name))) for name in ("a", "b")]
    for caller in callers:
        caller.start()
    begun.wait(30)
    page.close()
    for caller in callers:
        caller.join(30)
    assert [said.startswith("True") for (*_, said) in told if "error" not in said] == [True]
