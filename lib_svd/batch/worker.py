"""The port behind which clips are made: on this machine, or wherever a worker reaches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from lib_svd.batch.item import Item
from lib_svd.errors import SvdError


class State(Enum):
    """What became of a clip, in the words that users read."""

    MADE = "made"
    THERE = "there already"
    FAILED = "failed"
    BAD = "passed over"
    PLANNED = "to be made"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one clip, or of a picture that cannot be used."""

    picture: str  # below the folder, with /
    state: State
    item: Item | None = None  # None: the picture cannot be used
    clip: Path | None = None  # the video; None: there is none
    seconds: float = 0.0  # that it took in all
    said: tuple[str, ...] = ()  # why there is none, or what the user should know


class Away(SvdError):
    """A worker cannot make clips for now: what it had in hand goes back to the batch, for others or for later.

    Attributes:
        seconds: after which it is worth asking it again.
        is_lost: whether it is gone, and not only busy.
    """

    def __init__(self, message: str, seconds: float, *, is_lost: bool) -> None:
        super().__init__(message)
        self.seconds, self.is_lost = seconds, is_lost


class FailedThere(SvdError):
    """A clip could not be made where the worker is; it may be made elsewhere, as for want of memory or of its model."""


class Worker(Protocol):
    """Makes clips, one at a time; tells whoever made the worker how far it is."""

    @property
    def place(self) -> str:
        """Where it makes them, as users call it; "": here."""
        ...

    def make(self, item: Item) -> Outcome:
        """Make a clip, and have it in the folder of clips, noted in the history, when this returns.

        The clip's name ends in the item's key, see `Shelf.choose_name`, and it appears whole or not at all.

        Raises:
            Interrupted: the user stopped it; the batch ends.
            Away: the worker cannot make clips for now.
            FailedThere: another place is tried, if there is one.
            SvdError: there is no clip, and the text says why; the batch goes on with the next one.
        """
        ...

    def cancel(self) -> None:
        """Stop the clip that is being made, from another thread or after Ctrl-C; nothing is left of it."""
        ...


class RemoteWorker(Worker, Protocol):
    """A worker elsewhere, which may be away and come back."""

    @property
    def share(self) -> float:
        """How much of the clip in hand is made, 0 to 1."""
        ...

    def check(self) -> None:
        """See whether it can make clips now, and prepare it.

        Raises:
            Away: it cannot.
        """
        ...
