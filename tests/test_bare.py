"""What a user sees where something is missing: packages, a browser, a gradio that fits, a Python that is new enough."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import click
import pytest

from lib_svd import __main__, doctor
from tests import needs

ROOT = Path(__file__).parents[1]
COMMANDS = ("animate", "sweep", "review", "check", "history", "inspect", "serve", "--help", "nonsense")


def run_without_packages(*words, cwd, beside=ROOT):
    """`python -m lib_svd WORDS` by a Python that finds the standard library and a folder, and no packages."""
    environment = {"PYTHONPATH": str(beside), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-W", "error", "-m", "lib_svd", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_packages_a_command_is_one_sentence(here, command):
    ran = run_without_packages(command, cwd=here)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert len(ran.stderr.splitlines()) == 1
    for words in ("Error: torch, ", "click", sys.executable):
        assert words in ran.stderr


def test_with_some_packages_the_rest_is_named(here):
    (here / "packages").mkdir()
    for name in ("lib_svd", "click"):
        found = ROOT / name if name == "lib_svd" else Path(click.__file__).parent
        (here / "packages" / name).symlink_to(found)
    ran = run_without_packages("animate", "photo.jpg", "--checkpoint", "demo", cwd=here, beside=here / "packages")
    assert ran.returncode == 1
    assert re.fullmatch(r"Error: torch, .*opencv-python-headless cannot be found by .*\n", ran.stderr)
    assert "click" not in ran.stderr


def test_the_doctor_needs_no_packages(here):
    ran = run_without_packages("doctor", cwd=here)
    assert (ran.returncode, ran.stderr) == (1, "")
    for words in (
        "device: not known without torch",
        "torch: missing",
        "page: The page needs gradio",
        "problem: torch, ",
    ):
        assert words in ran.stdout
    found = json.loads(run_without_packages("doctor", "--json", cwd=here).stdout)
    assert set(found["packages"].values()) == {"missing"}
    assert found["problem"].startswith("torch, ")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout in which everything is missing."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "lib_svd" / "doctor.py"))
    monkeypatch.setattr(doctor, "_find_version", lambda name: "missing")
    return tmp_path


def test_in_an_environment_the_checkout_is_installed(checkout):
    assert f"run `{sys.executable} -m pip install {checkout}`." in doctor.find_problem()


def test_a_systems_own_python_is_told_of_an_environment(checkout, monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert f"run `{sys.executable} -m venv .venv`, then `.venv/bin/python -m pip install " in doctor.find_problem()


def test_an_environment_that_make_has_set_up_is_named(checkout):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert f"use {python}, which `make` has set up." in doctor.find_problem()


def test_outside_a_checkout_packages_are_installed_by_name(checkout, monkeypatch):
    (checkout / "pyproject.toml").unlink()
    monkeypatch.setattr(doctor, "_find_version", lambda name: "missing" if name == "psutil" else "1")
    assert doctor.find_problem() == (
        f"psutil cannot be found by {sys.executable}: run `{sys.executable} -m pip install psutil`."
    )


def test_a_python_that_is_too_old_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"^Error: Python .* is too old: it must be 3\.10 or newer\.$"):
        __main__.main()


@pytest.mark.parametrize(
    ("gradio", "starlette", "said"),
    [
        ("missing", "missing", "The page needs gradio, which is not installed"),
        ("3.40.1", "0.27.0", "too old"),
        ("7.0.0", "1.10.0", "newer than the page knows"),
        ("4.40.0", "1.0.0", "cannot show a page with starlette 1.0.0"),
        ("3.41.2", "0.26.1", None),
        ("4.40.0", "0.27.0", None),
        ("6.31.0", "1.10.0", None),
    ],
)
def test_a_gradio_that_cannot_be_used_is_one_sentence(lib_svd, monkeypatch, gradio, starlette, said):
    monkeypatch.setattr(doctor, "_find_version", {"gradio": gradio, "starlette": starlette}.get)
    if said is None:
        assert doctor.find_page_problem() is None
        return
    ran = lib_svd("serve")
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert ran.err.endswith(f'run `{sys.executable} -m pip install "gradio>=6,<7"`.\n')
    assert len(ran.err.splitlines()) == 1


def test_a_gradio_that_cannot_be_loaded_is_one_sentence(here):
    (here / "gradio.py").write_text("raise ImportError(\"cannot import name 'HfFolder' from 'huggingface_hub'\")\n")
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "lib_svd", "serve"]
    ran = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "cannot be loaded (cannot import name 'HfFolder' from 'huggingface_hub'): run `" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def read_requirements(text: str) -> dict[str, str]:
    """Names and what is asked of them, from a list in pyproject.toml."""
    return dict(re.findall(r'^ *(?:page = \[)?"([\w-]+)([^"]*)"', text, re.MULTILINE))


def test_the_doctor_knows_every_package_and_the_gradio_that_pip_brings():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    needed, extra = (
        re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S),
        re.search(r"^page = .*$", project, re.M),
    )
    assert list(doctor.PACKAGES) == list(read_requirements(needed[1]))
    assert [name + bounds for name, bounds in read_requirements(extra[0]).items()] == [doctor.PAGE]
    assert all(importlib.util.find_spec(module) for module in doctor.PACKAGES.values())


@pytest.fixture
def told(monkeypatch, capsys, tmp_path):
    """What `make test` or `make demo` says in its first second, on a machine with these programs."""
    Version = namedtuple("Version", "major minor micro")

    def list_lacking_of(target, programs, version=(3, 11, 2)):
        for name in programs:
            (tmp_path / name).touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CXX", raising=False)
        monkeypatch.setattr(sys, "version_info", Version(*version))
        code = needs.main(target)
        return code, capsys.readouterr().err

    return list_lacking_of


def test_nothing_is_said_where_everything_is_there(told):
    assert told("test", ["chromium", "g++"]) == (0, "")
    assert told("demo", []) == (0, "")


def test_a_missing_browser_and_compiler_are_told_before_the_tests(told):
    code, said = told("test", [])
    assert code == 1
    assert "lacks Chromium" in said
    assert "lacks a C++ compiler" in said
    assert said.endswith("On Debian and Ubuntu: apt-get install chromium g++\n")


@pytest.mark.parametrize(("target", "version"), [("demo", (3, 9, 1)), ("demo", (3, 14, 0)), ("test", (3, 13, 0))])
def test_a_python_that_the_pins_do_not_hold_for_is_told(told, target, version):
    code, said = told(target, ["chromium", "g++"], version)
    assert code == 1
    assert f"`make {target}` takes Python 3.10 to 3.1" in said
    assert f"make {target} PYTHON=python3.11" in said


def test_venv_and_headers_are_asked_for(told, monkeypatch):
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    monkeypatch.setattr(needs, "_has_headers", lambda: False)
    assert told("demo", [])[1].endswith("apt-get install python3-venv\n")
    assert told("test", ["chromium", "g++"])[1].endswith("apt-get install python3-venv python3-dev\n")


SERVED = """
from lib_svd.ui.standalone import SCRIPTS, STYLE
print(*(path.name for path in (*SCRIPTS, STYLE) if path.is_file()))
"""


def test_a_wheel_has_all_that_the_program_and_its_page_need(here):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", here], cwd=ROOT, check=True, capture_output=True)
    (wheel,), (source,) = here.glob("*.whl"), here.glob("*.tar.gz")
    assert source.stat().st_size > (ROOT / "lib_svd" / "demo" / "demo.safetensors").stat().st_size * 0.8
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(here / "site")
    environment = {**os.environ, "PYTHONPATH": str(here / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    for words in (["-m", "lib_svd", "inspect", "demo"], ["-c", SERVED]):
        ran = subprocess.run([sys.executable, *words], cwd=here, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
    scripts = sorted(path.name for path in (ROOT / "javascript").glob("*.js"))
    assert ran.stdout.split() == ["page.js", *scripts, "style.css"]
    assert {path.name for path in (here / "site").iterdir()} == {"lib_svd", wheel.name.split("-py3")[0] + ".dist-info"}
