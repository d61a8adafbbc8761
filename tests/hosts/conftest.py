"""Stub hosts as fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts.stub_hosts import Stub, use_stub_host


@pytest.fixture(name="stub_host")
def standing_in(tmp_path: Path) -> Iterator[Callable[[str], Stub]]:
    """`use_stub_host("forge")`: from here on that host can be imported; its folders are below `tmp_path`."""
    with ExitStack() as leaving:
        yield lambda name: leaving.enter_context(use_stub_host(name, tmp_path))


@pytest.fixture(autouse=True)
def closes_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """gradio 6 opens an event loop for a page that is built outside of one, and leaves it open (`safe_get_lock`)."""
    opened: list[asyncio.AbstractEventLoop] = []
    new = asyncio.new_event_loop

    def open_loop() -> asyncio.AbstractEventLoop:
        opened.append(new())
        return opened[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", open_loop)
    yield
    for loop in opened:
        loop.close()
    if opened:
        asyncio.set_event_loop(None)
