"""The panel that animates a whole folder of pictures, as one job of the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from lib_svd.batch.rows import Row, read_rows
from lib_svd.batch.worker import State
from lib_svd.errors import SvdError
from lib_svd.queue import JobQueue
from lib_svd.queue.animate_folder import AnimateFolder
from lib_svd.studio import Studio
from lib_svd.ui.clips import join_html, render_error, render_remark
from lib_svd.ui.compat import QUIET, make_html
from lib_svd.ui.controls import Controls

MOST_SHOWN = 50  # pictures
ABOUT = "Every picture in it becomes a clip with the settings of Animate. What is there already is not made again."


class FolderPanel:
    """The panel of a folder.

    Args:
        studio: looks at the pictures.
        queue: to which the job is added.
        part: begins every id.
    """

    def __init__(self, studio: Studio, queue: JobQueue, part: str) -> None:
        self._studio, self._queue = studio, queue
        with gr.Accordion("A folder at once", open=False, elem_id=f"{part}_queue_folder"):
            make_html(f"<p class='svd-about'>{ABOUT}</p>")
            self._folder = gr.Textbox(label="Folder of pictures", elem_id=f"{part}_folder")
            self._recursive = gr.Checkbox(label="Folders in it, too", elem_id=f"{part}_folder_recursive")
            with gr.Row():
                self._look = gr.Button("What would be made", size="sm", elem_id=f"{part}_folder_look")
                self._add = gr.Button("Add the folder to the queue", size="sm", elem_id=f"{part}_folder_add")
            self._said = make_html(elem_id=f"{part}_folder_said", elem_classes=["svd-status"])
        for component in (self._folder, self._recursive):
            component.do_not_save_to_config = True

    def wire(self, controls: Controls) -> Any:
        """Let the buttons act; gives the event of a job that was added.

        Args:
            controls: with the settings of all clips.
        """

        def read(folder: str, recursive: bool, values: Sequence[Any]) -> dict[str, Any]:
            return {**controls.read(values), "folder": folder.strip().strip('"'), "recursive": recursive}

        def look(folder: str, recursive: bool, *values: Any) -> Markup:
            return _answer(lambda: self.look(read(folder, recursive, values)))

        def add(folder: str, recursive: bool, *values: Any) -> Markup:
            return _answer(lambda: self.add(read(folder, recursive, values)))

        given = [self._folder, self._recursive, *controls.components]
        self._look.click(fn=look, inputs=given, outputs=[self._said], **QUIET)
        return self._add.click(fn=add, inputs=given, outputs=[self._said], **QUIET)

    def look(self, order: dict[str, Any]) -> Markup:
        """Say what would become of each picture.

        Raises:
            BadInput: the folder or a setting cannot be used.
        """
        rows = read_rows(AnimateFolder().look(self._studio, order))
        counts = Counter(row.state for row in rows)
        told = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
        more = f", of which {MOST_SHOWN} are shown" if len(rows) > MOST_SHOWN else ""
        lines = join_html(map(_render_row, rows[:MOST_SHOWN]))
        return render_remark(f"{told}{more}.") + Markup('<ul class="svd-planned">{}</ul>').format(lines)

    def add(self, order: dict[str, Any]) -> Markup:
        """Add the folder to the queue.

        Raises:
            SvdError: it cannot be added.
        """
        job = self._queue.add("folder", order)
        self._queue.open()
        position = self._queue.find_position(job)
        return render_remark(f"Added: {f'number {position} in the queue' if position else 'its turn has come'}.")


def _answer(work: Callable[[], Markup]) -> Markup:
    """Give what the work gives, or the sentence that says why it cannot be done."""
    try:
        return work()
    except SvdError as error:
        return render_error(str(error))


def _render_row(row: Row) -> Markup:
    what = row.said if row.clip is None and row.said else row.brief
    return Markup("<li><b>{}</b> {}. <span class='svd-dim'>{}</span></li>").format(row.picture, row.state.value, what)
