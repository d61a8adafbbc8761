"""Settings out of a file that is dropped on the tab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr

from lib_svd.errors import BadInput
from lib_svd.infotext import read_infotext
from lib_svd.request import ClipRequest
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import QUIET, make_html
from lib_svd.ui.controls import Controls
from lib_svd.ui.uploads import find_upload

ASKED = "Drop a clip in any format, a frame, a zip of frames or a .txt that was made here"


class FromFile:
    """A place to drop a file, folded away.

    Args:
        part: begins every id.
    """

    def __init__(self, part: str) -> None:
        with gr.Accordion("Settings out of a file", open=False, elem_id=f"{part}_from_file"):
            self._file = gr.File(label=ASKED, elem_id=f"{part}_settings_file")
            self._said = make_html(elem_id=f"{part}_settings_said", elem_classes=["svd-status"])
        self._file.do_not_save_to_config = True

    def wire(self, controls: Controls) -> Any:
        """Let a file that is dropped move the controls; gives the event that does."""
        return self._file.upload(
            fn=lambda given: self.take(controls, given),
            inputs=[self._file],
            outputs=[self._said, *controls.restored],
            **QUIET,
        )

    def take(self, controls: Controls, given: Any) -> Sequence[Any]:
        """Give what is said, and updates for the controls: all settings that the file carries."""
        try:
            path = find_upload(given, "file")
            settings = asdict(ClipRequest.from_infotext(read_infotext(path)))
        except BadInput as error:
            return [render_error(str(error)), *(gr.update() for _ in controls.restored)]
        there = {name: value for name, value in settings.items() if value is not None}
        return [render_remark(f"The settings are those of {path.name} now."), *controls.restore(there)]
