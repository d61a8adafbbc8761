"""The kind of job that animates every picture in a folder: a batch, see `lib_svd.batch`, in the queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from lib_svd.batch.drive import Batch
from lib_svd.batch.folder import Folder, check_apart
from lib_svd.batch.item import Wish
from lib_svd.batch.local import LocalWorker
from lib_svd.batch.report import check_report, write_report
from lib_svd.batch.rows import read_rows
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import Outcome, State
from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput, BadRequest, SvdError
from lib_svd.jobs import NthOf, reopen_clip
from lib_svd.queue.task import Task, is_seed_open, read_formats, read_switch, read_text
from lib_svd.settings import SETTINGS
from lib_svd.strangers import find_inside, is_folder, quote
from lib_svd.studio import Studio

MOST_TOLD = 3  # pictures without a clip that are named


class NotAllMade(SvdError):
    """Some of a folder's pictures have no clip; the others have."""


class AnimateFolder:
    """Every picture in a folder becomes a clip, unless that clip is there."""

    fields = frozenset({*SETTINGS, "speed", "folder", "recursive", "also"})

    def check(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> dict[str, Any]:
        """See `Kind.check`."""
        if content is not None:
            raise BadRequest('The pictures are in the folder: give "folder", and no picture.')
        folder = find_picture_folder(studio, order.get("folder"))
        self._make_wish(studio, order)
        studio.list_encodings(read_formats(order))
        if not self._open(studio, order, folder).take():
            raise BadRequest(f"There are no pictures in {folder}: name a folder that has some.")
        return {**order, "folder": str(folder)}

    def make(self, task: Task) -> Iterator[SavedClip]:
        """See `Kind.make`.

        Raises:
            NotAllMade: when all else is made, where a picture has no clip.
        """
        batch, told = self._plan(task.studio, task.job.order)
        check_report(batch.shelf.folder)
        destine = partial(task.studio.make_destination, also=read_formats(task.job.order))
        for number in count(1):
            item = batch.take()
            if item is None:
                break
            studio = task.studio.report_to(NthOf(task.studio.host.queue, number, number + len(batch.waiting)))
            told.clear()
            batch.make(item, LocalWorker(studio, batch.shelf, destine))
            for outcome in told:
                if outcome.state is State.MADE and outcome.clip is not None:
                    yield replace(reopen_clip(outcome.clip), notes=outcome.said)
        page = write_report(batch.shelf.folder, read_rows(batch.outcomes), f"Clips of {task.job.order['folder']}")
        _refuse_failed(batch.outcomes, page)

    def look(self, studio: Studio, order: Mapping[str, Any]) -> list[Outcome]:
        """Say what would become of each picture, and make nothing.

        Raises:
            BadInput: see `check`.
        """
        return self._plan(studio, self.check(studio, order, None))[0].outcomes

    def _plan(self, studio: Studio, order: Mapping[str, Any]) -> tuple[Batch, list[Outcome]]:
        """Look at all pictures; gives the batch, and a list that is told what becomes of each clip."""
        folder = find_picture_folder(studio, order.get("folder"))
        told: list[Outcome] = []
        wish = self._make_wish(studio, order)
        batch = Batch(Shelf(studio.find_output_dir()), lambda name: [wish], told.append)
        batch.add(folder, self._open(studio, order, folder).take(), lambda number: None)
        return batch, told

    def _open(self, studio: Studio, order: Mapping[str, Any], folder: Path) -> Folder:
        clips = studio.find_output_dir()
        check_apart(folder, clips)
        return Folder(folder, recursive=read_switch("recursive", order.get("recursive")), apart=clips)

    def _make_wish(self, studio: Studio, order: Mapping[str, Any]) -> Wish:
        has_seed = not is_seed_open(order)
        left_out = ("folder", "recursive", "also", *([] if has_seed else ["seed"]))
        request = studio.make_request({name: value for name, value in order.items() if name not in left_out})
        checkpoint = studio.find_checkpoint(request.checkpoint)
        checkpoint.family.complete(request, grid=checkpoint.size_grid)
        return Wish(request=request, checkpoint=checkpoint, has_seed=has_seed)


def find_picture_folder(studio: Studio, name: Any) -> Path:
    """Find a folder of pictures by its path; what is in no folder that may be read, and what is not there, are refused
    in the same words.

    Raises:
        BadInput: there is none.
    """
    folders = studio.host.folders
    allowed = [*folders.list_clip_dirs(), *folders.list_picture_dirs()]
    found = find_inside(read_text("folder", name), allowed, is_folder)
    if found is None:
        raise BadInput(
            f"There is no folder {quote(name)} where pictures may be read: name one in "
            f"{' or '.join(dict.fromkeys(map(str, allowed)))}; the settings of the web UI, or --pictures, add others."
        )
    return found


def _refuse_failed(outcomes: list[Outcome], page: Path) -> None:
    """Say which pictures have no clip, where there are any; raises NotAllMade."""
    failed = [each for each in outcomes if each.state in (State.FAILED, State.BAD)]
    if not failed:
        return
    told = " ".join(f"{each.picture}: {' '.join(each.said)}" for each in failed[:MOST_TOLD])
    rest = f" {page.name} beside the clips has the others." if len(failed) > MOST_TOLD else ""
    few = f"{len(failed)} of {len(outcomes)} pictures have" if len(failed) > 1 else "One picture has"
    raise NotAllMade(f"{few} no clip. {told}{rest}")
