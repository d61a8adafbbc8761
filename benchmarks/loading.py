"""Loading a model in a fresh process, against another checkout of the project: python -m benchmarks.loading CHECKOUT

Both take turns, from the system's cache and from the disk, for each way a file is stored and computed in; each is the
first of the two as often, since the second one finds memory that the system has at hand. Prints one
JSON row to stdout. The file, of random weights, is written first and removed again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.clip import find_revision, name_device, say
from benchmarks.scales import SCALES
from lib_svd.testing import make_random_weights

HERE = Path(__file__).parents[1]
WAYS = (("float16", "float16"), ("float32", "float16"), ("float16", "float32"))
LOAD = """
import json, sys, time
from pathlib import Path
import torch
from lib_svd.checkpoints import load, recognise
from lib_svd.hosts import standalone

make_host = getattr(standalone, "make_standalone_host", None) or standalone.standalone_host  # its name before
host = make_host(device="cpu", dtype=sys.argv[2])
peak = lambda: 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
torch.ones(9).half()
checkpoint = recognise(sys.argv[1])
before, began, cpu = peak(), time.perf_counter(), time.process_time()
svd = load(checkpoint, host)
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu, peak() - before]))
"""


def main() -> None:
    """Measure both, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--scale", choices=SCALES, default="half")
    parser.add_argument("--repeats", type=int, default=8, help="loadings of each, for each way and place")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = list(_measure_lines(Path(folder, "svd.safetensors"), options.scale, options.before, options.repeats))
    about = {"date": date.today().isoformat(), "revision": find_revision(), "before": find_revision(options.before)}
    about |= {"device": "cpu", "device_name": name_device("cpu"), "torch": torch.__version__, "cores": os.cpu_count()}
    print(json.dumps({"kind": "loading", **about, "scale": options.scale, "repeats": options.repeats, "lines": lines}))


def _measure_lines(path: Path, scale: str, before: Path, repeats: int) -> Iterator[dict[str, str | float]]:
    for stored, computed in WAYS:
        tensors = make_random_weights(SCALES[scale].configs)
        save_file({key: tensors.pop(key).to(getattr(torch, stored)) for key in list(tensors)}, path)
        os.sync()
        for place in ("cache", "disk"):
            pairs = []
            for turn in range(repeats):
                order = (HERE, before) if turn % 2 else (before, HERE)
                pairs.append({checkout: _time_load(checkout, path, computed, place) for checkout in order})
            ratios = [statistics.median(pair[HERE][i] / pair[before][i] for pair in pairs) for i in range(3)]
            say(f"{stored} as {computed} from the {place}: {ratios}; {[list(pair.values()) for pair in pairs]}")
            names = ("wall_ratio", "cpu_ratio", "peak_ratio")
            yield {"stored": stored, "computed": computed, "from": place, **dict(zip(names, ratios, strict=True))}


def _time_load(checkout: Path, path: Path, computed: str, place: str) -> list[float]:
    """Seconds, CPU seconds and bytes at the peak, with the code of a checkout."""
    with path.open("rb") as file:
        if place == "disk":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        else:
            while file.read(1 << 24):
                pass
    words = [sys.executable, "-c", LOAD, str(path), computed]
    done = subprocess.run(words, cwd=checkout, check=True, capture_output=True, text=True)
    found: list[float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
