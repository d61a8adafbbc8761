"""No test here leaves a program running."""

from __future__ import annotations

import subprocess

import pytest


@pytest.fixture(autouse=True)
def nothing_runs_on(programs: list[subprocess.Popen[bytes]]) -> None:
    """Nothing that a test starts here runs on after it."""
