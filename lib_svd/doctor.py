"""What a machine has for making clips. Nothing but the standard library is needed to look: what is missing is said."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lib_svd import __version__

OLDEST_PYTHON = (3, 10)
PACKAGES = {
    "torch": "torch",
    "diffusers": "diffusers",
    "accelerate": "accelerate",
    "safetensors": "safetensors",
    "pillow": "PIL",
    "imageio-ffmpeg": "imageio_ffmpeg",
    "click": "click",
    "tqdm": "tqdm",
    "psutil": "psutil",
    "numpy": "numpy",
    "markupsafe": "markupsafe",
    "opencv-python-headless": "cv2",
}
"""What `pip install .` brings, and the module that each is."""

PAGE = "gradio>=6,<7"
"""What pip is told to install for the page; the pages of the web UIs have older ones."""
OLDEST_GRADIO, NEWEST_GRADIO = (3, 41), 6
MISSING = "missing"


def report(model_dirs: list[Path], *, as_json: bool) -> tuple[str, int]:
    """Write what `examine` finds, as lines or as JSON, with the program's exit code: 1 where packages are missing."""
    found = examine(model_dirs)
    said = json.dumps(found, indent=2, ensure_ascii=False) if as_json else write_lines(found)
    return said, int(found["problem"] != "none")


def examine(model_dirs: list[Path]) -> dict[str, Any]:
    """Look at device, dtypes, memory, ffmpeg and its encoders, models, packages; fit for JSON. Nothing is raised or
    loaded.
    """
    return {
        "lib_svd": __version__,
        "python": f"{platform.python_version()}, {sys.executable}",
        "system": platform.platform(),
        "device": _look_or_explain(_describe_device),
        "memory": _look_or_explain(_describe_memory),
        "ffmpeg": _look_or_explain(_describe_ffmpeg),
        "models": _look_or_explain(lambda: _list_models(model_dirs)),
        "model folders": [str(folder) for folder in model_dirs],
        "packages": {name: _find_version(name) for name in PACKAGES},
        "page": find_page_problem() or f"gradio {version('gradio')}",
        "problem": find_problem() or "none",
    }


def find_problem() -> str | None:
    """Say in a sentence that Python is too old or packages are missing, and what to do; None: all is there."""
    if sys.version_info < OLDEST_PYTHON:
        return f"Python {platform.python_version()} is too old: it must be 3.10 or newer."
    missing = [name for name in PACKAGES if _find_version(name) == MISSING]
    if not missing:
        return None
    return f"{', '.join(missing)} cannot be found by {sys.executable}: {_write_remedy(missing)}."


def find_page_problem() -> str | None:
    """Say in a sentence why the page cannot be shown with this gradio, and what to do; None: it should work."""
    found = _find_version("gradio")
    if found == MISSING:
        return f"The page needs gradio, which is not installed: run `{find_page_remedy()}`."
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    if numbers < OLDEST_GRADIO:
        return f"gradio {found} is too old for the page: run `{find_page_remedy()}`."
    if numbers[0] > NEWEST_GRADIO:
        return f"gradio {found} is newer than the page knows: run `{find_page_remedy()}`."
    starlette = _find_version("starlette")
    if numbers[0] < 5 and re.match(r"[1-9]", starlette):  # it takes other arguments for a page than gradio 4 gives it
        return f"gradio {found} cannot show a page with starlette {starlette}: run `{find_page_remedy()}`."
    return None


def find_page_remedy() -> str:
    """Give the command that brings a gradio for the page."""
    return f'{shlex.quote(sys.executable)} -m pip install "{PAGE}"'


def write_lines(found: dict[str, Any], indent: str = "") -> str:
    """Write names and values below each other; groups are indented."""
    lines = []
    for name, value in found.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", write_lines(value, indent + "  ")]
        elif isinstance(value, list):
            lines += [f"{indent}{name}:", *(f"{indent}  {entry}" for entry in value or ["none"])]
        else:
            lines.append(f"{indent}{name}: {value}")
    return "\n".join(lines)


def _write_remedy(missing: list[str]) -> str:
    """Say what to type to have the packages that are missing."""
    checkout = Path(__file__).parents[1]
    environment = checkout / ".venv"
    inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    if (environment / inside).exists() and Path(sys.prefix).resolve() != environment.resolve():
        return f"use {environment / inside}, which `make` has set up"
    what = shlex.quote(str(checkout)) if (checkout / "pyproject.toml").exists() else " ".join(missing)
    python = shlex.quote(sys.executable)
    if sys.prefix == sys.base_prefix:  # a system's own Python, which often refuses to be installed into
        return f"run `{python} -m venv .venv`, then `{Path('.venv', inside)} -m pip install {what}`"
    return f"run `{python} -m pip install {what}`"


def _look_or_explain(look: Callable[[], Any]) -> Any:
    """Give what there is to see, or say which package it cannot be seen without."""
    try:
        return look()
    except ImportError as error:
        return f"not known without {error.name}" if error.name else f"not known: {error}"


def _describe_device() -> dict[str, Any]:
    from lib_svd.hosts.standalone import make_standalone_host

    memory = make_standalone_host().memory
    return {
        "would be used": str(memory.get_device()),
        "name": _name_device(memory.get_device()),
        "memory free": _write_gigabytes(memory.count_capacity()),
        "dtypes": {
            part: _shorten_dtype(memory.choose_dtype(part)) for part in ("vision", "encoder", "unet", "decoder")
        },
    }


def _name_device(device: Any) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()


def _describe_memory() -> dict[str, str]:
    import psutil

    memory = psutil.virtual_memory()
    return {"in all": _write_gigabytes(memory.total), "free": _write_gigabytes(memory.available)}


def _describe_ffmpeg() -> dict[str, Any]:
    from lib_svd import video

    found = video.find_encoders()
    return {
        "path": found.path or "none",
        "version": found.version or "none",
        "H.264 encoders": list(found.h264),
        "problem": found.problem or "none",
    }


def _list_models(folders: list[Path]) -> list[str]:
    from lib_svd.checkpoints import find_checkpoints

    there = (path for path in find_checkpoints(folders) if path.is_dir() or path.stat().st_size)
    return [os.fsencode(path).decode("utf-8", "backslashreplace") for path in there]


def _write_gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"


def _shorten_dtype(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _find_version(name: str) -> str:
    """Give the version of a package; of one whose module came some other way, only that it is there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "there" if importlib.util.find_spec(PACKAGES.get(name, name)) else MISSING
