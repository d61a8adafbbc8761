"""Clips of ours in a row's own Python, one for each line on stdin; prints what a step and decoding took of the CPU."""

from __future__ import annotations

import json
import statistics
import sys

import torch

from benchmarks.ours import Ours
from benchmarks.side import Order

ORDER = Order(device="cpu", dtype="float32", scale="tiny", frames=8, width=256, height=192, steps=2, threads=1)


def main() -> None:
    """Until stdin ends."""
    torch.set_num_threads(1)
    side = Ours(ORDER)
    side.make_clip()  # the first one imports and allocates
    for _ in sys.stdin:
        stages = side.make_clip()
        took = {"step": statistics.median(stages.cpu_steps), "decode": stages.cpu_seconds["decode"]}
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
