"""What the stand-alone page lets through to gradio when a file is asked for."""

from __future__ import annotations

import pytest

from lib_svd.ui.file_guard import FileGuard
from tests.conftest import await_result


def ask(guard, path, headers):
    """The headers that came through, and what was answered without asking."""
    sent = []

    async def send(message):
        sent.append(message)

    guard._app.headers = None
    await_result(guard({"type": "http", "path": path, "headers": headers}, None, send))
    return guard._app.headers, [message["status"] for message in sent if "status" in message]


class NotingApp:
    """An application that answers nothing."""

    async def __call__(self, scope, receive, send):
        self.headers = scope["headers"]


@pytest.fixture
def guard(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"0123456789")
    return FileGuard(NotingApp(), [tmp_path])


@pytest.mark.parametrize("route", ["/file=", "/gradio_api/file="])
@pytest.mark.parametrize(
    ("part", "passes"),
    [
        (b"bytes=0-9", True),
        (b"bytes=3-3", True),
        (b"bytes=0-10", False),
        (b"bytes=20-30", False),
        (b"bytes=4-3", False),
        (b"bytes=0-", False),
        (b"bytes=-5", False),
        (b"lines=0-1", False),
    ],
)
def test_parts_that_lie_within_the_file_are_asked_for_and_else_the_whole(guard, tmp_path, route, part, passes):
    others = [(b"host", b"localhost"), (b"accept", b"*/*")]
    came, answered = ask(guard, f"{route}{tmp_path}/clip.mp4", [*others, (b"range", part)])
    assert came == ([*others, (b"range", part)] if passes else others)
    assert answered == []


def test_a_link_out_of_the_folder_is_not_found(guard, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.touch()
    (tmp_path / "link.mp4").symlink_to(outside)
    assert ask(guard, f"/file={tmp_path}/link.mp4", []) == (None, [404])
