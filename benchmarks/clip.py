"""One clip by ours and by a peer, in turns, on the same weights: python -m benchmarks.clip --peer diffusers

Prints one JSON row to stdout and says what it is doing on stderr. README.md beside this tells what the figures are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.scales import SCALES
from benchmarks.side import Order
from benchmarks.worker import Worker, start

Row = dict[str, Any]


def main() -> None:
    """Measure and print."""
    options = _read_options()
    order = order_of(options)
    row = {
        "kind": "clip",
        **describe_conditions(order, options.revision),
        "peer": options.peer,
        "repeats": options.repeats,
    }
    row |= compare(order, options.peer, options.repeats, quiet=options.json_only)
    print(json.dumps(row))
    if not options.json_only:
        say(write_summary(row))


def compare(order: Order, peer: str, repeats: int, *, quiet: bool = False) -> Row:
    """Figures of both, their ratios, and how far apart what they computed is."""
    tell = _ignore if quiet else say
    with ExitStack() as stack:
        workers = {
            "ours": stack.enter_context(start("ours", replace(order, compiled=None))),
            "theirs": stack.enter_context(start(peer, order)),
        }
        loaded, made = {}, {}
        for name, worker in workers.items():
            tell(f"{name}: loading")
            loaded[name] = worker.do("load")
            made[name] = worker.do("check")
        if order.device == "cuda" or order.compiled:
            for name, worker in workers.items():
                tell(f"{name}: warming up")
                worker.do("make_clip")
        clips = _run_in_turns(workers, repeats, tell)
    ours, theirs = (compute_figures(clips[name], loaded[name]) for name in ("ours", "theirs"))
    return {
        "ours": ours,
        "theirs": theirs,
        "ratio": {
            kind: {key: _round(ours[kind][key] / max(1e-9, theirs[kind][key])) for key in ours[kind]}
            for kind in ("seconds", "cpu_seconds", "bytes")
        },
        "difference": {name: measure_difference(made["ours"][name], made["theirs"][name]) for name in made["ours"]},
    }


def compute_figures(clips: Sequence[Mapping[str, Any]], loaded: int) -> Row:
    """Of one side: medians of seconds over the repeats, and the smallest peaks, for what an allocator keeps from the
    clip before is not what a clip needs."""
    stages = clips[0]["seconds"]
    peaks = {stage: min(clip["peaks"][stage] for clip in clips) for stage in stages}
    peak = min(max(clip["peaks"].values()) for clip in clips)
    return {
        "seconds": _take_medians([clip["seconds"] for clip in clips], [clip["steps"] for clip in clips]),
        "cpu_seconds": _take_medians([clip["cpu_seconds"] for clip in clips], [clip["cpu_steps"] for clip in clips]),
        "bytes": {**peaks, "peak": peak, "loaded": loaded, "working": peak - loaded},
        "steps": [[_round(step) for step in clip["steps"]] for clip in clips],
    }


def _take_medians(stages: Sequence[Mapping[str, float]], steps: Sequence[Sequence[float]]) -> dict[str, float]:
    found = {stage: statistics.median(clip[stage] for clip in stages) for stage in stages[0]}
    found["step"] = statistics.median(step for clip in steps for step in clip)
    found["clip"] = statistics.median(sum(clip.values()) for clip in stages)
    return {name: _round(value) for name, value in found.items()}


def measure_difference(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Largest, and root mean square over that of theirs."""
    apart = ours.astype(np.float64) - theirs.astype(np.float64)
    scale = float(np.sqrt(np.mean(theirs.astype(np.float64) ** 2)))
    return {"max": _round(float(np.abs(apart).max())), "rms": _round(float(np.sqrt(np.mean(apart**2))) / scale)}


def describe_conditions(order: Order, revision: str | None) -> Row:
    """All that the figures depend on."""
    scale = SCALES[order.scale]
    return {
        "date": datetime.date.today().isoformat(),
        "revision": revision or find_revision(),
        "device": order.device,
        "device_name": name_device(order.device),
        "threads": order.threads or torch.get_num_threads(),
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
        "dtype": order.dtype,
        "scale": order.scale,
        "unet": list(scale.unet),
        "vae": list(scale.vae),
        "frames": order.frames,
        "size": [order.width, order.height],
        "steps": order.steps,
        "compiled": order.compiled,
        "decode_chunk": order.decode_chunk,
    }


def write_summary(row: Mapping[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{'':22}{'ours':>12}{'theirs':>12}{'ratio':>8}"]
    for kind, unit, by in (("seconds", "s", 1.0), ("cpu_seconds", "s", 1.0), ("bytes", "MB", 1e6)):
        for key, ratio in row["ratio"][kind].items():
            ours, theirs = row["ours"][kind][key] / by, row["theirs"][kind][key] / by
            lines.append(f"{kind:12}{key:10}{ours:10.2f} {unit:2}{theirs:9.2f} {unit:2}{ratio:7.3f}")
    lines += [f"{name:10} max {d['max']:.2e} rms {d['rms']:.2e}" for name, d in row["difference"].items()]
    return "\n".join(lines)


def say(text: str) -> None:
    """To people, beside the row."""
    print(text, file=sys.stderr, flush=True)


def find_revision(checkout: Path = Path()) -> str:
    """Of a working tree; -dirty where it differs from it."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(describe, cwd=checkout, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def name_device(device: str) -> str:
    """Of the GPU or the CPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    listed = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", listed.read_text(encoding="utf-8")) if listed.exists() else None
    return match[1] if match else platform.machine()


def _run_in_turns(workers: Mapping[str, Worker], repeats: int, tell: Any) -> dict[str, list[Row]]:
    """A B A B: what slows the machine down for a while then slows both."""
    clips: dict[str, list[Row]] = {name: [] for name in workers}
    for i in range(repeats):
        for name, worker in workers.items():
            clips[name].append(worker.do("make_clip"))
            took = clips[name][-1]
            tell(f"{name}: clip {i + 1} of {repeats}: {sum(took['seconds'].values()):.1f} s, {took}")
    return clips


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clip", description=__doc__)
    parser.add_argument("--peer", choices=["diffusers"], default="diffusers")
    parser.add_argument(
        "--compiled", nargs="?", const="reduce-overhead", metavar="MODE", help="torch.compile the peer's UNet"
    )
    parser.add_argument("--decode-chunk", type=int, default=0, help="frames both decode at a time; 0: their defaults")
    parser.add_argument("--json-only", action="store_true", help="say nothing on stderr")
    add_condition_options(parser)
    return parser.parse_args()


def add_condition_options(parser: argparse.ArgumentParser) -> None:
    """What a row's figures depend on, whatever is compared."""
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], help="float16 on CUDA, float32 on a CPU")
    parser.add_argument("--scale", choices=list(SCALES), default="tiny")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size", metavar="WxH")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: as many as torch takes")
    parser.add_argument("--revision", help="what to write where git is not at hand")


def order_of(options: argparse.Namespace) -> Order:
    """What the options say, the rest as the scale has it."""
    scale = SCALES[options.scale]
    width, height = map(int, options.size.split("x")) if options.size else scale.size
    return Order(
        device=options.device,
        dtype=options.dtype or ("float32" if options.device == "cpu" else "float16"),
        scale=options.scale,
        frames=options.frames or scale.frames,
        width=width,
        height=height,
        steps=options.steps or scale.steps,
        threads=options.threads,
        compiled=getattr(options, "compiled", None),
        decode_chunk=getattr(options, "decode_chunk", 0),
    )


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _ignore(text: str) -> None:
    pass


if __name__ == "__main__":
    main()
