"""Smoothing by motion, against ffmpeg run by hand with the same filter: python -m benchmarks.smoothing

Both take turns, and each is the first of the two as often. By hand means frames from a file, as raw as ours, through
the filter, to nowhere: no encoder, no disk that is written to. Ours begins and ends with frames in memory, and looks
for cuts. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.clip import find_revision, name_device, say
from benchmarks.turns import run_in_turn
from lib_svd.clip import Frames
from lib_svd.finish.smooth import Motion, smooth_frames
from lib_svd.video.ffmpeg import find_ffmpeg, run

HERE = Path(__file__).parents[1]
SIZE = (1024, 576)
LENGTHS = (25, 97)
RATES = (7, 14)  # frames a second before and after
BY_HAND = f"tpad=stop_mode=clone:stop=1,format=yuv444p,minterpolate=fps={RATES[1]}:scd=none"


def main() -> None:
    """Measure both, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4, help="turns of each, for each length")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = list(_measure_lines(Path(folder, "frames.rgb"), options.repeats))
    about = {"date": date.today().isoformat(), "revision": find_revision(), "device": "cpu"}
    about |= {
        "device_name": name_device("cpu"),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "ffmpeg": _find_version(),
    }
    print(json.dumps({"kind": "smoothing", **about, "size": SIZE, "repeats": options.repeats, "lines": lines}))


def _measure_lines(raw: Path, repeats: int) -> Iterator[dict[str, float]]:
    for length in LENGTHS:
        frames = _make_pan(length)
        raw.write_bytes(frames.tobytes())
        both: tuple[Callable[[], None], ...] = (lambda: _smooth_ours(frames), lambda: _smooth_by_hand(raw))  # noqa: B023 (called here)
        turns = [run_in_turn(both, swapped=bool(number % 2)) for number in range(repeats)]
        wall = statistics.median(ours.wall / theirs.wall for ours, theirs in turns)
        cpu = statistics.median(ours.cpu / theirs.cpu for ours, theirs in turns)
        say(f"{length} frames: seconds {wall:.3f}, CPU time {cpu:.3f} of by hand; {turns}")
        yield {"frames": length, "wall_ratio": round(wall, 3), "cpu_ratio": round(cpu, 3)}


def _smooth_ours(frames: Frames) -> None:
    smooth_frames(frames, *RATES, Motion())


def _smooth_by_hand(raw: Path) -> None:
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*SIZE), "-r", str(RATES[0]), "-i", str(raw)]
    sink = ["-vf", BY_HAND, "-f", "rawvideo", "-pix_fmt", "rgb24", "-y", os.devnull]
    return subprocess.run(
        [find_ffmpeg(), "-v", "error", *source, *sink], check=True, stdin=subprocess.DEVNULL
    ).returncode


def _make_pan(length: int) -> Frames:
    """The camera goes over a photograph, and nears."""
    width, height = SIZE
    with Image.open(HERE / "examples" / "lighthouse.jpg") as picture:
        photo = picture.convert("RGB").resize((width * 3 // 2, height * 3 // 2), Image.Resampling.LANCZOS)
    frames = []
    for number in range(length):
        share = number / (length - 1)
        shrunk, left, top = 1 - 0.2 * share, 0.3 * width * share, 0.2 * height * share
        affine = (shrunk, 0, left, 0, shrunk, top)
        frames.append(np.asarray(photo.transform(SIZE, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)))
    return np.stack(frames)


def _find_version() -> str:
    return run([find_ffmpeg(), "-version"]).stdout.partition("version ")[2].partition(" ")[0]


if __name__ == "__main__":
    main()
