"""A progress bar for a terminal."""

from __future__ import annotations

import sys

from tqdm import tqdm

from lib_svd.cli.terminal import allow_no_reader
from lib_svd.progress import Preview, Progress

FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_inv_fmt}]"
NOW = 1e-9  # seconds; at 0 tqdm shows a bar before it is whole, and Ctrl-C just then makes it complain


class ProgressBar:
    """One bar a stage, with seconds a step and the time that is left; `quiet`: none at all."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: tqdm[None] | None = None

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Show how far a stage is; a new stage begins a new bar."""
        if not self._quiet:
            with allow_no_reader(sys.stderr):
                self._show(progress)

    def _show(self, progress: Progress) -> None:
        if self._bar is None or self._bar.desc != progress.title:
            self.close()
            pause = 0.1 if sys.stderr.isatty() else 10.0  # a log file needs no bar every tenth of a second
            self._bar = tqdm(
                [],
                desc=progress.title,
                total=progress.total,
                bar_format=FORMAT,
                mininterval=pause,
                maxinterval=pause,
                delay=NOW,
            )
            self._bar.refresh()
        self._bar.update(progress.done - self._bar.n)
        if progress.done >= progress.total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            with allow_no_reader(sys.stderr):
                self._bar.close()
            self._bar = None
