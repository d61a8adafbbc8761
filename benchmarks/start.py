"""The demo's clip in a fresh process, against another checkout of the project: python -m benchmarks.start CHECKOUT

Both take turns, alone and beside a process that keeps a core busy. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.clip import find_revision, name_device, say

HERE = Path(__file__).parents[1]
BUSY = "while True: pass"
BESIDE = {"nothing": 0, "a busy process": 1}


class Took(NamedTuple):
    """What a process took, in seconds."""

    wall: float
    cpu: float


def main() -> None:
    """Measure both, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--repeats", type=int, default=5, help="clips of each, alone and beside")
    options = parser.parse_args()
    lines = [_measure_line(beside, count, options.before, options.repeats) for beside, count in BESIDE.items()]
    about = {"date": date.today().isoformat(), "revision": find_revision(), "before": find_revision(options.before)}
    about |= {"device": "cpu", "device_name": name_device("cpu"), "torch": torch.__version__, "cores": os.cpu_count()}
    print(json.dumps({"kind": "start", **about, "repeats": options.repeats, "lines": lines}))


def _measure_line(beside: str, count: int, before: Path, repeats: int) -> dict[str, str | float]:
    with _keep_busy(count):
        pairs = [(_make_clip(HERE), _make_clip(before)) for _ in range(repeats)]
    wall = statistics.median(now.wall / then.wall for now, then in pairs)
    cpu = statistics.median(now.cpu / then.cpu for now, then in pairs)
    say(f"beside {beside}: seconds {wall:.2f}, CPU time {cpu:.2f} of before; {pairs}")
    return {"beside": beside, "wall_ratio": round(wall, 2), "cpu_ratio": round(cpu, 2)}


def _make_clip(checkout: Path) -> Took:
    """Make the demo's clip with the code of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["animate", HERE / "examples" / "lighthouse.jpg", "--checkpoint", "demo", "--seed", "1"]
        command = [sys.executable, "-m", "lib_svd", *map(str, words), "--out", str(Path(folder, "clip.mp4"))]
        before, began = _read_cpu_of_children(), time.perf_counter()
        subprocess.run(command, cwd=checkout, check=True, capture_output=True)
        return Took(time.perf_counter() - began, _read_cpu_of_children() - before)


def _read_cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _keep_busy(count: int) -> Iterator[None]:
    """So many processes that each keep a core busy."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
