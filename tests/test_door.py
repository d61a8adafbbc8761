"""Who is let in, told by what a browser sends; that browsers do send it is shown in tests/browser/test_strangers.py."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from lib_svd.door import MOST_BYTES, Door

OPENED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def behind() -> FastAPI:
    app = FastAPI()
    for path in ("/", "/file"):
        app.add_api_route(path, lambda: "in", methods=["GET", "POST"])

    @app.websocket("/socket")
    async def socket(opened: WebSocket) -> None:
        await opened.accept()
        await opened.close()

    return app


def ask(app: FastAPI, at: str, method: str = "GET", names: tuple[str, ...] = (), **headers: str) -> int:
    client = TestClient(Door(app, names), base_url=at)
    return client.request(
        method, "/file", headers={name.replace("_", "-"): each for name, each in headers.items()}
    ).status_code


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("http://127.0.0.1:7870", 200),
        ("http://localhost:7870", 200),
        ("http://LOCALHOST", 200),
        ("http://example.org:7870", 403),
        ("http://localhost.example.org", 403),
        ("http://127.0.0.1.example.org", 403),
        ("http://0.0.0.0:7870", 403),
        ("http://192.168.0.7:7870", 403),
    ],
)
def test_the_page_is_asked_by_a_name_of_this_machine(behind, at, status):
    assert ask(behind, at) == status


def test_an_address_may_have_colons(behind):
    assert ask(behind, "http://localhost", Host="[::1]:7870") == 200


@pytest.mark.parametrize("host", ["", "[", "[::1", "localhost, example.org", "example.org@localhost:x"])
def test_a_host_that_is_no_name_is_none_of_ours(behind, host):
    assert ask(behind, "http://localhost", Host=host) == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7870", 200),
        ("https://localhost:7870", 200),  # a proxy on this machine that speaks TLS
        ("http://localhost", 403),
        ("http://localhost:7871", 403),
        ("http://127.0.0.1:7870", 403),
        ("http://example.org", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
def test_what_is_sent_comes_from_the_page_itself(behind, origin, status):
    assert ask(behind, "http://localhost:7870", "POST", Origin=origin) == status


def test_names_that_the_user_gives_are_the_pages_own(behind):
    names = ("svd.example.org", "box:8080")
    assert ask(behind, "https://svd.example.org", "POST", names, Origin="https://svd.example.org") == 200
    assert ask(behind, "http://127.0.0.1:7870", "POST", names, Origin="https://SVD.example.org") == 200
    assert ask(behind, "http://box:8080", "POST", names, Origin="http://box:8080") == 200
    assert ask(behind, "http://box:8081", "POST", names) == 403
    assert ask(behind, "http://localhost", "POST", names, Origin="http://box:8081") == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        (OPENED, 403),
    ],
)
def test_files_are_for_the_page_itself_and_for_programs(behind, headers, status):
    assert ask(behind, "http://localhost", **headers) == status


@pytest.mark.parametrize(
    ("method", "changes", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"Sec-Fetch-Dest": "iframe"}, 403),
        ("GET", {"Sec-Fetch-Mode": "no-cors"}, 403),
        ("POST", {}, 403),
    ],
)
def test_a_link_may_open_the_page_but_not_frame_it_nor_send_to_it(behind, method, changes, status):
    client = TestClient(Door(behind), base_url="http://localhost")
    assert client.request(method, "/", headers={**OPENED, **changes}).status_code == status


def test_a_socket_is_opened_by_the_page_itself_alone(behind):
    client = TestClient(Door(behind), base_url="http://localhost")
    with client.websocket_connect("/socket", headers={"Host": "localhost", "Origin": "http://localhost"}):
        pass
    refused = client.websocket_connect("/socket", headers={"Host": "localhost", "Origin": "http://example.org"})
    with pytest.raises(WebSocketDisconnect, match="Another site sent this"), refused:
        pass


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(MOST_BYTES)}, 200),
        ({"Content-Length": str(MOST_BYTES + 1)}, 413),
        ({"Content-Length": "9" * 5000}, 413),
        ({"Content-Length": "-1"}, 413),
        ({"Content-Length": "²"}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_says_how_large_it_is_and_is_not_too_large(behind, headers, status):
    client = TestClient(Door(behind), base_url="http://localhost")
    answer = client.get("/file", headers={name: value.encode("latin-1") for name, value in headers.items()})
    assert answer.status_code == status
    assert status == 200 or answer.json()["message"].endswith(".")
