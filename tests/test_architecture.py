"""Who may import whom, how long a file may be, and that importing does nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("lib_svd/**/*.py"), *ROOT.glob("scripts/**/*.py")])
HOST_PACKAGES = ("modules", "modules_forge", "backend", "ldm_patched", "ldm", "modules_sd", "ldm_patched")

PURE = ("torch", "numpy")
"""Beside the standard library, all that the engine may import."""


def find_part(path: Path) -> str:
    """`lib_svd/engine/unet.py` is of the engine, `lib_svd/request.py` is a part of its own."""
    inside = path.relative_to(ROOT).parts
    return "scripts" if inside[0] == "scripts" else inside[1].removesuffix(".py")


def list_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever in the file, with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "__import__":
            yield node.lineno, ast.literal_eval(node.args[0])


def find_ours(module: str) -> str | None:
    """Which part a module belongs to; None: none of ours, or only the package's version."""
    names = module.split(".")
    return names[1] if names[0] == "lib_svd" and len(names) > 1 and names[1] != "__version__" else None


def find_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_docstrings_are_text():
    """Python 3.13 compiles no file with half a surrogate in one, and then Neo loads nothing of ours."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                said = ast.get_docstring(node) or ""
                assert said.encode("utf-8", "replace").decode() == said, f"{find_name(path)}: {said}"


def test_arrows_are_those_of_the_page():
    """ARCHITECTURE.md has a line for each part that imports another: all that it imports, and no more."""
    used: dict[str, set[str]] = {}
    for path in FILES:
        parts = {find_ours(module) for _, module in list_imports(path)} - {None, find_part(path)}
        used.setdefault(find_part(path), set()).update(parts)
    lines = [f"{part} -> {', '.join(sorted(parts))}" for part, parts in sorted(used.items()) if parts]
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert page.partition("```arrows\n")[2].partition("```")[0].splitlines() == lines


def test_no_arrow_leads_back():
    """A part that another one builds on does not import it in turn, not over a third one either."""
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("```arrows\n")[2].partition("```")[0]
    below = {part: set(others.split(", ")) for part, others in (line.split(" -> ") for line in page.splitlines())}
    TopologicalSorter(below).prepare()  # raises CycleError


@pytest.mark.parametrize("path", FILES, ids=find_name)
def test_host_packages_gradio_and_foreign_packages_stay_in_their_place(path):
    part, tops = find_part(path), {module.split(".")[0] for _, module in list_imports(path)}
    if part not in ("hosts", "scripts"):
        assert not tops & set(HOST_PACKAGES)
    if part != "ui":
        assert "gradio" not in tops
    if part == "engine":
        assert tops <= {*sys.stdlib_module_names, *PURE, "lib_svd"}
    assert not tops & {"scripts", "tests"}


@pytest.mark.parametrize("path", FILES, ids=find_name)
def test_files_and_functions_are_short(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 450
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and node.end_lineno - node.lineno >= 70
    ]
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=find_name)
def test_names_that_say_nothing_are_not_used(path):
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names |= {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert not names & {"data", "args", "process", "utils", "manager", "timestep"}
    assert path.stem not in ("data", "process", "utils", "manager", "helpers", "common", "misc")


def run_in_new_python(code: str, cwd: Path) -> str:
    """What a Python of its own prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error::DeprecationWarning:lib_svd", "-c", code]
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


HEAVY = ("torch", "numpy", "PIL", "safetensors", "diffusers", "einops", "imageio_ffmpeg", "psutil", "tqdm", "gradio")


def test_the_command_line_starts_without_anything_heavy(here):
    code = f"import sys, lib_svd.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_in_new_python(code, here) == "[]\n"


def test_the_history_does_not_wait_for_torch(here):
    code = "import sys; from lib_svd.jobs import history; print('torch' in sys.modules)"
    assert run_in_new_python(code, here) == "False\n"


def test_looking_at_a_picture_does_not_wait_for_torch(here):
    code = "import sys, lib_svd.images, lib_svd.video; print('torch' in sys.modules)"
    assert run_in_new_python(code, here) == "False\n"


WATCHED = """
import builtins, importlib, os, socket, subprocess, sys
import torch

def refuse(what):
    def refused(*given, **named):
        raise AssertionError(f"{{what}} at import: {{given}}")
    return refused

written = []
sys.addaudithook(lambda event, given: written.append(given[0]) if event == "open" and _writes(given) else None)
def _writes(given):
    return any(mode in str(given[1]) for mode in "wax+") or (isinstance(given[2], int) and given[2] & 3)
subprocess.Popen, socket.socket.connect = refuse("a program"), refuse("the network")
torch.cuda.init = torch.cuda._lazy_init = refuse("a device")
torch.empty(1)
for name in {names}:
    importlib.import_module(name)
print([path for path in written if "__pycache__" not in str(path)], torch.cuda.is_initialized())
"""


def test_importing_writes_nothing_starts_nothing_and_opens_no_device(here):
    paths = [path for path in FILES if find_part(path) not in ("scripts", "ui", "__main__", "testing")]
    names = [find_name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in paths]
    assert run_in_new_python(WATCHED.format(names=names), here) == "[] False\n"
    assert list(here.iterdir()) == []
