"""A batch on a cluster of two Ray nodes on this machine, of which one is killed half way: is every clip there, once?

python -m benchmarks.cluster --clips 40

The clips are the demo's, on CPUs, a core a node. It needs ray. What counts is what becomes of the clips; the seconds
are those of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]


def draw_pictures(folder: Path, count: int) -> None:
    """Draw pictures that differ."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), np.uint8)
        Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.png")


def run(clips: int, folder: Path, own: dict[str, str]) -> dict[str, object]:
    """Make a batch and kill a node half way; gives the row."""
    draw_pictures(folder / "in", clips)
    words = [sys.executable, "-W", "ignore", "-m", "tests.clustering"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=own, stderr=subprocess.DEVNULL, **pipes) as cluster:
        address = cluster.stdout.readline().strip()
        batch = ["-m", "lib_svd", "batch", str(folder / "in"), "--checkpoint", "demo", "--out-dir", str(folder / "out")]
        batch = [sys.executable, *batch, "--ray", address, "--gpus-per-clip", "0", "--json"]
        began, told = time.monotonic(), []
        with subprocess.Popen(batch, cwd=folder, env=own, stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout:
                told.append({"second": round(time.monotonic() - began, 1), **json.loads(line)})
                if len(told) == clips // 2:
                    print("node", file=cluster.stdin, flush=True)
                    killed = told[-1]["second"]
        cluster.stdin.close()
    *outcomes, end = told
    found = Counter(path.name[:2] for path in (folder / "out").glob("*.mp4"))
    seconds = [0.0, *(each["second"] for each in outcomes)]
    return {
        "clips": clips,
        "code": running.returncode,
        "counts": end["counts"],
        "pictures with exactly one clip": sum(count == 1 for count in found.values()),
        "files": len(list((folder / "out").glob("*.mp4"))),
        "told once": len({each["picture"] for each in outcomes}) == len(outcomes),
        "killed after": killed,
        "seconds": end["second"],
        "longest pause": round(max(b - a for a, b in zip(seconds, seconds[1:], strict=False)), 1),
        "left over": [path.name for path in (folder / "out").glob(".*")],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SVD_CLUSTER": secrets.token_hex(4)}
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(parser.parse_args().clips, Path(folder), own), indent=1))


if __name__ == "__main__":
    main()
