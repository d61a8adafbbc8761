"""Beside other extensions: what they import is theirs, whoever is loaded first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.stub_hosts import FOLDERS, STUBS

ROOT = Path(__file__).parents[2]
OURS = ("tests", "training", "benchmarks", "install", "preload")
"""What stands at our top level and could be found in place of something of that name."""

LOADED = """
import sys
sys.path[:0] = {stubs}
from modules import extensions, script_callbacks, scripts
extensions.list_extensions()
scripts.load_scripts()
script_callbacks.before_ui_callback()
import {names}
import lib_svd.jobs.looking
print([module.WHOSE for module in ({names})], "lib_svd" in sys.modules)
"""


@pytest.mark.parametrize("theirs", ["aa", "zz"])
@pytest.mark.parametrize("host", ["forge", "a1111"])  # what puts folders on the path the stubs share
def test_our_folders_are_found_in_nobodys_place(host, theirs, tmp_path):
    """Hosts put the folder of every extension first on the path, so that of `svd` and `aa` ours would be found."""
    (tmp_path / "extensions").mkdir()
    (tmp_path / "extensions" / "svd").symlink_to(ROOT, target_is_directory=True)
    other = tmp_path / "extensions" / theirs
    for name in OURS:
        (other / name).mkdir(parents=True)
        (other / name / "__init__.py").write_text("WHOSE = 'theirs'\n")
    (other / "scripts").mkdir()
    (other / "scripts" / "other.py").touch()
    code = LOADED.format(stubs=[str(STUBS / part) for part in FOLDERS[host]], names=", ".join(OURS))
    environment = {**os.environ, "STUB_DATA_PATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1:] == [f"{['theirs'] * len(OURS)} True"], ran.stderr
