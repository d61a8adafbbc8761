"""What `batch` prints: a line a clip with the time that is left, what is planned, and where the report is."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib_svd.batch.drive import Batch
from lib_svd.batch.report import write_report
from lib_svd.batch.rows import read_rows
from lib_svd.batch.worker import Outcome, State
from lib_svd.cli.options import Options, say
from lib_svd.cli.progress_bar import ProgressBar
from lib_svd.cli.terminal import tell
from lib_svd.ports import Host
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.stages import plan

FAILED = 1  # exit code


class Teller:
    """Says how far a batch is and what became of it, as the options want it said.

    Attributes:
        batch: what it tells of.
    """

    batch: Batch

    def __init__(self, options: Options, bar: ProgressBar) -> None:
        self._options, self._as_json, self._bar = options, options["as_json"], bar
        self._said: set[str] = set()
        self._saying = threading.Lock()  # several workers may be lost at once
        self._failed, self._seconds = 0, list[float]()  # clips that failed, and what each took that was made
        self._shown: Progress | None = None  # of several workers
        self._began: float | None = None  # monotonic seconds, when several workers began; None: there is one, here

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Show how far the clip is that is being made, and which it is."""
        number = self._ended + 1
        self._bar.report(replace(progress, clip=number, clips=number + len(self.batch.waiting)), preview)

    def report_workers(self, workers: int, share: float) -> None:
        """Show how far all clips are.

        Args:
            workers: that can make clips now.
            share: of the clips in hand, how many clips' worth of work is done.
        """
        self._began = self._began or time.monotonic()
        total = self._ended + self.batch.in_hand + len(self.batch.waiting)
        done = min(total, self._ended + share)
        progress = Progress(Stage.SHARING, round(100 * done), 100 * total, file=str(workers))
        if progress != self._shown:
            self._bar.report(progress)
        self._shown = progress

    def add(self, folder: Path, names: Sequence[str]) -> None:
        """Add pictures to the batch, and say how many clips are there already."""
        self.batch.add(folder, names, lambda done: self._bar.report(Progress(Stage.READING, done, len(names))))
        there = sum(each.state is State.THERE for each in self.batch.outcomes)
        if not names:
            self._say(f"There are no pictures in {folder}.")
        elif there and not self._options["dry_run"]:
            self._say(f"{there} clips are there already.")

    def tell(self, outcome: Outcome) -> None:
        """Say what became of a clip; of one that is there already in JSON alone."""
        self._failed += outcome.state is State.FAILED
        self._seconds += [outcome.seconds] if outcome.state is State.MADE else []
        if self._as_json:
            tell(json.dumps(_describe(outcome), ensure_ascii=False))
        elif outcome.state is State.MADE:
            for note in outcome.said:
                if note not in self._said:
                    tell(f"{outcome.picture}: {note}", err=True)
            self._said.update(outcome.said)
            count = f"{self._ended} of {self._ended + self._count_left()}"
            tell(f"[{count}] {outcome.picture}: {outcome.clip}, {outcome.seconds:.1f} s{self._tell_left()}")
        elif outcome.clip is None and not self._options["dry_run"]:
            tell(f"{outcome.picture}: {' '.join(outcome.said)}", err=True)

    def tell_memory(self, host: Host) -> None:
        """Say how much the largest of the clips that are to be made will take."""
        plans = [plan(item.checkpoint, item.request, host.memory) for item in self.batch.waiting]
        if plans:
            self._say(max(plans, key=lambda each: each.needed).write_sentence())

    def tell_plan(self, host: Host | None) -> int:
        """List what would be made, what is there, and what cannot be used; gives the exit code.

        Args:
            host: where clips are made, whose memory is told of; None: elsewhere.
        """
        if self._as_json:
            for outcome in self.batch.outcomes:
                if outcome.state is State.PLANNED:
                    self.tell(outcome)
            return self._tell_counts()
        rows = read_rows(self.batch.outcomes)
        for row in rows:
            told = row.said if row.clip is None and row.said else row.brief
            tell(f"{row.picture}: {row.state.value}{'' if row.clip is None else f', {row.clip}'}. {told}")
        if host is not None:
            self.tell_memory(host)
        took = [row.seconds for row in rows if row.seconds]
        if took and self.batch.waiting:
            left = tqdm.format_interval(len(self.batch.waiting) * sum(took) / len(took))
            self._say(f"Time: about {left}, by the clips that are there already.")
        return self._tell_counts()

    def write_report(self) -> Path:
        """Write the report of what there is so far; gives its page."""
        folder = self.batch.shelf.folder
        return write_report(folder, read_rows(self.batch.outcomes), f"Clips of {self._options['folder']}")

    def tell_end(self) -> int:
        """Write the report, and say where it is and how many clips there are; gives the exit code."""
        return self._tell_counts(self.write_report())

    def _tell_counts(self, page: Path | None = None) -> int:
        found = Counter(each.state for each in self.batch.outcomes)
        counts = {state.value: found[state] for state in State if found[state]}
        where = "" if page is None else f" Report: {page}"
        if self._as_json:
            tell(json.dumps({"counts": counts, "report": None if page is None else str(page)}))
        else:
            tell(f"{', '.join(f'{count} {state}' for state, count in counts.items()) or 'Nothing to do'}.{where}")
        return FAILED if found[State.FAILED] + found[State.BAD] else 0

    @property
    def _ended(self) -> int:
        """How many clips were begun and ended."""
        return self._failed + len(self._seconds)

    def _tell_left(self) -> str:
        """Say how long the rest will take, as long as there is one."""
        left = self._count_left()
        if not left:
            return ""
        took = sum(self._seconds) if self._began is None else time.monotonic() - self._began
        return f"; {tqdm.format_interval(left * took / len(self._seconds))} left"

    def _count_left(self) -> int:
        """Count what is still to be made beside the clip that is told of."""
        return len(self.batch.waiting) + max(0, self.batch.in_hand - 1)

    def say(self, sentence: str) -> None:
        """Say once what the user should know, in JSON and where no progress is wanted, too."""
        with self._saying:
            say((sentence,), False, self._said)

    def _say(self, sentence: str) -> None:
        say((sentence,), self._as_json or self._options["quiet"], self._said)


def _describe(outcome: Outcome) -> dict[str, Any]:
    """Describe what became of a clip; fit for JSON."""
    return {
        "picture": outcome.picture,
        "state": outcome.state.value,
        "path": None if outcome.clip is None else str(outcome.clip),
        "seconds": round(outcome.seconds, 3),
        "settings": None if outcome.item is None else asdict(outcome.item.request),
        "notes": list(outcome.said),
    }
