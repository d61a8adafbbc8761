"""Build the environments, look, and print the table of docs/hosts.md, a row each as it is done.

Needs the Pythons of the rows on the PATH, and about 7 GB of disk a row. `make venv`'s own environment is what rows are
held against, so that is what runs this.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from tests.pins.environment import Environment, build_environment, describe_today, measure_ratios
from tests.pins.rows import ROWS, Row

MOST_APART = 1  # of 255, between any two rows
HEADS = ("row", "Python", "torch", "ffmpeg", "passed", "failed", "apart, of 255", "a step", "decoding")


def main() -> int:
    asked = _read_asked()
    ours = describe_today(asked.into / "today")
    frames = {"today": ours.make_frames()}
    _print_line(HEADS)
    _print_line(["---"] * len(HEADS))
    well = True
    for name in asked.names or ROWS:
        environment = build_environment(ROWS[name], asked.into / name)
        frames[name] = environment.make_frames()
        well &= _look_at(name, ROWS[name], environment, ours, _measure_most_apart(frames))
    return 0 if well and _measure_most_apart(frames) <= MOST_APART else 1


def _look_at(name: str, row: Row, environment: Environment, ours: Environment, apart: int) -> bool:
    """Print the row; whether all tests passed."""
    counts = environment.test(row.without)
    passed = counts.pop("passed", 0)
    failed = sum(number for what, number in counts.items() if what in ("failed", "error", "errors"))
    took = measure_ratios(environment, ours)
    figures = (str(passed), str(failed), str(apart), f"{took['step']:.2f}", f"{took['decode']:.2f}")
    _print_line((name, *environment.list_versions().values(), *figures))
    return passed > 0 and failed == 0


def _measure_most_apart(frames: dict[str, np.ndarray]) -> int:
    """The greatest difference of a number between any two clips."""
    clips = np.stack(list(frames.values())).astype(np.int16)
    return int((clips.max(0) - clips.min(0)).max())


def _print_line(cells: object) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _read_asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.pins", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *ROWS], metavar="NAME", help=f"of {', '.join(ROWS)}; none: all"
    )
    parser.add_argument("--into", type=Path, default=Path(tempfile.gettempdir()) / "svd-pins", help="for environments")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
