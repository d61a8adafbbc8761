"""Our place in a web UI's page: what is registered, in which order, and who is let in."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from markupsafe import Markup

from lib_svd import line
from lib_svd.errors import Busy, Interrupted
from lib_svd.hosts.detect import find_host
from lib_svd.hosts.webpage import WebuiPage
from lib_svd.hosts.webui import WebuiHost
from tests.conftest import await_result
from tests.hosts.webpage.conftest import ROOT


@pytest.fixture
def page(stub_host) -> WebuiPage:
    stub_host("forge")
    host = find_host()
    assert isinstance(host, WebuiHost)
    return WebuiPage(host, lambda part: f"{part}_generate")


def list_callbacks(kind: str) -> list[Callable[..., Any]]:
    from modules import script_callbacks

    return [entry.callback for entry in script_callbacks.callback_map[f"callbacks_{kind}"]]


def list_bound_tabs() -> list[str]:
    from modules import infotext_utils

    return [binding.tabname for binding in infotext_utils.registered_param_bindings]


def test_a_tab_that_cannot_be_built_says_so_and_no_button_leads_to_it(page, caplog):
    def build() -> Any:
        page.send("button", "img2img", "picture")
        raise ZeroDivisionError("a bug")

    page.add_tab(build, str.upper, "SVD", "svd_clip")
    page.send("button in txt2img", "svd_clip", "gallery")
    (tabs,) = list_callbacks("ui_tabs")
    why = "THE SVD TAB COULD NOT BE BUILT (ZERODIVISIONERROR: A BUG): THE LOG HAS MORE."
    assert tabs() == [(why, "SVD", "svd_clip")]
    assert list_bound_tabs() == []
    assert "The SVD tab could not be built" in caplog.text
    assert "a bug" in caplog.text


@pytest.mark.parametrize("theirs", [["SVD"], ["Before", "svd"], ["SVD", "SVD"]])
@pytest.mark.parametrize("is_first", [True, False])
def test_beside_another_svd_tab_ours_has_another_name_whoever_comes_first(page, theirs, is_first):
    from modules import script_callbacks

    def add_others() -> None:
        for number, label in enumerate(theirs):
            script_callbacks.on_ui_tabs(lambda label=label, number=number: [("blocks", label, f"theirs{number}")])

    for _ in range(2):  # "Reload UI" registers everything anew, and keeps the host's modules
        script_callbacks.clear_callbacks()
        if not is_first:
            add_others()
        page.add_tab(lambda: "ours", str, "SVD", "svd_clip")
        if is_first:
            add_others()
        labels = {part: label for _, label, part in script_callbacks.ui_tabs_callback()}
        assert labels.pop("svd_clip") == "SVD clip"
        assert list(labels.values()) == theirs


def test_what_the_host_adds_to_our_html_is_html(page):
    job = page.queue_job(lambda picture: (picture, Markup("<p>{}</p>").format("a < b")), [None])
    picture, said = await_result(job("task(1)", "a picture"))
    assert picture == "a picture"
    assert re.fullmatch(r"<p>a &lt; b</p><div class='performance'>[\d.]+ sec\.</div>", said), said


def test_alone_ours_is_called_svd(page):
    from modules import script_callbacks

    page.add_tab(lambda: "ours", str, "SVD", "svd_clip")
    script_callbacks.on_ui_tabs(lambda: [("blocks", "Another", "another")])
    assert [label for _, label, _ in script_callbacks.ui_tabs_callback()] == ["SVD", "Another"]


def test_buttons_are_bound_when_the_tab_is_there_and_once_for_each_page(page):
    def build() -> Any:
        page.send("button", "img2img", "picture")
        return "blocks"

    page.add_tab(build, str, "SVD", "svd_clip")
    (tabs,) = list_callbacks("ui_tabs")
    for _ in range(2):  # "Reload UI" builds the page anew
        page.send("button in txt2img", "svd_clip", "gallery")
        assert tabs() == [("blocks", "SVD", "svd_clip")]
    assert list_bound_tabs() == ["svd_clip", "img2img"] * 2


def make_app(page: WebuiPage, **flags: object) -> TestClient:
    from modules import shared

    for name, value in flags.items():
        setattr(shared.cmd_opts, name, value)
    page.add_routes(lambda app, guards: app.add_api_route("/svd", lambda: "in", dependencies=guards))
    app = FastAPI()
    for started in list_callbacks("app_started"):
        started(None, app)
    return TestClient(app)


def test_there_are_no_routes_where_the_web_ui_has_no_api(page):
    assert make_app(page, api=False, nowebui=False, api_auth=None).get("/svd").status_code == 404


@pytest.mark.parametrize("flags", [{"api": True, "nowebui": False}, {"api": False, "nowebui": True}])
def test_routes_are_open_where_the_hosts_are(page, flags):
    assert make_app(page, api_auth=None, **flags).get("/svd").json() == "in"


@pytest.mark.parametrize(
    ("given", "status"),
    [("ann:one", 200), ("bob:two:three", 200), ("ann:two:three", 401), ("eve:", 401), (":", 401), (None, 401)],
)
def test_the_hosts_names_and_passwords_count_for_our_routes(page, given, status):
    client = make_app(page, api=True, nowebui=False, api_auth="ann:one,bob:two:three")
    headers = {} if given is None else {"Authorization": "Basic " + base64.b64encode(given.encode()).decode()}
    assert client.get("/svd", headers=headers).status_code == status


ASKED = """
import asyncio
import base64
from argparse import Namespace
from fastapi import FastAPI
from fastapi.testclient import TestClient
from lib_svd.api import add_routes
from lib_svd.hosts.webpage import _list_guards
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.studio import Studio

app = FastAPI()
add_routes(app, Studio(make_standalone_host("cpu")), _list_guards(Namespace(api_auth="ann:one")))
client = TestClient(app)
known = {"Authorization": "Basic " + base64.b64encode(b"ann:one").decode()}
for headers in (known, {}):
    asked = client.get("/svd/v1/models", headers=headers), client.post("/svd/v1/animate", headers=headers, json={})
    print([answer.status_code for answer in asked])
for other in ({"Origin": "http://example.org"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
    asked = client.get("/svd/v1/models", headers={**known, **other}), client.post("/svd/v1/animate", headers=other)
    print([answer.status_code for answer in asked])
"""


def test_our_routes_are_behind_the_hosts_password(tmp_path):
    assert_guarded(sys.executable, tmp_path)


def assert_guarded(python: str, folder: Path) -> None:
    """Our routes are there with the FastAPI of this Python, and ask for the password."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-W", "ignore", "-c", ASKED]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout == "[200, 422]\n[401, 401]\n" + 3 * "[403, 403]\n", ran.stderr


@pytest.mark.parametrize(
    ("flags", "origin", "status"),
    [
        ({}, "http://testserver", 200),
        ({}, "http://example.org", 403),
        ({}, "http://testserver:81", 403),
        ({"cors_allow_origins": "http://a.org,http://example.org"}, "http://example.org", 200),
        ({"cors_allow_origins": "http://a.org"}, "http://example.org", 403),
        ({"cors_allow_origins": "*"}, "http://example.org", 200),
        ({"cors_allow_origins_regex": "http://.*[.]org"}, "http://example.org", 200),
        ({"cors_allow_origins_regex": "http://.*[.]org"}, "http://example.org.net", 403),
    ],
)
def test_other_sites_are_let_in_where_the_web_ui_lets_them_in(page, flags, origin, status):
    client = make_app(page, api=True, nowebui=False, api_auth=None, **flags)
    assert client.get("/svd", headers={"Origin": origin}).status_code == status


def test_a_choice_is_remembered_among_the_hosts_settings(page):
    from modules import shared

    page.add_settings("SVD", {"svd_checkpoint": ("Model", None, None)})
    (settings,) = list_callbacks("ui_settings")
    settings()
    page.remember("svd_checkpoint", "svd_xt.safetensors")
    assert page._host.options["svd_checkpoint"] == "svd_xt.safetensors"
    shared.opts.load(shared.config_filename)
    assert page._host.options["svd_checkpoint"] == "svd_xt.safetensors"


@pytest.mark.parametrize("name", ["forge", "a1111"])
def test_jobs_that_wait_in_the_tab_hold_one_thread_and_stand_in_the_hosts_queue(stub_host, name):
    stub = stub_host(name)
    host = find_host()
    assert isinstance(host, WebuiHost)
    page, made = WebuiPage(host, lambda part: f"{part}_generate"), []
    handle = page.queue_job(lambda number: made.append(number) or ["clip", "done"], [None])

    async def tell() -> list[Any]:
        from modules import progress

        with stub.queue_lock:  # a picture is being made
            before = {*threading.enumerate()}
            waiting = [asyncio.ensure_future(handle(f"task(svd-{n})", n)) for n in range(line.MOST)]
            await asyncio.sleep(0.1)
            assert len({*threading.enumerate()} - before) == 1
            assert list(progress.pending_tasks) == [f"task(svd-{n})" for n in range(line.MOST)]
            with pytest.raises(Busy, match=f"{line.MOST} clips are waiting already"):
                await handle("task(svd-more)", 0)
            assert "task(svd-more)" in progress.finished_tasks  # so its page has Generate again at once
        return await asyncio.gather(*waiting)

    assert [outputs[0] for outputs in await_result(tell())] == ["clip"] * line.MOST
    assert made == [*range(line.MOST)]


@pytest.mark.parametrize("name", ["forge", "a1111"])
def test_a_job_that_waits_leaves_the_queue_alone_and_the_one_that_runs_is_the_hosts_to_stop(stub_host, name):
    stub = stub_host(name)
    host = find_host()
    assert isinstance(host, WebuiHost)
    page, made, begun, go_on = WebuiPage(host, lambda part: part), [], threading.Event(), threading.Event()

    def run_job(number: int) -> list[Any]:
        begun.set()
        go_on.wait(60)
        made.append(number)
        return ["clip", "done"]

    handle = page.queue_job(run_job, [None])

    async def tell() -> list[Any]:
        from modules import progress, shared

        with stub.queue_lock:  # a picture is being made, and our first job waits for that
            jobs = [asyncio.ensure_future(handle(f"task(svd-{n})", n)) for n in range(4)]
            await asyncio.sleep(0.1)
            for n in (0, 2):
                assert await page.stop_job(f"task(svd-{n})")
                with pytest.raises(Interrupted):
                    await asyncio.wait_for(jobs[n], 10)
                assert f"task(svd-{n})" in progress.finished_tasks
            assert list(progress.pending_tasks) == ["task(svd-1)", "task(svd-3)"]
            assert not shared.state.interrupted
        while not begun.is_set():
            await asyncio.sleep(0.01)
        assert not await page.stop_job("task(svd-1)")
        for unknown in ("task(svd-on-its-way)", ""):
            assert await page.stop_job(unknown)  # the host's Interrupt would stop the job of somebody else
        go_on.set()
        return await asyncio.gather(jobs[1], jobs[3])

    assert [outputs[0] for outputs in await_result(tell())] == ["clip", "clip"]
    assert made == [1, 3]
