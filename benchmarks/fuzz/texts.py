"""Read a megabyte of many texts: python -m benchmarks.fuzz.texts --count 100

Every text is made of one short piece over and over, or of some pieces by chance; each is read as settings and as a
video's tags, the best of three times. The slowest is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from lib_svd.errors import BadInput
from lib_svd.request import ClipRequest
from lib_svd.video.encode import read_tags

LENGTH = 1_000_000
PIECES = (
    "a",
    "word ",
    " ",
    "a:b,",
    ":",
    '"',
    'a:"b',
    'a:"\\',
    "\n",
    "a:\n",
    "1",
    "\\",
    "=",
    ", ",
    "Steps: 20, ",
    "x" * 99,
)
READERS: dict[str, Callable[[str], object]] = {"settings": ClipRequest.from_infotext, "tags": read_tags}


def make_texts(count: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for number in range(count):
        if number < len(PIECES):
            pieces: tuple[str, ...] = (PIECES[number],)
        else:
            pieces = tuple(rng.choice(PIECES) for _ in range(rng.randint(2, 400)))
        whole = "".join(pieces)
        for before in ("", 'a:"', "a:b "):
            yield (before + whole * (LENGTH // len(whole) + 1))[:LENGTH]


def measure_seconds(read: Callable[[str], object], text: str) -> float:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        with suppress(BadInput):
            read(text)
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    """Print a JSON row: the most seconds that a text took, and how that one begins, by reader."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    slowest = {name: (0.0, "") for name in READERS}
    for text in make_texts(given.count, given.seed):
        for name, read in READERS.items():
            slowest[name] = max(slowest[name], (round(measure_seconds(read, text), 3), text[:40]))
    print(json.dumps({"door": "texts", "count": given.count, "seed": given.seed, "slowest": slowest}))


if __name__ == "__main__":
    sys.exit(main())
