"""Clips through the queue of jobs, against the same in a loop: python -m benchmarks.queued

One process makes both, in turns, and each is the first of the two as often: the demo's clips of one picture, seed by
seed, measured and noted as ever. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import torch

from benchmarks.clip import find_revision, name_device, say
from benchmarks.turns import Took, run_in_turn
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue, State
from lib_svd.studio import Studio

PICTURE = Path(__file__).parents[1] / "examples" / "lighthouse.jpg"
CLIPS = 4  # in a turn


def main() -> None:
    """Measure both, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help=f"turns of each, of {CLIPS} clips")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        turns = list(_take_turns(Path(folder), options.repeats))
    wall = statistics.median(loop.wall / queued.wall for loop, queued in turns)
    cpu = statistics.median(loop.cpu / queued.cpu for loop, queued in turns)
    say(f"clips a minute through the queue over the loop: {wall:.3f}, by CPU time {cpu:.3f}; {turns}")
    about = {"date": date.today().isoformat(), "revision": find_revision(), "device": "cpu"}
    about |= {"device_name": name_device("cpu"), "torch": torch.__version__, "cores": os.cpu_count()}
    about |= {"repeats": options.repeats, "clips": CLIPS, "threads": torch.get_num_threads()}
    print(json.dumps({"kind": "queued", **about, "wall_ratio": round(wall, 3), "cpu_ratio": round(cpu, 3)}))


def _take_turns(folder: Path, repeats: int) -> Iterator[tuple[Took, Took]]:
    """Give what the loop took and what the queue took, turn by turn; the model is loaded before."""
    studio = Studio(make_standalone_host("cpu", output_dir=folder))
    queue = JobQueue(studio)
    queue.open()
    content, seeds = PICTURE.read_bytes(), count()
    orders = ({"checkpoint": "demo", "seed": seed} for seed in seeds)

    def make_in_loop() -> None:
        for _ in range(CLIPS):
            studio.animate(studio.order(studio.make_request(next(orders)), io.BytesIO(content)))

    def make_in_queue() -> None:
        jobs = [queue.add("animate", next(orders), content) for _ in range(CLIPS)]
        ended = [queue.await_end(job.id).result() for job in jobs]
        assert all(job.state is State.DONE for job in ended), ended

    make_in_loop()
    for number in range(repeats):
        loop, queued = run_in_turn((make_in_loop, make_in_queue), swapped=not number % 2)
        say(f"turn {number + 1} of {repeats}: in a loop {loop}, queued {queued}")
        yield loop, queued
    queue.close()


if __name__ == "__main__":
    main()
