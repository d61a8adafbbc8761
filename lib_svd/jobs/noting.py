"""A clip that was just made is measured and noted, with its picture."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from lib_svd.animate import Load, Order
from lib_svd.clip import SavedClip
from lib_svd.errors import SvdError
from lib_svd.jobs import history, pictures
from lib_svd.jobs.looking import make_embed
from lib_svd.ports import Host
from lib_svd.progress import Progress, Stage
from lib_svd.request import ClipRequest
from lib_svd.review import LEAST_SIDE, Review, review

log = logging.getLogger("svd")
T = TypeVar("T")
MOST_MEASURED = 200  # frames of a finished clip: measuring more takes minutes


def note_clip(
    order: Order, saved: SavedClip, host: Host, load: Load, *, measured: bool = True
) -> tuple[SavedClip, Review | None]:
    """Measure a clip and write that beside it, with its settings and its picture.

    The clip is made: nothing that goes wrong now may say otherwise, so whatever does is a note on the clip.

    Args:
        order: what it was made from.
        saved: the clip.
        host, load: whose image tower tells likeness.
        measured: whether to measure it; a single frame never is.

    Returns:
        The clip with such notes, and its measures; None: there are none.
    """

    def measure() -> Review:
        host.report(Progress(Stage.MEASURING, 0, 1))
        tower = make_embed(load(order.checkpoint, host), host)
        numbers = review(saved.clip.frames, np.asarray(order.picture.image), tower)
        host.report(Progress(Stage.MEASURING, 1, 1))
        return numbers

    notes = list(saved.notes)
    wanted = measured and len(saved.clip.frames) > 1
    found = _try_work("measured", lambda: host.queue.run_exclusively("svd", measure), notes) if wanted else None
    picture = _try_work("noted with its picture", lambda: pictures.keep(order, saved.video.parent), notes) or ""
    _try_work("noted with its pictures", lambda: pictures.keep_companions(order, saved.video.parent), notes)
    request = order.request.replace(num_frames=len(saved.clip.frames))  # fewer, where the last segments were stopped
    return remember_clip(replace(saved, notes=tuple(notes)), request, picture, found), found


def remember_clip(
    saved: SavedClip, settings: ClipRequest, picture: str = "", measured: Review | None = None
) -> SavedClip:
    """Write down what is known of a clip; gives it, with a note where that failed.

    Args:
        saved: the clip.
        settings: what it was made with.
        picture: where its picture is; "": not known.
        measured: None: it was not measured.
    """
    notes = list(saved.notes)
    files, seconds = _list_files(saved), saved.clip.seconds
    _try_work("noted", lambda: history.remember(saved.video, settings, picture, measured, files, seconds), notes)
    return replace(saved, notes=tuple(notes))


def note_finished_clip(saved: SavedClip, host: Host, known: history.Entry | None, source: str) -> SavedClip:
    """Write down what is known of a clip that was finished, and measure it where clips are; with a note what failed.

    Args:
        saved: the finished clip.
        host: where it is measured.
        known: what the history knows of the clip that it came from; None: it is none of the history's.
        source: the name of that clip.
    """

    def measure() -> Review:
        host.report(Progress(Stage.MEASURING, 0, 1))
        numbers = review(saved.clip.frames)
        host.report(Progress(Stage.MEASURING, 1, 1))
        return numbers

    notes, frames = list(saved.notes), saved.clip.frames
    wanted = host.options["svd_review"] and 1 < len(frames) <= MOST_MEASURED and min(frames.shape[1:3]) >= LEAST_SIDE
    found = _try_work("measured", lambda: host.queue.run_exclusively("svd", measure), notes) if wanted else None
    files = _list_files(saved)
    text = saved.clip.infotext
    _try_work("noted", lambda: history.remember_finished(saved.video, text, known, source, found, files), notes)
    return replace(saved, notes=tuple(notes))


def _list_files(saved: SavedClip) -> tuple[Path, ...]:
    copies = (file for copy in saved.copies for file in (copy.iterdir() if copy.is_dir() else (copy,)))
    return (saved.video, saved.video.with_suffix(".txt"), *copies, *saved.frames)


def _try_work(what: str, work: Callable[[], T], notes: list[str]) -> T | None:
    """Give what the work gives; None: it failed, and a note says why."""
    try:
        return work()
    except SvdError as error:
        notes.append(f"The clip was not {what}. {error}")
    except Exception as error:
        log.exception("The clip could not be %s", what)
        why = f"{type(error).__name__}: {error}".rstrip(".:")
        notes.append(f"The clip was not {what} ({why}): the log has more.")
    return None
