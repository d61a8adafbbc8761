"""No test here leaves a program running."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Every program a test starts; after the test none of them runs."""
    programs: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            programs.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield programs
    assert [program.args for program in programs if program.poll() is None] == []
