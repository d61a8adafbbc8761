"""What the page waits for when a control is used, against another checkout: python -m benchmarks.presses CHECKOUT

The tab's handlers are called as the page calls them (pressed.py), with a file of SVD-XT's full size, which is a hole in
the disk with a true header, beside two narrow models. Both checkouts take turns. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import torch

from benchmarks.clip import find_revision, name_device, say
from benchmarks.scales import SCALES
from lib_svd.checkpoints import networks
from lib_svd.checkpoints.strict import PREFIXES
from lib_svd.testing import write_checkpoint

HERE = Path(__file__).parents[1]
PICTURE = HERE / "examples" / "lighthouse.jpg"
FULL = "svd_xt.safetensors"
PRESSES = 10  # of each control, in a process


def main() -> None:
    """Measure both, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--repeats", type=int, default=4, help="processes of each, with ten presses each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_hole(Path(folder, FULL))
        for number in range(2):
            write_checkpoint(Path(folder, f"narrow_{number}.safetensors"), seed=number)
        lines = list(_measure_lines(Path(folder), options.before, options.repeats))
    about = {"date": date.today().isoformat(), "revision": find_revision(), "before": find_revision(options.before)}
    about |= {"device": "cpu", "device_name": name_device("cpu"), "torch": torch.__version__, "cores": os.cpu_count()}
    print(json.dumps({"kind": "presses", **about, "repeats": options.repeats, "lines": lines}))


def write_hole(path: Path) -> None:
    """Write a file of SVD-XT's full size, of which the header alone takes room on the disk."""
    header, end = {}, 0
    for part, prefix in PREFIXES.items():
        for name, shape in networks.list_shapes(part, SCALES["full"].configs).items():
            in_file = [*shape, 1] if shape[2:] == (3, 1) else list(shape)
            begin, end = end, end + 2 * math.prod(shape)
            header[prefix + name] = {"dtype": "F16", "shape": in_file, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + end)


def _measure_lines(folder: Path, before: Path, repeats: int) -> Iterator[dict[str, str | float]]:
    pairs = []
    for turn in range(repeats):
        order = (HERE, before) if turn % 2 else (before, HERE)
        pairs.append({checkout: _time_presses(checkout, folder) for checkout in order})
    for what in pairs[0][HERE]:
        now, then = ([pair[side][what] for pair in pairs] for side in (HERE, before))
        ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in zip(now, then, strict=True))
        say(f"{what}: CPU time {ratio:.3f} of before; {now} and {then}")
        (_, headers, folders), (_, headers_before, folders_before) = now[0], then[0]
        counts = {"headers": headers, "folders": folders}
        counts |= {"headers_before": headers_before, "folders_before": folders_before}
        yield {"press": what, "cpu_ratio": round(ratio, 3), **counts}


def _time_presses(checkout: Path, folder: Path) -> dict[str, list[float]]:
    """CPU seconds, headers and folders read by each press, with the code of a checkout."""
    program = Path(__file__).with_name("pressed.py").read_text("utf-8")
    words = [sys.executable, "-W", "ignore", "-c", program, str(folder), FULL, str(PICTURE), str(PRESSES)]
    done = subprocess.run(words, cwd=checkout, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
