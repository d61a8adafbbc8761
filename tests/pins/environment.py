"""A virtual environment with a row's versions, and what is seen in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.conftest import read_frames_in
from tests.pins.rows import SUITES, TOOLS, Row

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "examples" / "lighthouse.jpg"
OF_OTHERS = [
    word
    for kind in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
    for word in ("-W", f"default::{kind}")
]
"""Warnings that are no errors here: what libraries of one row say of each other's age is nothing that we could mend."""


@dataclass(frozen=True)
class Environment:
    """A Python with packages, and a folder for what is made there."""

    python: Path
    folder: Path

    def start(self, *words: object, **how: object) -> subprocess.Popen[str]:
        """This Python on this checkout, in a single thread, so that CPU time can be compared."""
        settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen([self.python, *map(str, words)], cwd=ROOT, env=settings, text=True, **how)

    def list_versions(self) -> dict[str, str]:
        """Of Python, of torch, and of the ffmpeg that is used."""
        code = (
            "import json, platform, torch; from lib_svd.video import find_encoders;"
            "print(json.dumps([platform.python_version(), torch.__version__, find_encoders().version]))"
        )
        found = json.loads(_read_said(self.start("-W", "ignore", "-c", code, stdout=subprocess.PIPE)))
        return dict(zip(("Python", "torch", "ffmpeg"), found, strict=True))

    def test(self, without: Sequence[str]) -> dict[str, int]:
        """How many passed, failed and so on, as pytest counts them; what it said is in tests.log."""
        log = self.folder / "tests.log"
        with log.open("w") as file:
            left_out = [f"--ignore={path}" for path in without]
            beside = ("--numprocesses", "logical", "--dist", "loadgroup", "--no-loadscope-reorder")
            asked = ("-q", "-p", "no:cacheprovider", *beside, *OF_OTHERS, *SUITES, *left_out)
            self.start("-m", "pytest", *asked, stdout=file).wait()
        last = log.read_text().rstrip().rpartition("\n")[2]
        return {what: int(number) for number, what in re.findall(r"(\d+) (\w+)", last.partition(" in ")[0])}

    def make_frames(self) -> npt.NDArray[np.uint8]:
        """The demo's clip of seed 1, [T, H, W, 3]."""
        frames = self.folder / "frames"
        shutil.rmtree(frames, ignore_errors=True)
        for each in self.folder.glob("demo.*"):
            each.unlink()
        asked = ("--checkpoint", "demo", "--seed", 1, "--out", self.folder / "demo.mp4", "--frames-dir", frames)
        _read_said(self.start("-m", "lib_svd", "animate", PICTURE, *asked, stdout=subprocess.PIPE))
        return read_frames_in(frames)


def build_environment(row: Row, folder: Path) -> Environment:
    """The row's environment; one that is there with these very packages is taken as it is.

    Raises:
        FileNotFoundError: no such Python on the PATH runs.
        subprocess.CalledProcessError: pip finds no set of packages that fit.
    """
    environment = Environment(folder / ("Scripts" if os.name == "nt" else "bin") / "python", folder)
    done = folder / "installed.txt"
    wanted = "\n".join((*row.packages, *TOOLS, *row.over))
    if done.exists() and done.read_text() == wanted:
        return environment
    subprocess.run([find_python(row.python), "-m", "venv", folder], check=True)
    for packages in filter(None, ((*row.packages, *TOOLS), row.over)):
        subprocess.run([environment.python, "-m", "pip", "install", "--quiet", *packages], check=True)
    done.write_text(wanted)
    return environment


def find_python(version: str) -> str:
    """The first such Python on the PATH that runs; pyenv's stand there for Pythons that were not chosen and do not.

    Raises:
        FileNotFoundError: there is none.
    """
    for folder in os.get_exec_path():
        python = shutil.which(f"python{version}", path=folder)
        if python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    raise FileNotFoundError(f"No python{version} on the PATH runs.")


def describe_today(folder: Path) -> Environment:
    """The environment that this runs in."""
    folder.mkdir(parents=True, exist_ok=True)
    return Environment(Path(sys.executable), folder)


def measure_ratios(one: Environment, other: Environment, times: int = 5) -> dict[str, float]:
    """How long a step and decoding take in one, over the other: medians over pairs, one clip right after the other."""
    with ExitStack() as leaving:
        sides = [
            leaving.enter_context(side.start("-m", "tests.pins.side", stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for side in (one, other)
        ]
        pairs = [[_ask_both(side) for side in sides] for _ in range(times)]
    return {what: statistics.median(a[what] / b[what] for a, b in pairs) for what in pairs[0][0]}


def _ask_both(side: subprocess.Popen[str]) -> dict[str, float]:
    assert side.stdin is not None
    assert side.stdout is not None
    print(file=side.stdin, flush=True)
    found: dict[str, float] = json.loads(side.stdout.readline())
    return found


def _read_said(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args} stopped with code {process.returncode}.")
    return out
