"""The pictures beside the one that is animated: what the clip ends with, and a mask, which can be painted here."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from lib_svd.errors import BadPicture
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import (
    LOSSLESS,
    NO_SHARING,
    QUIET,
    UPLOADS,
    make_html,
    make_painter,
    make_picture_box,
    read_painted,
    show_in_painter,
)

NOTHING_SEEN = "There is no picture yet: choose one above, and paint then."
NOTHING_PAINTED = "Nothing is painted yet: paint over what shall move."
TAKEN = 'White moves, the rest stays still, unless "Mask means" says otherwise.'
HEIGHT = 220  # pixels


def make_companion_box(elem_id: str, label: str) -> Any:
    """Make a place for a picture beside the one that is animated."""
    return make_picture_box(elem_id, label=label, height=HEIGHT, min_width=160, **UPLOADS, **LOSSLESS, **NO_SHARING)


class Painting:
    """A picture as the model will see it, to be painted on; what is painted becomes the mask.

    Args:
        part: begins every id.
        mask: the component that holds the mask.
    """

    def __init__(self, part: str, mask: Any) -> None:
        self._mask = mask
        with gr.Row(elem_classes=["svd-buttons"]):
            self._begin = gr.Button("Paint a mask over the crop", size="sm", elem_id=f"{part}_paint")
            self._take = gr.Button("Use what is painted", size="sm", elem_id=f"{part}_painted")
        self._said = make_html(elem_id=f"{part}_paint_note", elem_classes=["svd-status"])
        self._painter = make_painter(f"{part}_painter", label="Paint over what may move", visible=False)

    def wire(self, seen: Any) -> None:
        """Let the buttons work; `seen` shows the picture as the model will see it."""
        self._begin.click(fn=self.begin, inputs=[seen], outputs=[self._painter, self._said], **QUIET)
        self._take.click(fn=self.take, inputs=[self._painter], outputs=[self._mask, self._painter, self._said], **QUIET)

    def begin(self, seen: Image.Image | BadPicture | None) -> list[Any]:
        """Show what the model will see, to be painted on."""
        if not isinstance(seen, Image.Image):
            return [gr.update(), render_error(NOTHING_SEEN)]
        return [gr.update(value=show_in_painter(seen.convert("RGB")), visible=True), ""]

    def take(self, painted: Any) -> list[Any]:
        """Make a mask of what is painted."""
        mask = read_painted(painted)
        if mask is None:
            return [gr.update(), gr.update(), render_error(NOTHING_PAINTED)]
        return [mask, gr.update(visible=False), render_remark(TAKEN)]
