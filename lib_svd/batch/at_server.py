"""The worker that has clips made by a server, through the queue of its API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from typing import TypeVar

from lib_svd.batch.item import Item
from lib_svd.batch.receive import MAIN, note_left, receive
from lib_svd.batch.servers import Server
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import Away, FailedThere, Outcome, State
from lib_svd.client import ENDS, Job, Refused, Svd
from lib_svd.errors import Interrupted, SvdError

LANES = 2  # workers a server: while one clip is made there, the next one waits with its picture, or the last one comes
POLL = 0.5  # seconds between two looks at a job
TOLERANCE = 15.0  # seconds for which a server may not answer, as while it is started again
AGAIN = 10.0  # seconds after which a server that is lost is asked again
NO_ANSWER, UNKNOWN, FORBIDDEN, MISSING, TOO_MANY = 0, 401, 403, 404, 429  # HTTP status
PROXY_ALONE = (502, 503, 504)  # HTTP status of a proxy whose server does not answer
FOR_ALL = ("BadPicture", "BadRequest")  # what one server refuses so, all do

T = TypeVar("T")


class ServerWorker:
    """Has one clip after the other made by a server.

    Args:
        server: where it is.
        shelf: where clips go.
        stop: set by whoever wants everything stopped.
        list_wanted: gives the marks of the models that there is still work for.

    Attributes:
        place: the server's address.
        share: how much of the clip in hand is made, 0 to 1.
    """

    def __init__(
        self, server: Server, shelf: Shelf, stop: threading.Event, list_wanted: Callable[[], Collection[str]]
    ) -> None:
        self.place, self.share = server.address, 0.0
        self._svd = Svd(server.address, server.user, server.password)
        self._shelf, self._stop, self._list_wanted = shelf, stop, list_wanted
        self._marks: frozenset[str] = frozenset()  # of the models that it has
        self._left: list[Job] = []  # jobs that were given up while it did not answer

    def check(self) -> None:
        """See whether the server answers, lets us in and has a model that there is work for; see `RemoteWorker`."""
        try:
            models = self._svd.models()
            self._marks = frozenset(str(each["mark"]) for each in models)
        except Refused as refused:
            raise self._explain(refused) from refused
        except (TypeError, KeyError) as error:
            raise self._lose(
                f"{self.place} is another program: give the address of one with this extension."
            ) from error
        wanted = self._list_wanted()
        if wanted and not self._marks & {*wanted}:
            raise self._lose(
                f"{self.place} has none of the models that clips are to be made with: put the very file there."
            )
        while self._left:
            self._drop(self._left.pop())

    def make(self, item: Item) -> Outcome:
        """Have a clip made, and fetch it; note it where the clip itself is here."""
        left = self._shelf.find_clips().get(item.key)
        if left is not None:
            note_left(item, left)
            return Outcome(picture=item.name, state=State.MADE, item=item, clip=left)
        if item.checkpoint.mark not in self._marks:
            raise FailedThere(
                f"{self.place} has no such model as {item.checkpoint.path.name}: put that very file there."
            )
        job = self._submit(item)
        try:
            self._await_end(job)
            self._check_end(job)
            made, note = self._insist(job.clip), self._insist(job.note)
            clip = receive(item, self._shelf, {MAIN: made.video}, note, self.place)
        except Away:
            self._left.append(job)
            raise
        except SvdError:
            self._drop(job)
            raise
        finally:
            self.share = 0.0
        self._drop(job)
        notes = tuple(map(str, made.about["notes"]))
        took = sum(made.about["seconds"].values())
        return Outcome(picture=item.name, state=State.MADE, item=item, clip=clip, seconds=took, said=notes)

    def cancel(self) -> None:
        """Stop the clip that is being made, there too."""
        self._stop.set()

    def _submit(self, item: Item) -> Job:
        """Give the server a job; raises Away, FailedThere, SvdError, or Interrupted where it is too late for one."""
        content = item.read_content()
        if self._stop.is_set():
            raise Interrupted("The batch was stopped.")
        try:
            return self._svd.submit(picture=content, **asdict(item.request))
        except Refused as refused:
            raise self._explain(refused) from refused

    def _await_end(self, job: Job) -> None:
        """Look at a job until it has ended; raises Away, SvdError, or Interrupted where everything is stopped."""
        while self._insist(job.look).state not in ENDS:
            self.share = float(job.about["progress"])
            self._pause(POLL)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Interrupted("The batch was stopped.")

    def _insist(self, ask: Callable[[], T]) -> T:
        """Ask a server that took a job, again and again where it does not answer for a short while; raises as
        `_explain`.
        """
        until = time.monotonic() + TOLERANCE
        while True:
            try:
                return ask()
            except Refused as refused:
                if time.monotonic() > until or refused.status not in (NO_ANSWER, TOO_MANY, *PROXY_ALONE):
                    raise self._explain(refused) from refused
            self._pause(POLL)

    def _check_end(self, job: Job) -> None:
        """Raise SvdError where a job did not end with a clip."""
        if job.state == "cancelled":
            raise SvdError(f"The clip was cancelled at {self.place}: start again to have it made.")
        if job.state != "done":
            error = job.about["error"] or {}
            raise self._explain(Refused(str(error.get("message", "The job failed.")), 500, str(error.get("error", ""))))

    def _drop(self, job: Job) -> None:
        """Cancel a job, or take it off the server's list; where that cannot be, the server's list is bounded."""
        with suppress(Refused):
            job.forget()

    def _lose(self, message: str) -> Away:
        return Away(message, AGAIN, is_lost=True)

    def _explain(self, refused: Refused) -> SvdError:
        """Say what a refusal means for the clip: it waits, is tried elsewhere, or cannot be made."""
        if refused.status == NO_ANSWER:
            return self._lose(str(refused))
        if refused.status in (UNKNOWN, FORBIDDEN):
            advice = "write name and password, or the variable that holds them, into the list of servers"
            return self._lose(f"{self.place} does not let us in ({str(refused).rstrip('.')}): {advice}.")
        if refused.status == TOO_MANY:
            return Away(f"{self.place}: {refused}", refused.retry_after or AGAIN, is_lost=False)
        if refused.status == MISSING and not refused.error:
            what = f"{self.place} does not have this version of /svd/v1"
            return self._lose(f"{what}: install this extension there or update it, or correct the address.")
        if refused.status == MISSING or refused.status in PROXY_ALONE:
            return self._lose(f"{self.place}: {refused}")
        said = f"{self.place}: {refused}"
        return SvdError(said) if refused.error in FOR_ALL else FailedThere(said)
