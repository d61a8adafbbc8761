"""The pictures beside the one that is animated: what the clip ends with, and a mask, which can be painted here."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import gradio as gr
from markupsafe import Markup

from lib_svd.errors import BadPicture
from lib_svd.images import open_picture
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import LOSSLESS, NO_SHARING, QUIET, UPLOADS, make_html, make_js, make_picture_box

NOTHING_SEEN = "There is no picture yet: choose one above, and paint then."
NOTHING_PAINTED = 'Nothing is painted yet: press "Paint a mask over the crop", and paint over what shall move.'
TAKEN = 'White moves, the rest stays still, unless "Mask means" says otherwise.'
HEIGHT = 220  # pixels
BOARD = Markup(
    '<template class="svd-missing">{}</template><div class="svd-paint" hidden><div class="svd-board"></div>'
    '<label>Brush <input class="svd-brush" type="range" min="0.2" max="4" step="0.1" value="1"></label>'
    '<label><input class="svd-erase" type="checkbox"> Erase</label></div>'
)


def make_companion_box(elem_id: str, label: str) -> Any:
    """Make a place for a picture beside the one that is animated."""
    return make_picture_box(elem_id, label=label, height=HEIGHT, min_width=160, **UPLOADS, **LOSSLESS, **NO_SHARING)


class Painting:
    """A mask is painted over the picture as the model will see it, by `javascript/svd_paint.js`.

    Args:
        part: begins every id.
        mask: the component that holds the mask.
    """

    def __init__(self, part: str, mask: Any) -> None:
        with gr.Row(elem_classes=["svd-buttons"]):
            begin = gr.Button("Paint a mask over the crop", size="sm", elem_id=f"{part}_paint")
            take = gr.Button("Use what is painted", size="sm", elem_id=f"{part}_painted")
        said = make_html(elem_id=f"{part}_paint_note", elem_classes=["svd-status"])
        make_html(BOARD.format(render_error(NOTHING_SEEN)), elem_id=f"{part}_painter")
        painted = gr.Textbox("", visible=False, elem_id=f"{part}_painted_data")
        painted.do_not_save_to_config = True
        begin.click(fn=None, inputs=[], outputs=[said], **QUIET, **make_js(f"() => [svdPaint('{part}')]"))
        handed = make_js(f"() => [svdPainted('{part}')]")
        take.click(fn=take_painted, inputs=[painted], outputs=[mask, said], **QUIET, **handed)


def take_painted(address: str) -> list[Any]:
    """Make a mask, RGB, of what is painted: the address of a picture, white on black."""
    try:
        content = base64.b64decode(address.partition("base64,")[2], validate=True)
        with open_picture(BytesIO(content)) as picture:
            mask = picture.convert("L").point([0] * 128 + [255] * 128)
    except (BadPicture, ValueError):
        return [gr.update(), render_error(NOTHING_PAINTED)]
    if not mask.getbbox():
        return [gr.update(), render_error(NOTHING_PAINTED)]
    return [mask.convert("RGB"), render_remark(TAKEN)]
