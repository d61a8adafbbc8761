"""The loop: one item after the other to a worker, whatever becomes of each."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lib_svd.batch.item import Item, Wish, look
from lib_svd.batch.shelf import Shelf, is_noted
from lib_svd.batch.worker import Outcome, State, Worker
from lib_svd.errors import BadInput, Interrupted, SvdError

WAIT = 0.2  # seconds at most before a clip is asked for again that another program makes

log = logging.getLogger("svd")


class Batch:
    """What is to be made, in order, and what became of what was asked.

    Workers on several threads may take from one batch, each in a `drive` of its own.

    Args:
        shelf: where clips go.
        wish: what is asked of a picture, by its name.
        tell: is told what became of each clip and picture.
    """

    def __init__(self, shelf: Shelf, wish: Callable[[str], Sequence[Wish]], tell: Callable[[Outcome], object]) -> None:
        self.shelf = shelf
        self._wish, self._tell = wish, tell
        self._waiting: deque[Item] = deque()
        self._done: dict[str, list[Outcome]] = {}  # by picture

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

    def take(self) -> Item | None:
        """Give what is next; None: nothing is left."""
        try:
            return self._waiting.popleft()
        except IndexError:  # another thread may have been faster
            return None

    def make(self, item: Item, worker: Worker) -> None:
        """Have a clip made, unless it is there by now; put it last where another program is making it.

        Raises:
            Interrupted, KeyboardInterrupt: the user stopped it, and it is first again.
        """
        try:
            with self.shelf.claim(item.key) as is_free:
                is_there = self._note_there(item, self.shelf.find_clips())
                if is_free and not is_there:
                    self._note(worker.make(item))
            if is_free or is_there:
                self.shelf.drop_latents({item.key})
            else:
                time.sleep(WAIT * random.random())
                self._waiting.append(item)
        except (Interrupted, KeyboardInterrupt):
            if all(each.item is not item for each in self._done[item.name]):
                self._waiting.appendleft(item)
            raise
        except SvdError as error:
            self._note_failed(item, str(error))
        except OSError as error:
            where = error.filename or self.shelf.folder
            self._note_failed(item, f"{where} cannot be used ({error.strerror or error}): mend that, and start again.")
        except Exception as error:
            log.exception("A clip of %s could not be made", item.picture)
            why = f"{type(error).__name__}: {error}".rstrip(".:")
            self._note_failed(item, f"The clip could not be made ({why}): the log has more.")

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
        self._done[outcome.picture].append(outcome)
        self._tell(outcome)


def drive(batch: Batch, worker: Worker) -> None:
    """Give a worker one item after the other until none is left.

    Raises:
        Interrupted, KeyboardInterrupt: the user stopped it; what was made stays, and the rest is as if never begun.
    """
    try:
        while (item := batch.take()) is not None:
            batch.make(item, worker)
    except (Interrupted, KeyboardInterrupt):
        worker.cancel()
        raise
