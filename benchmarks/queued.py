"""Clips through the queue of jobs, against the same in a loop: python -m benchmarks.queued

One process makes both, in turns, and each is the first of the two as often: the demo's clips of one picture, seed by
seed, measured and noted as ever. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.clip import find_revision, name_device, say
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue, State
from lib_svd.studio import Studio

PICTURE = Path(__file__).parents[1] / "examples" / "lighthouse.jpg"
CLIPS = 4  # in a turn


class Took(NamedTuple):
    """Seconds of a turn; CPU time with that of ffmpeg."""

    wall: float
    cpu: float


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
        ways: list[Callable[[], Any]] = [make_in_loop, make_in_queue]
        took = [_time(way) for way in (ways if number % 2 else ways[::-1])]
        loop, queued = took if number % 2 else took[::-1]
        say(f"turn {number + 1} of {repeats}: in a loop {loop}, queued {queued}")
        yield loop, queued
    queue.close()


def _time(work: Callable[[], None]) -> Took:
    cpu, began = _read_cpu(), time.perf_counter()
    work()
    return Took(time.perf_counter() - began, _read_cpu() - cpu)


def _read_cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
