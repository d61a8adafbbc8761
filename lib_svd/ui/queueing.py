"""The queue in the tab: jobs that wait, the one that is made, and what has become of the others."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup
from PIL import Image

from lib_svd.errors import BadInput, BadPicture, SvdError
from lib_svd.files import find_free_name
from lib_svd.pages import Page
from lib_svd.queue import JobQueue, NoSuchJob, State
from lib_svd.queue.bundle import load_jobs, save_jobs
from lib_svd.strangers import read_json
from lib_svd.studio import Studio
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import QUIET, answer, check_picture, make_html, make_js
from lib_svd.ui.controls import Controls
from lib_svd.ui.folder_panel import FolderPanel
from lib_svd.ui.job_cards import render_jobs
from lib_svd.ui.uploads import find_upload


class Queueing:
    """The panel of the queue.

    Args:
        studio: finds clips.
        queue: of jobs.
        page: says where the browser gets clips.
        part: begins every id.
    """

    def __init__(self, studio: Studio, queue: JobQueue, page: Page, part: str) -> None:
        self._studio, self._queue, self._page, self._part = studio, queue, page, part
        self._said = make_html(elem_id=f"{part}_queue_said", elem_classes=["svd-status"])
        self._jobs = make_html(elem_id=f"{part}_queue_jobs")
        self._asked = gr.Textbox("", visible=False, elem_id=f"{part}_queue_asked")
        with gr.Accordion("Save and load the queue", open=False, elem_id=f"{part}_queue_files"):
            self._save = gr.Button("Save what waits as a zip", size="sm", elem_id=f"{part}_queue_save")
            self._file = gr.File(label="Drop a queue that was saved here", elem_id=f"{part}_queue_file")
        self._folder = FolderPanel(studio, queue, part)
        for component in (self._asked, self._file):
            component.do_not_save_to_config = True

    def wire(self, shown: Any, controls: Controls) -> None:
        """Let the panel show the queue when its tab is opened, and do what its buttons ask for.

        Args:
            shown: the tab that it is in.
            controls: with the settings of a folder's clips.
        """
        name = f"{self._part}_queue_look"
        told = "function() { return svdQueueActs(); }"
        answer(name, [shown.select], self.act, [self._asked], [self._jobs, self._said], told)
        look = {"fn": None, "inputs": [], "outputs": [], **QUIET, **make_js(f"() => svdAsk('{name}')")}
        saved = self._save.click(fn=self.save, inputs=[], outputs=[self._said], **QUIET)
        loaded = self._file.upload(fn=self.load, inputs=[self._file], outputs=[self._said], **QUIET)
        for event in (saved, loaded, self._folder.wire(controls)):
            event.then(**look)

    def add(self, kind: str, order: dict[str, Any], picture: Image.Image | BadPicture | None) -> Markup:
        """Add a job; gives what is said of it.

        Args:
            kind: of job.
            order: its settings.
            picture: to animate.
        """
        try:
            image = None if picture is None else check_picture(picture)
            source = "" if image is None else image.info.get("parameters", "")
            job = self._queue.add(kind, {**order, "source": source}, None if image is None else _write_png(image))
        except SvdError as error:
            return render_error(str(error))
        self._queue.open()
        position = self._queue.find_position(job)
        where = f"number {position} in the queue" if position else "its turn has come"
        return render_remark(f"Added with seed {job.order['seed']}: {where}.")

    def act(self, asked: str) -> Sequence[Any]:
        """Do what the page's buttons ask for, and show the queue as it is then.

        Args:
            asked: JSON, a list of [what, id of the job].
        """
        said: Markup | Any = gr.update()
        for what, id in _read_acts(asked):
            try:
                _DO[what](self._queue, id)
                said = ""
            except NoSuchJob:
                continue  # another page was faster
            except SvdError as error:
                said = render_error(str(error))
        return [render_jobs(self._queue, self._find_clip, self._page.find_url), said]

    def save(self) -> Markup:
        """Write what waits into a zip beside the clips; says where it is."""
        try:
            path = save_jobs(self._queue, find_free_name(self._studio.find_output_dir(), "queue", ".zip"))
        except SvdError as error:
            return render_error(str(error))
        link = Markup('<p class="svd-said">Saved: <a href="{}" download>{}</a></p>')
        return link.format(self._page.find_url(path), path.name)

    def load(self, given: Any) -> Markup:
        """Add the jobs of a zip that was dropped; says how many, and what could not be added."""
        try:
            added, refused = load_jobs(self._queue, find_upload(given, "file"))
        except SvdError as error:
            return render_error(str(error))
        count = f"{len(added)} jobs were added." if len(added) != 1 else "1 job was added."
        return render_remark(count) + Markup("").join(render_error(each) for each in dict.fromkeys(refused))

    def _find_clip(self, path: str) -> Path | None:
        with suppress(BadInput):
            return self._studio.find_clip_by_name(path)
        return None


def _move(by: int) -> Callable[[JobQueue, str], Any]:
    def move(queue: JobQueue, id: str) -> None:
        waiting = [job.id for job in queue.list_jobs() if job.state is State.WAITING]
        if id in waiting:
            queue.move(id, max(1, waiting.index(id) + 1 + by))

    return move


_DO: dict[str, Callable[[JobQueue, str], Any]] = {
    "up": _move(-1),
    "down": _move(1),
    "cancel": JobQueue.cancel,
    "forget": JobQueue.forget,
}


def _read_acts(asked: str) -> list[tuple[str, str]]:
    try:
        return [(what, id) for what, id in read_json(asked or "[]") if what in _DO and isinstance(id, str)]
    except (ValueError, TypeError):
        return []


def _write_png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
