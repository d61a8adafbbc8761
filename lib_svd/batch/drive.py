"""The loop: one item after the other to a worker, whatever becomes of each."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from lib_svd.batch.item import Item, Wish, look
from lib_svd.batch.shelf import Shelf, is_noted
from lib_svd.batch.worker import Away, FailedThere, Outcome, State, Worker
from lib_svd.errors import BadInput, Interrupted, SvdError

MOST_LOSSES = 3  # of workers that were lost while they made one and the same clip
WAIT = 0.2  # seconds at most before a clip is asked for again that another program makes

log = logging.getLogger("svd")


class Batch:
    """What is to be made, in order, and what became of what was asked.

    Workers on several threads may take from one batch, each in a `drive` of its own. What a worker that is lost had in
    hand is first again; what failed in one place is tried in each of the others.

    Args:
        shelf: where clips go.
        wish: what is asked of a picture, by its name.
        tell: is told what became of each clip and picture, of one at a time.

    Attributes:
        places: where all workers are that take from it.
    """

    places: Collection[str] = ("",)

    def __init__(self, shelf: Shelf, wish: Callable[[str], Sequence[Wish]], tell: Callable[[Outcome], object]) -> None:
        self.shelf = shelf
        self._wish, self._tell = wish, tell
        self._waiting: deque[Item] = deque()
        self._done: dict[str, list[Outcome]] = {}  # by picture
        self._changed = threading.Condition()  # holds the lock of all that workers change
        self._out = 0  # clips that workers have in hand
        self._losses: Counter[str] = Counter()  # by the clip's key
        self._tried: dict[str, dict[str, str]] = {}  # by the clip's key and the place: why it failed there

    @property
    def waiting(self) -> Sequence[Item]:
        """What is still to be made, in order."""
        return self._waiting

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of each clip and picture so far."""
        done = [each for outcomes in self._done.values() for each in outcomes]
        return done + [Outcome(picture=item.name, state=State.PLANNED, item=item) for item in list(self._waiting)]

    def add(self, folder: Path, names: Sequence[str], report: Callable[[int], object]) -> None:
        """Look at pictures and have their clips made; one that was looked at before has changed since.

        Args:
            folder: the pictures'.
            names: the pictures', below the folder, in the order in which their clips are wanted; but each model is
                loaded once.
            report: is told how many of them were looked at.
        """
        there = self.shelf.find_clips()
        for number, name in enumerate(names, 1):
            self._done[name] = []
            self._waiting = deque(item for item in self._waiting if item.name != name)
            try:
                items = look(folder / name, name, self._wish(name))
                self._waiting.extend(item for item in items if not self._note_there(item, there))
            except BadInput as error:
                self._note(Outcome(picture=name, state=State.BAD, said=(str(error),)))
            report(number)
        self.shelf.drop_latents({each.item.key for each in self.outcomes if each.state is State.THERE and each.item})
        models = list(dict.fromkeys(item.checkpoint.identity for item in self._waiting))
        self._waiting = deque(sorted(self._waiting, key=lambda item: models.index(item.checkpoint.identity)))

    def take(self, place: str = "", least: int = 1) -> Item | None:
        """Give what is next, once no other worker can give it back any more; None: nothing is left.

        Args:
            place: where it is to be made; what failed there is not given again.
            least: how many clips must wait for one to be given.
        """
        with self._changed:
            while True:
                item = next((each for each in self._waiting if place not in self._tried.get(each.key, ())), None)
                if item is not None and len(self._waiting) >= least:
                    self._waiting.remove(item)
                    self._out += 1
                    return item
                if not self._out or (item is not None and least > 1):
                    return None
                self._changed.wait()

    @property
    def in_hand(self) -> int:
        """How many clips are being made."""
        return self._out

    @property
    def is_done(self) -> bool:
        """Whether nothing waits, and no worker has anything in hand."""
        with self._changed:
            return not self._waiting and not self._out

    def give_up(self) -> None:
        """Note what failed wherever it was tried, where the other places cannot try it any more."""
        with self._changed:
            tried = [item for item in self._waiting if item.key in self._tried]
            for item in tried:
                self._waiting.remove(item)
                self._note_failed(item, " ".join(self._tried[item.key].values()))

    def make(self, item: Item, worker: Worker) -> None:
        """Have a clip made that was taken, unless it is there by now; put it last where another program is making it.

        Raises:
            Interrupted, KeyboardInterrupt: the user stopped it, and it is first again.
            Away: the worker cannot make it, and it is first again.
        """
        try:
            self._make(item, worker)
        except (Interrupted, KeyboardInterrupt):
            self._put_back(item)
            raise
        except Away as away:
            self._take_back(item, away)
            raise
        except FailedThere as error:
            self._try_elsewhere(item, worker.place, str(error))
        except SvdError as error:
            self._note_failed(item, str(error))
        except OSError as error:
            where = error.filename or self.shelf.folder
            self._note_failed(item, f"{where} cannot be used ({error.strerror or error}): mend that, and start again.")
        except Exception as error:
            log.exception("A clip of %s could not be made", item.picture)
            why = f"{type(error).__name__}: {error}".rstrip(".:")
            self._note_failed(item, f"The clip could not be made ({why}): the log has more.")
        finally:
            with self._changed:
                self._out -= 1
                self._changed.notify_all()

    def _make(self, item: Item, worker: Worker) -> None:
        with self.shelf.claim(item.key) as is_free:
            is_there = self._note_there(item, self.shelf.find_clips())
            if is_free and not is_there:
                self._note(worker.make(item))
        if is_free or is_there:
            self.shelf.drop_latents({item.key})
        else:
            time.sleep(WAIT * random.random())
            with self._changed:
                self._waiting.append(item)

    def _put_back(self, item: Item) -> None:
        """Let a clip be first again, unless something became of it already."""
        with self._changed:
            if all(each.item is not item for each in self._done[item.name]):
                self._waiting.appendleft(item)

    def _take_back(self, item: Item, away: Away) -> None:
        """Let a clip be first again, unless too many workers were lost while they made it."""
        with self._changed:
            self._losses[item.key] += away.is_lost
            if self._losses[item.key] >= MOST_LOSSES:
                lost = f"What was making the clip was lost {MOST_LOSSES} times"
                self._note_failed(item, f"{lost}, and it may be the clip that does it: try it alone. {away}")
            else:
                self._put_back(item)

    def _try_elsewhere(self, item: Item, place: str, why: str) -> None:
        """Let a clip that failed in one place be made in another; where it failed in all of them, note that."""
        with self._changed:
            tried = self._tried.setdefault(item.key, {})
            tried[place] = why
            if tried.keys() >= {*self.places}:
                self._note_failed(item, " ".join(tried.values()))
            else:
                self._waiting.append(item)

    def _note_there(self, item: Item, clips: Mapping[str, Path]) -> bool:
        """Note a clip that is among those that are there; tells whether it is."""
        clip = clips.get(item.key)
        if clip is None or not is_noted(clip):
            return False
        self._note(Outcome(picture=item.name, state=State.THERE, item=item, clip=clip))
        return True

    def _note_failed(self, item: Item, why: str) -> None:
        self._note(Outcome(picture=item.name, state=State.FAILED, item=item, said=(why,)))

    def _note(self, outcome: Outcome) -> None:
        with self._changed:
            self._done[outcome.picture].append(outcome)
            self._tell(outcome)


def drive(batch: Batch, worker: Worker, least: int = 1) -> None:
    """Give a worker one item after the other until none is left, or fewer than `least` wait.

    Raises:
        Interrupted, KeyboardInterrupt: the user stopped it; what was made stays, and the rest is as if never begun.
        Away: the worker cannot make clips for now; the batch has what it had in hand.
    """
    try:
        while (item := batch.take(worker.place, least)) is not None:
            batch.make(item, worker)
    except (Interrupted, KeyboardInterrupt):
        worker.cancel()
        raise
