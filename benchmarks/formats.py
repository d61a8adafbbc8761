"""Every format, beside ffmpeg by hand on the same frames: python -m benchmarks.formats

Both take turns; plain ffmpeg gets the very words that it gets from us, and its frames from a file. Prints one JSON row
to stdout: CPU time of ours over plain ffmpeg's, the peak of memory of 400 frames over that of 25 (ffmpeg's own, Linux),
size of the file and how near its frames are to those that went in. The frames are a slow pan over a picture.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import threading
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
from PIL import Image

from benchmarks.clip import find_revision, name_device, say
from lib_svd.clip import Clip, Frames
from lib_svd.video import FORMATS, Encoding, explain_why_not, find_encoders, read_frames
from lib_svd.video import copies as copying
from lib_svd.video import encode as encoding_frames
from lib_svd.video.formats import Way

PICTURE = Path(__file__).parents[1] / "examples" / "lighthouse.jpg"
FEW, MANY = 25, 400


def main() -> None:
    """Measure every format, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1024x576")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    lines = []
    for name in FORMATS:
        if explain_why_not(name) or FORMATS[name].way is Way.ZIP:
            continue
        line = {"format": name, **_measure(name, (width, height), options.repeats)}
        say(str(line))
        lines.append(line)
    about = {"date": date.today().isoformat(), "revision": find_revision(), "device_name": name_device("cpu")}
    about |= {"device": "cpu", "torch": version("torch"), "cores": os.cpu_count()}
    about |= {"ffmpeg": find_encoders().version, "size": options.size, "frames": FEW}
    print(json.dumps({"kind": "formats", **about, "repeats": options.repeats, "lines": lines}))


def make_pan(count: int, size: tuple[int, int]) -> Frames:
    """Windows of one tall picture, each a row further down: as many frames as one likes take the memory of one."""
    width, height = size
    with Image.open(PICTURE) as picture:
        tall = np.ascontiguousarray(picture.convert("RGB").resize((width, height + MANY), Image.Resampling.LANCZOS))
    return np.lib.stride_tricks.sliding_window_view(tall, height, axis=0).transpose(0, 3, 1, 2)[:count]


def _measure(name: str, size: tuple[int, int], repeats: int) -> dict[str, Any]:
    ratios = []
    for turn in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            sides = {_time_ours: 0.0, _time_plain: 0.0}
            for side in sorted(sides, key=lambda each: (each is _time_ours) == bool(turn % 2)):
                sides[side] = side(name, size, Path(folder))
            ratios.append(sides[_time_ours] / sides[_time_plain])
            made = Path(folder, f"clip{FORMATS[name].suffix}")
            files = list(made.rglob("*.png")) or [made]
            found = {
                "bytes": sum(each.stat().st_size for each in files),
                "psnr": _measure_psnr(made, make_pan(FEW, size)),
            }
    peaks = [_measure_peak(name, size, count) for count in (FEW, MANY)]
    return {"time_ratio": statistics.median(ratios), "peak_ratio": peaks[1] / peaks[0], **found}


def _time_ours(name: str, size: tuple[int, int], folder: Path) -> float:
    clip = Clip(frames=make_pan(FEW, size), fps=7, infotext="Steps: 25, SVD frames: 25")
    began = _count_cpu_seconds()
    _write(clip, name, folder)
    return _count_cpu_seconds() - began


def _time_plain(name: str, size: tuple[int, int], folder: Path) -> float:
    """What ffmpeg is told by us, told by hand."""
    said: list[list[str]] = []
    clip = Clip(frames=make_pan(FEW, size), fps=7, infotext="Steps: 25, SVD frames: 25")
    (folder / "plain").mkdir()
    with patch.object(encoding_frames, "feed", lambda words, *_: said.append(words)):
        encoding_frames.encode(clip, folder / "plain" / f"%05d{FORMATS[name].suffix}", Encoding.read(name))
    deep = FORMATS[name].is_deep
    raw, tags = folder / "frames.raw", folder / "plain" / "unfinished.extra"
    raw.write_bytes(b"".join(encoding_frames._pack_frame(frame, deep) for frame in clip.frames))
    tags.write_text(encoding_frames.write_comment(clip.infotext))
    began = _count_cpu_seconds()
    for words in said:
        if tags.exists() and "palettegen=stats_mode=full" in words:
            tags.unlink()
        subprocess.run([str(raw) if word == "pipe:0" else word for word in words], check=True, capture_output=True)
    return _count_cpu_seconds() - began


def _count_cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended: other programs do not count."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _write(clip: Clip, name: str, folder: Path) -> None:
    path = folder / f"clip{FORMATS[name].suffix}"
    copying._WAYS.get(FORMATS[name].way, copying._write_file)(clip, path, Encoding.read(name), "clip")


def _measure_peak(name: str, size: tuple[int, int], count: int) -> int:
    """Most bytes that an ffmpeg held that was started meanwhile, looked at a thousand times a second."""
    clip = Clip(frames=make_pan(count, size), fps=7, infotext="Steps: 25, SVD frames: 25")
    peaks, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(0.001):
            for each in psutil.Process().children(recursive=True):
                with suppress(OSError, ValueError, IndexError, psutil.Error):
                    status = Path(f"/proc/{each.pid}/status").read_text()
                    if "ffmpeg" in status.partition("\n")[0]:
                        peaks.append(int(status.partition("VmHWM:")[2].split()[0]))

    watcher = threading.Thread(target=look)
    watcher.start()
    with tempfile.TemporaryDirectory() as folder:
        _write(clip, name, Path(folder))
    done.set()
    watcher.join()
    return 1024 * max(peaks)


def _measure_psnr(made: Path, frames: Frames) -> float | None:
    """Decibels; None: equal to the bit, or it cannot be read here."""
    if made.is_dir():
        return None
    again, _ = read_frames(made)
    apart = np.mean([((one.astype(float) - other) ** 2).mean() for one, other in zip(again, frames, strict=True)])
    return None if apart == 0 else float(10 * np.log10(255**2 / apart))


if __name__ == "__main__":
    main()
