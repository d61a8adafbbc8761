"""The worker of this machine: a Studio, whose model stays loaded from clip to clip."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lib_svd.animate import Destination, Order, order
from lib_svd.batch.item import Item
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import Outcome, State
from lib_svd.clip import SavedClip
from lib_svd.jobs import reopen_clip
from lib_svd.studio import Studio


class LocalWorker:
    """Makes clips here, going on from what a program that was killed has kept.

    Args:
        studio: makes them.
        shelf: where they go.
        destine: says in which forms a clip of that name is written.
        stop: ends the clip that is being made, as the studio's host knows it; None: whoever stops it does so himself.
    """

    place = ""

    def __init__(
        self,
        studio: Studio,
        shelf: Shelf,
        destine: Callable[[Path], Destination],
        stop: threading.Event | None = None,
    ) -> None:
        self._studio, self._shelf, self._destine, self._stop = studio, shelf, destine, stop

    def make(self, item: Item) -> Outcome:
        """Make a clip; decode it where its latents are there, note it where the clip itself is."""
        began = time.monotonic()
        saved = self._make(item, self._make_order(item))
        return Outcome(
            picture=item.name,
            state=State.MADE,
            item=item,
            clip=saved.video,
            seconds=time.monotonic() - began,
            said=saved.notes,
        )

    def cancel(self) -> None:
        """Stop the clip that is being made."""
        if self._stop is not None:
            self._stop.set()

    def _make(self, item: Item, asked: Order) -> SavedClip:
        clip = self._shelf.find_clips().get(item.key)
        if clip is not None:
            return self._studio.note(asked, reopen_clip(clip))
        return self._studio.animate(asked, self._shelf.find_latents(item))

    def _make_order(self, item: Item) -> Order:
        """Order a clip of the very bytes that the item was told by; raises BadInput."""
        to = self._destine(self._shelf.choose_name(item))
        made = order(item.request, io.BytesIO(item.read_content()), item.checkpoint, to, kept_in=())
        return replace(made, picture_path=str(item.picture.absolute()))
