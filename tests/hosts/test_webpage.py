"""Our place in a web UI's page: what is registered, in which order, and who is let in."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_svd.hosts.detect import find_host
from lib_svd.hosts.webpage import WebuiPage
from lib_svd.hosts.webui import WebuiHost


@pytest.fixture
def page(stub_host) -> WebuiPage:
    stub_host("forge")
    host = find_host()
    assert isinstance(host, WebuiHost)
    return WebuiPage(host)


def callbacks(kind: str) -> list[Callable[..., Any]]:
    from modules import script_callbacks

    return [entry.callback for entry in script_callbacks.callback_map[f"callbacks_{kind}"]]


def bound_tabs() -> list[str]:
    from modules import infotext_utils

    return [binding.tabname for binding in infotext_utils.registered_param_bindings]


def test_a_tab_that_cannot_be_built_is_left_out_with_every_button_that_leads_to_it(page, caplog):
    def build() -> Any:
        page.send("button", "img2img", "picture")
        raise ZeroDivisionError("a bug")

    page.add_tab(build, "SVD", "svd_clip")
    page.send("button in txt2img", "svd_clip", "gallery")
    (tabs,) = callbacks("ui_tabs")
    assert tabs() == []
    assert bound_tabs() == []
    assert "The SVD tab could not be built" in caplog.text
    assert "a bug" in caplog.text


def test_buttons_are_bound_when_the_tab_is_there_and_once_for_each_page(page):
    def build() -> Any:
        page.send("button", "img2img", "picture")
        return "blocks"

    page.add_tab(build, "SVD", "svd_clip")
    (tabs,) = callbacks("ui_tabs")
    for _ in range(2):  # "Reload UI" builds the page anew
        page.send("button in txt2img", "svd_clip", "gallery")
        assert tabs() == [("blocks", "SVD", "svd_clip")]
    assert bound_tabs() == ["svd_clip", "img2img"] * 2


def app_with_routes(page: WebuiPage, **flags: object) -> TestClient:
    from modules import shared

    for name, value in flags.items():
        setattr(shared.cmd_opts, name, value)
    page.add_routes(lambda app, guards: app.add_api_route("/svd", lambda: "in", dependencies=guards))
    app = FastAPI()
    for started in callbacks("app_started"):
        started(None, app)
    return TestClient(app)


def test_there_are_no_routes_where_the_web_ui_has_no_api(page):
    assert app_with_routes(page, api=False, nowebui=False, api_auth=None).get("/svd").status_code == 404


@pytest.mark.parametrize("flags", [{"api": True, "nowebui": False}, {"api": False, "nowebui": True}])
def test_routes_are_open_where_the_hosts_are(page, flags):
    assert app_with_routes(page, api_auth=None, **flags).get("/svd").json() == "in"


@pytest.mark.parametrize(
    ("given", "status"),
    [("ann:one", 200), ("bob:two:three", 200), ("ann:two:three", 401), ("eve:", 401), (":", 401), (None, 401)],
)
def test_the_hosts_names_and_passwords_count_for_our_routes(page, given, status):
    client = app_with_routes(page, api=True, nowebui=False, api_auth="ann:one,bob:two:three")
    headers = {} if given is None else {"Authorization": "Basic " + base64.b64encode(given.encode()).decode()}
    assert client.get("/svd", headers=headers).status_code == status


def test_a_choice_is_remembered_among_the_hosts_settings(page):
    from modules import shared

    page.add_settings("SVD", {"svd_checkpoint": ("", "Model", None, None)})
    (settings,) = callbacks("ui_settings")
    settings()
    page.remember("svd_checkpoint", "svd_xt.safetensors")
    assert page._host.option("svd_checkpoint", "") == "svd_xt.safetensors"
    shared.opts.load(shared.config_filename)
    assert page._host.option("svd_checkpoint", "") == "svd_xt.safetensors"
