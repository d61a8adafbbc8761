"""What a web UI runs of ours before it starts: flags, and packages that are missing."""

from __future__ import annotations

import configparser
import importlib.util
import re
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def load(name: str) -> ModuleType:
    """A file of the top level as a module, as a web UI loads it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_folders_with_models_can_be_named_on_the_web_uis_command_line():
    parser = ArgumentParser()
    load("preload").preload(parser)
    assert parser.parse_args([]).svd_dir == []
    assert parser.parse_args(["--svd-dir", "/a", "--svd-dir", "/b"]).svd_dir == ["/a", "/b"]


def test_nothing_is_installed_where_everything_is_there(tmp_path):
    ran = subprocess.run(
        [sys.executable, ROOT / "install.py"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert ran.stdout + ran.stderr == ""


def test_only_what_is_missing_is_added_and_nothing_is_brought_along(monkeypatch):
    install, ran = load("install"), []
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "imageio_ffmpeg" else there(name))
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: ran.append(command) or subprocess.CompletedProcess([], 0)
    )
    assert install.find_missing() == ["imageio-ffmpeg>=0.4.9,<1"]
    install.install(install.find_missing())
    (command,) = ran
    assert command[1:4] == ["-m", "pip", "install"]
    assert "--no-deps" in command
    assert "--upgrade" not in command
    assert command[-1] == "imageio-ffmpeg>=0.4.9,<1"


def test_a_failed_installation_says_what_to_do_and_does_not_stop_the_web_ui(monkeypatch, capsys):
    install = load("install")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    install.install(["imageio-ffmpeg>=0.4.9,<1"])
    assert re.search(r"could not install imageio-ffmpeg>=0\.4\.9,<1\. By hand: .* pip install", capsys.readouterr().err)


@pytest.mark.parametrize("package", ["torch", "diffusers", "numpy", "pillow", "gradio", "pydantic", "accelerate"])
def test_a_hosts_own_packages_are_never_installed(package):
    assert not any(requirement.startswith(package) for requirement in load("install").NEEDED.values())


def test_web_uis_can_name_the_extension():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "metadata.ini")
    assert metadata["Extension"]["Name"] == "svd-for-forge"
