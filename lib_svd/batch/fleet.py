"""Workers elsewhere that share one batch, each on a thread of its own: who is free takes the next clip."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lib_svd.batch.drive import Batch, drive
from lib_svd.batch.worker import Away, RemoteWorker
from lib_svd.errors import BadRequest, Interrupted

PATIENCE = 60.0  # seconds for which all workers may be lost before the batch ends
POLL = 0.2  # seconds between two looks at what the threads do
GOODBYE = 10.0  # seconds that workers have to cancel what they have in hand

log = logging.getLogger("svd")
Report = Callable[[int, float], None]
"""Is told how many workers can make clips, and how many clips' worth of work is done of those in hand."""


class Fleet:
    """Has a batch made by several workers. One that is away is asked again until the batch ends.

    Of several workers in one place only the first takes the last clips, so that none waits there while there is nothing
    to do elsewhere.

    Args:
        batch: what is to be made.
        workers: at least one.
        stop: set by whoever wants everything stopped; the workers know it too.
        say: is told in a sentence what a user should know.
        report: is told how far it is.
        patience: seconds for which all workers may be lost before the batch ends.
    """

    def __init__(
        self,
        batch: Batch,
        workers: Sequence[RemoteWorker],
        stop: threading.Event,
        say: Callable[[str], None],
        report: Report,
        patience: float = PATIENCE,
    ) -> None:
        self._batch, self._workers, self._stop = batch, workers, stop
        self._say, self._report, self._patience = say, report, patience
        self._away: dict[RemoteWorker, Away] = {}
        self._able: set[RemoteWorker] = set()
        self._bugs: list[Exception] = []
        self._over = threading.Event()  # threads have nothing more to do
        batch.places = tuple(dict.fromkeys(worker.place for worker in workers))

    def check(self) -> None:
        """See which workers can make clips, and say which cannot.

        Raises:
            BadRequest: none can; a sentence for each place.
        """
        found: dict[str, RemoteWorker] = {}
        for worker in self._workers:
            found.setdefault(worker.place, worker)
        with ThreadPoolExecutor(len(found)) as threads:
            refused = [each for each in threads.map(_check, found.values()) if each is not None]
        if len(refused) == len(found):
            raise BadRequest("\n".join(dict.fromkeys(map(str, refused))))
        for away in refused:
            self._say(_explain(away))

    def run(self) -> None:
        """Have all made that waits.

        Raises:
            Away: every worker is lost, and was for a minute; the rest waits.
            Interrupted, KeyboardInterrupt: the user stopped it; the rest is as if never begun.
        """
        self._over.clear()
        seen: Counter[str] = Counter()
        threads = []
        for worker in self._workers:
            seen[worker.place] += 1
            least = 1 if seen[worker.place] == 1 else len(self._batch.places)
            threads.append(threading.Thread(target=self._serve, args=(worker, least), daemon=True))
        for thread in threads:
            thread.start()
        try:
            lost = self._watch(threads)
        except (Interrupted, KeyboardInterrupt):
            self._stop.set()
            self._end(threads)
            raise
        self._end(threads)
        self._batch.give_up()
        self._report(len(self._able), 0.0)
        if self._bugs:
            raise self._bugs[0]
        if lost is not None and self._batch.waiting:
            left = f"Nothing is left that makes clips, and {len(self._batch.waiting)} are to be made"
            raise Away(f"{left}: see to it, and start again. {lost}", 0.0, is_lost=True)

    def _watch(self, threads: Sequence[threading.Thread]) -> Away | None:
        """Report until the threads have nothing more to do; gives why the last worker is lost, if all are.

        Raises:
            Interrupted: the user stopped it.
        """
        able_at = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            if self._stop.is_set():
                raise Interrupted("The batch was stopped.")
            away = list(self._away.values())
            self._report(len(self._able), sum(worker.share for worker in self._workers))
            alive = sum(thread.is_alive() for thread in threads)
            if self._batch.is_done or self._bugs:
                return None
            if not (away and len(away) >= alive and all(each.is_lost for each in away)):
                able_at = time.monotonic()
            elif time.monotonic() - able_at > self._patience:
                return away[-1]
            time.sleep(POLL)
        return None

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """Let the threads end; one whose server keeps it waiting is left behind."""
        self._over.set()
        until = time.monotonic() + GOODBYE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self, worker: RemoteWorker, least: int) -> None:
        while not self._over.is_set():
            try:
                worker.check()
                self._away.pop(worker, None)
                self._able.add(worker)
                drive(self._batch, worker, least)
                return
            except Away as away:
                self._note_away(worker, away)
                self._over.wait(away.seconds)
            except Interrupted:
                return
            except Exception as bug:
                log.exception("A worker ended")
                self._bugs.append(bug)
                return

    def _note_away(self, worker: RemoteWorker, away: Away) -> None:
        self._away[worker] = away
        self._able.discard(worker)
        if away.is_lost and not self._over.is_set():
            self._say(_explain(away))


def _check(worker: RemoteWorker) -> Away | None:
    try:
        worker.check()
    except Away as away:
        return away
    return None


def _explain(away: Away) -> str:
    return f"{away} This is tried again as long as there is work."
