"""Stub hosts as fixtures."""

from __future__ import annotations

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
