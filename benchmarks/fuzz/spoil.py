"""Bytes and texts spoiled at random, the same for the same seed, and what came of each."""

from __future__ import annotations

import argparse
import collections
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from lib_svd.errors import BadInput

NUMBERS = ("9" * 400, "9" * 5000, "-1", "1e999", "-1e999", "NaN", "0", str(2**63), str(2**64), "1.5", "0" * 60 + "7")
PIECES = (*NUMBERS, "[" * 3000, "{" * 3000, '"', "\\ud800", "\0", "null", "true", "[]", "{}", "é" * 300, ": ", ", ")
SLOW = 2.0  # seconds that no input may take


def spoil(content: bytes, rng: random.Random) -> bytes:
    """The same with one to eight changes: bytes, cuts, repetitions, and pieces that readers stumble over."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 1, 4, 16, 200)))
        kind = rng.randrange(6)
        if kind == 0 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 1:
            del changed[at:end]
        elif kind == 2:
            changed[at:at] = changed[at:end]
        elif kind == 3:
            changed[at:end] = rng.choice(PIECES).encode("utf-8", "surrogatepass")
        elif kind == 4:
            changed[at:at] = rng.randbytes(rng.choice((1, 8, 64)))
        elif rng.random() < 0.1:
            del changed[at:]
    return bytes(changed)


def run(about: str | None, contents: Iterator[bytes], suffix: str, read: Callable[[Path], object], count: int) -> None:
    """Spoil contents in turn, and read each: anything but a value or one of our own sentences is told.

    Exits with 1 where something else came out, or took too long.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--count", type=int, default=count, help="spoiled files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, came = random.Random(options.seed), collections.Counter[str]()
    with tempfile.TemporaryDirectory(prefix="svd-fuzz-") as folder:
        path = Path(folder, f"spoiled{suffix}")
        for _ in range(options.count):
            path.write_bytes(spoil(next(contents), rng))
            came[_try_read(read, path)] += 1
    for what, times in came.most_common():
        print(f"{times:8} {what}")
    sys.exit(any(what not in ("read", "refused") for what in came))


def _try_read(read: Callable[[Path], object], path: Path) -> str:
    began = time.process_time()
    try:
        read(path)
        came = "read"
    except BadInput as error:
        str(error).encode("utf-8")
        came = "refused"
    except Exception as error:  # noqa: BLE001 (whatever it is, is what is looked for)
        place = traceback.extract_tb(error.__traceback__)[-1]
        came = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    return came if time.process_time() - began < SLOW else f"{came}, slowly"
