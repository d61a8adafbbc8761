"""Eight clients, random cancels and faults, and what the server has grown by: python -m benchmarks.soak

The server is `serve` in a process of its own, whose queue is so short that the clients meet its end. Every request has
a seed of its own and must end in its clip or in a sentence; at the end each clip must be there once, and no other. What
the server holds is looked at after each clip, and at rest. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch

from benchmarks.asks import ASKS, PICTURE, Asker
from benchmarks.clip import find_revision, name_device, say
from benchmarks.fuzz.openapi import await_answer, find_port
from lib_svd.client import Svd

HERE = Path(__file__).parents[1]
FIRST = 10  # clips after which nothing grows any more
MOST_WAITING = 6  # jobs, so that eight clients are told to come again
START = f"from lib_svd.queue import queue; queue.MOST_WAITING = {MOST_WAITING}; from lib_svd.cli import main; main()"
SECONDS_OF_REST = 15  # after which threads without work and idle connections have ended
NAMES = {"resident": "resident memory", "threads": "threads", "files": "open files", "temporary": "temporary files"}


@dataclass(frozen=True)
class Held:
    """What the server holds."""

    resident: int  # bytes
    threads: int
    files: int
    temporary: int  # files among the temporary ones, and such in the folder of clips


class Server:
    """A server that is running.

    Args:
        address: where it is.
        pid: its process.
        folder: in which it works.
    """

    def __init__(self, address: str, pid: int, folder: Path) -> None:
        self.address, self.pid, self.folder = address, pid, folder

    @property
    def clips(self) -> Path:
        """Where its clips are."""
        return self.folder / "clips"

    def look(self) -> Held:
        """Look at what it holds now."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        resident, threads = (int(re.findall(rf"^{name}:\s+(\d+)", status, re.M)[0]) for name in ("VmRSS", "Threads"))
        hidden = [path for kind in (".svd-*", "queue/*/*.part", "queue/*/*.input") for path in self.clips.glob(kind)]
        temporary = sum(len(files) for _, _, files in os.walk(self.folder / "temporary")) + len(hidden)
        return Held(resident * 1024, threads, len([*Path(f"/proc/{self.pid}/fd").iterdir()]), temporary)

    def count_seeds(self) -> Counter[int]:
        """Count the clips that are there by their seeds."""
        found = (re.search(r"\bSeed: (\d+)", path.read_text("utf-8")) for path in self.clips.glob("*.txt"))
        return Counter(int(each[1]) for each in found if each)


class Soak:
    """Clients that ask until so many clips are there.

    Args:
        server: whom they ask.
        seed: of all that is left to chance.
    """

    def __init__(self, server: Server, seed: int) -> None:
        self._server, self._seed = server, seed
        self._counting = threading.Lock()
        self._asked = self.told_to_wait = 0
        self.ended: dict[int, tuple[str, str]] = {}  # by seed: what was asked for, and what came of it
        self.wrong: list[str] = []
        self.held: list[Held] = []  # after each clip

    @property
    def clips(self) -> int:
        """How many requests have ended in a clip."""
        return sum(came == "clip" for _, came in list(self.ended.values()))

    def run(self, clients: int, goal: int) -> Held:
        """Let them ask until so many clips are there; gives what the server holds when it has nothing more to do."""
        threads = [threading.Thread(target=self._ask_on, args=(number, goal)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(SECONDS_OF_REST)
        Svd(self._server.address).models()  # threads without work end when another is needed
        return self._server.look()

    def _ask_on(self, client: int, goal: int) -> None:
        rng = random.Random(f"{self._seed} {client} {goal}")
        asker = Asker(self._server.address, self._server.pid, rng)
        while self.clips < goal:
            with self._counting:
                self._asked += 1
                seed = self._asked
            by_chance = rng.choices(list(ASKS), [ask.weight for ask in ASKS.values()])[0]
            kind = dict(enumerate(ASKS, 1)).get(
                seed, by_chance
            )  # what is done first takes memory once: all of it at first
            try:
                came = ASKS[kind].ask(asker, seed)
            except Exception as error:  # noqa: BLE001 (whatever it is, is what is looked for)
                came = "neither clip nor sentence"
                self.wrong.append(f"{kind}, seed {seed}: {type(error).__name__}: {error}")
            self.ended[seed] = (kind, came)
            self.told_to_wait, asker.told_to_wait = self.told_to_wait + asker.told_to_wait, 0
            if came == "clip":
                self.held.append(self._server.look())
                say(f"clip {self.clips}: seed {seed}, {kind}: {self.held[-1]}")

    def list_wrong(self) -> list[str]:
        """List what should not be: lost or doubled clips among it."""
        there = self._server.count_seeds()
        lost = []
        for seed, (kind, came) in sorted(self.ended.items()):
            may_be = (0, 1) if kind.startswith("hung up") else (int(came == "clip"),)  # whoever left does not know
            if there[seed] not in may_be:
                lost.append(f"seed {seed}: {kind}: {came}, and {there[seed]} are there")
        return [*self.wrong, *lost, *(f"seed {seed} was not asked for" for seed in there.keys() - self.ended.keys())]


def main() -> None:
    """Measure, and print the row; ends with 1 where something was lost, doubled, or has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server:
        soak = Soak(server, options.seed)
        first = soak.run(options.clients, FIRST)
        at_rest = soak.run(options.clients, options.clips)
        wrong = soak.list_wrong()
    lines = [_compare(name, first, at_rest, soak.held[FIRST:]) for name in NAMES]
    kinds = Counter(f"{kind}: {came}" for kind, came in soak.ended.values())
    about = {"date": date.today().isoformat(), "revision": find_revision(), "device": "cpu"}
    about |= {"device_name": name_device("cpu"), "torch": torch.__version__, "cores": os.cpu_count()}
    about |= {"clips": soak.clips, "clients": options.clients, "seed": options.seed, "requests": len(soak.ended)}
    about |= {"told_to_wait": soak.told_to_wait}
    about |= {"minutes": round((time.monotonic() - began) / 60), "ended": dict(sorted(kinds.items())), "wrong": wrong}
    print(json.dumps({"kind": "soak", **about, "lines": lines}))
    sys.exit(bool(wrong) or any(line["rest_ratio"] > 1.05 for line in lines))


def _compare(name: str, first: Held, last: Held, held: list[Held]) -> dict[str, str | float]:
    """Compare the end with the time after the first clips: at rest, and at work, by the medians of 50 clips."""
    before, after = asdict(first)[name], asdict(last)[name]
    values = [asdict(each)[name] for each in held]
    early, late = statistics.median(values[:50]), statistics.median(values[-50:])
    line = {"rest": [before, after], "rest_ratio": _divide(after, before)}
    say(f"{NAMES[name]}: {line}, at work {early} to {late}")
    return {"what": NAMES[name], **line, "work": [early, late], "work_ratio": _divide(late, early)}


def _divide(now: float, before: float) -> float:
    return round(now / before, 3) if before else float(1 + now)


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Start a server that works in a folder alone."""
    port = find_port()
    (folder / "temporary").mkdir()
    words = ["serve", "--port", str(port), "--models", str(folder / "models"), "--out", str(folder / "clips")]
    words += ["--pictures", str(PICTURE.parent)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder / "temporary")}
    environment["XDG_DATA_HOME"] = str(folder / "data")
    with (folder / "said.txt").open("w") as said:
        running = subprocess.Popen(
            [sys.executable, "-c", START, *words], cwd=HERE, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        await_answer(address, running)
        yield Server(address, running.pid, folder)
    finally:
        running.terminate()
        running.wait()
        say((folder / "said.txt").read_text("utf-8")[-5000:])


if __name__ == "__main__":
    main()
