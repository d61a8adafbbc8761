"""Compare the project with a folder of reference tensors: python -m tests.golden.compare DIR SET.

Prints a row for each tensor: set, stage, tensor, largest difference, relative rms, limit, verdict.
Exit code 0: all within the limits; 1: one is past; 2: the folder or the set cannot be used, one sentence says why.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tests.golden.golden_set import GoldenSet
from tests.golden.networks import Unusable
from tests.golden.stages import compare_stage, list_stages


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; gives back the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with README.json, key lists and sgm/")
    parser.add_argument("set", help="name of a set in it, such as A")
    wanted = parser.parse_args(argv)
    torch.set_num_threads(1)  # networks this narrow: threads wait for one another longer than they work
    try:
        return _compare(GoldenSet(wanted.folder, wanted.set))
    except Unusable as unusable:
        print(unusable, file=sys.stderr)
        return 2


def _compare(golden: GoldenSet) -> int:
    begun = time.monotonic()
    rows = []
    for name in list_stages(golden):
        for row in compare_stage(golden, name):
            print(row, flush=True)
            rows.append(row)
    measured = [row for row in rows if row.compared]
    past = [row for row in measured if not row.passed]
    if not measured:
        raise Unusable(f"Nothing in set {golden.name} of {golden.folder} could be compared.")
    seconds = time.monotonic() - begun
    print(
        f"set {golden.name}: {len(measured)} compared, {len(past)} past a limit, "
        f"{len(rows) - len(measured)} not compared, {seconds:.0f} s"
    )
    return 1 if past else 0


if __name__ == "__main__":
    sys.exit(main())
