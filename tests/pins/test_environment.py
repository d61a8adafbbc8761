"""Which Python a row is built with."""

from __future__ import annotations

import os

import pytest

from tests.pins.environment import find_python

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts of a shell stand for Pythons")


def test_a_python_that_does_not_run_is_passed_over(tmp_path, monkeypatch):
    """pyenv puts a script first on the PATH that refuses where no such version was chosen."""
    for folder, code in (("shims", 127), ("real", 0)):
        (tmp_path / folder).mkdir()
        python = tmp_path / folder / "python9.9"
        python.write_text(f"#!/bin/sh\nexit {code}\n")
        python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'real'}")
    assert find_python("9.9") == str(tmp_path / "real" / "python9.9")
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    with pytest.raises(FileNotFoundError, match=r"No python9\.9 on the PATH runs\."):
        find_python("9.9")
