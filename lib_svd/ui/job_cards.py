"""Jobs of the queue as HTML. No gradio here; `svd_queue.js` acts on it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup

from lib_svd import images
from lib_svd.errors import SvdError
from lib_svd.queue import Job, JobQueue, Live, State
from lib_svd.settings import write_cards
from lib_svd.ui.clips import join_html

Url = Callable[[Path], str]
STATES = {
    State.WAITING: "Waiting",
    State.RUNNING: "Being made",
    State.DONE: "Done",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
}
KINDS = {"animate": "Clip", "extend": "Extension", "sweep": "Sweep", "folder": "Folder", "finish": "Finished clip"}
ACTS = {"up": "Earlier", "down": "Later", "cancel": "Cancel", "forget": "Take off the list"}
"""What can be done with a job, by the name that the page's script sends."""
SMALL = 240  # pixels of the longer side of a job's picture
NOTHING = "The queue is empty: choose a picture in Animate, and press Add to queue."


def render_jobs(queue: JobQueue, find: Callable[[str], Path | None], url: Url) -> Markup:
    """Show every job, the one that is made first.

    Args:
        queue: of jobs.
        find: gives the file of a clip by its path; None where it is not there any more.
        url: where the browser gets a file.
    """
    jobs = queue.list_jobs()
    busy = "true" if any(not job.state.is_end for job in jobs) else "false"
    if not jobs:
        return Markup('<p class="svd-said svd-jobs" data-busy="{}">{}</p>').format(busy, NOTHING)
    waiting = [job.id for job in jobs if job.state is State.WAITING]
    cards = join_html(_render_card(queue, job, waiting, find, url) for job in jobs)
    return Markup('<div class="svd-jobs" data-busy="{}">{}</div>').format(busy, cards)


def _render_card(
    queue: JobQueue, job: Job, waiting: Sequence[str], find: Callable[[str], Path | None], url: Url
) -> Markup:
    live = queue.look(job, wants_preview=True)
    parts = [
        Markup('<span class="svd-name">{}</span>').format(job.title or KINDS[job.kind]),
        Markup('<span class="svd-dim">{}</span>').format(_describe(job)),
        Markup('<span class="svd-state">{}</span>').format(_tell_state(job, queue.find_position(job))),
        _show_progress(live) if live else Markup(""),
        Markup('<span class="error">{}</span>').format(job.message) if job.state is State.FAILED else Markup(""),
        join_html(_link(Path(each["path"]), find, url) for each in job.clips),
    ]
    buttons = join_html(_render_button(act, job) for act in _list_acts(job, waiting))
    preview = live.preview if live else ""
    picture = preview or _shrink(queue, job.id)
    shown = Markup('<img src="{}" alt="">').format(picture) if picture else Markup("")
    return Markup(
        '<div class="svd-job" data-job="{}" data-state="{}">{}<div class="svd-about-job">{}</div>'
        '<div class="svd-acts">{}</div></div>'
    ).format(job.id, job.state.value, shown, join_html(parts), buttons)


@lru_cache(maxsize=256)  # the list is shown every second
def _shrink(queue: JobQueue, id: str) -> str:
    """Give a job's picture, small, as the address of itself; "" where it has none, or none that can be shown."""
    try:
        content = queue.read_content(queue.find(id))
        if content is None:
            return ""
        image = images.read_picture(io.BytesIO(content)).image
    except (SvdError, OSError):
        return ""
    image.thumbnail((SMALL, SMALL))
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _describe(job: Job) -> str:
    """Say what it will be, as clips are described."""
    what = str(job.order.get("clip") or job.order.get("folder") or "")
    return ", ".join(filter(None, [KINDS[job.kind] if job.title else "", what, *write_cards(job.order)]))


def _tell_state(job: Job, position: int | None) -> str:
    return f"{STATES[job.state]}, number {position}" if job.state is State.WAITING else STATES[job.state]


def _show_progress(live: Live) -> Markup:
    left = f", about {live.eta:.0f} s left" if live.eta is not None else ""
    told = f"{live.stage} {live.step}/{live.steps}{left}" if live.steps else live.stage
    return Markup('<progress max="1" value="{}"></progress><span>{}</span>').format(round(live.share, 3), told)


def _link(path: Path, find: Callable[[str], Path | None], url: Url) -> Markup:
    there = find(str(path))
    if there is None:
        return Markup('<span class="svd-dim">{} is not there any more</span>').format(path.name)
    return Markup('<a href="{}" target="_blank">{}</a>').format(url(there), path.name)


def _list_acts(job: Job, waiting: Sequence[str]) -> list[str]:
    if job.state.is_end:
        return ["forget"]
    if job.state is State.RUNNING:
        return ["cancel"]
    moves = [*(["up"] if job.id != waiting[0] else []), *(["down"] if job.id != waiting[-1] else [])]
    return [*moves, "cancel"]


def _render_button(act: str, job: Job) -> Markup:
    words = Markup('<button type="button" class="svd-act" data-act="{}" data-job="{}" aria-label="{}: {}">{}</button>')
    return words.format(act, job.id, ACTS[act], job.title or KINDS[job.kind], ACTS[act])
