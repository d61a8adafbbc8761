"""The picture, and what the model will see of it: shape, crop, and what may go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup
from PIL import Image

from lib_svd import images
from lib_svd.errors import BadInput, BadPicture
from lib_svd.request import ClipRequest, CompleteRequest
from lib_svd.settings import FITS, SEEN, list_names
from lib_svd.studio import Studio
from lib_svd.ui.clips import render_error, render_notes, render_remark
from lib_svd.ui.compat import (
    LOSSLESS,
    NO_SHARING,
    QUIET,
    UPLOADS,
    answer,
    check_picture,
    make_html,
    make_js,
    make_picture_box,
)
from lib_svd.ui.controls import Controls

ASKED = ("auto_size", *list_names(SEEN))
"""Controls that change what the model sees of the picture, or how much memory the clip takes."""
VIEW = ("focus_x", "focus_y", "zoom")
SHAPES = ((16, 9), (9, 16), (1, 1), (4, 3), (3, 4))
PREVIEW_SIDE = 768  # pixels
NOTHING_TO_GAIN = "A closer crop would gain nothing: the subject fills the picture, or there are no pixels to spare."


class Framing:
    """Picture and preview side by side, and buttons for the crop.

    Over the picture `javascript/svd_crop.js` draws a frame round what is kept, which can be dragged.

    Args:
        studio: whose models say which sizes there are.
        part: begins every id.

    Attributes:
        picture: to be animated.
    """

    def __init__(self, studio: Studio, part: str) -> None:
        self._studio, self._part = studio, part
        shown = {"height": 300, "min_width": 200, **LOSSLESS, **NO_SHARING}  # lossless: a clip may go on from here
        with gr.Row(elem_id=f"{part}_pictures"):
            self.picture = make_picture_box(f"{part}_picture", label="Picture", **UPLOADS, **shown)
            self._seen = make_picture_box(f"{part}_seen", label="What the model will see", interactive=False, **shown)
        self._note = make_html(elem_id=f"{part}_seen_note", elem_classes=["svd-status"])
        with gr.Row(elem_classes=["svd-buttons"]):
            self._shapes = {(x, y): self._make_button(f"{x}:{y}", f"shape_{x}_{y}") for x, y in SHAPES}
            self._closer = self._make_button("Closer to subject", "closer", scale=3)
            self._largest = self._make_button("Largest crop", "largest", scale=2)
            self._dragged = gr.Button(elem_id=f"{part}_dragged", elem_classes=["svd-hidden"])

    def wire(self, controls: Controls) -> None:
        """Let the preview follow the controls, and the buttons move them."""
        self._controls = controls
        given = [self.picture, *(controls[name] for name in ASKED)]
        shown, view = [self._seen, self._note], [controls[name] for name in VIEW]
        # A button that changes nothing is answered too: what was said of a closer crop goes then.
        asked = [*(component.change for component in given), self._largest.click]
        answer(f"{self._part}_preview", asked, self.preview, given, shown)
        self._closer.click(fn=self.move_closer, inputs=given, outputs=[self._note, controls["fit"], *view], **QUIET)
        for shape, button in self._shapes.items():
            button.click(
                fn=partial(self.set_shape, shape),
                inputs=[controls["checkpoint"]],
                outputs=[self._note, controls["auto_size"], controls["width"], controls["height"]],
                **QUIET,
            )
        self._largest.click(fn=None, inputs=[], outputs=view, **make_js(f"() => {list(images.View())}"))
        self._dragged.click(fn=None, inputs=[], outputs=view, **make_js("() => svdCrop.view"))

    def preview(self, picture: Image.Image | BadPicture | None, *values: Any) -> tuple[Any, str]:
        """Show the picture as it will go in, what is cut off, and what may go wrong."""
        if picture is None:
            return None, ""
        try:
            found, request = self._read_asked(picture, values)
            source = found.image
            fitted = images.fit_picture(source, (request.width, request.height), request.fit, images.View.of(request))
        except BadInput as error:
            return None, render_error(str(error))
        concerns = images.check_picture(source, fitted, is_transparent=found.is_transparent, is_placed=found.is_placed)
        warnings = render_notes([f"{c.text} {c.remedy}" for c in concerns if c.name != "small"])  # of which notes tell
        memory = self._studio.plan_memory(request).write_sentence()
        said = render_remark(
            " ".join((f"{request.width}x{request.height} pixels.", *found.notes, *fitted.notes, memory))
        )
        is_part = request.fit == "crop" and not found.is_placed  # round an object may be more than the picture has
        kept = _write_kept(source, fitted, request) if is_part else ""
        fitted.image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        return fitted.image, said + warnings + kept

    def move_closer(self, picture: Image.Image | BadPicture | None, *values: Any) -> list[Any]:
        """Give what to say, the fit, and the view that shows the subject and little more."""
        stays = [gr.update() for _ in ("fit", *VIEW)]
        if picture is None:
            return [render_error("There is no picture yet: choose one."), *stays]
        try:
            found, request = self._read_asked(picture, values)
        except BadInput as error:
            return [render_error(str(error)), *stays]
        view = images.find_tighter_crop(found.image, (request.width, request.height))
        if view.zoom == 1 and not _shows_elsewhere(found.image, view, request):
            return [self.preview(picture, *values)[1] + render_remark(NOTHING_TO_GAIN), *stays]
        return [gr.update(), FITS["crop"], *view]

    def set_shape(self, shape: tuple[int, int], shown: str) -> list[Any]:
        """Give what to say, "Size by the picture" off, and the size of that shape at the model's own area."""
        try:
            model = self._controls.read_some(["checkpoint"], [shown]).get("checkpoint", "")
            checkpoint = self._studio.find_checkpoint(model)
        except BadInput as error:
            return [render_error(str(error)), *(gr.update() for _ in range(3))]
        return [
            gr.update(),
            False,
            *images.choose_working_size(shape, checkpoint.family.native_size, checkpoint.size_grid),
        ]

    def _read_asked(
        self, picture: Image.Image | BadPicture, values: Sequence[Any]
    ) -> tuple[images.Picture, CompleteRequest]:
        """Read the picture as the model gets it before it is fitted, and what is asked of it; raises BadInput."""
        request = ClipRequest.from_mapping(self._controls.read_some(ASKED, values))
        found = images.read_picture(check_picture(picture), request.background)
        return self._studio.see_picture(found, request)

    def _make_button(self, text: str, name: str, scale: int = 1) -> Any:
        return gr.Button(text, size="sm", min_width=40, scale=scale, elem_id=f"{self._part}_{name}")


def _shows_elsewhere(source: Image.Image, view: images.View, request: CompleteRequest) -> bool:
    """Tell whether the largest crop would stand elsewhere by that view than it is asked for, by a hundredth or more."""
    size = request.width, request.height
    asked = images.View.of(request)
    boxes = [images.fit_picture(source, size, "crop", each).box for each in (view, asked)]
    moved = max(abs(a - b) for a, b in zip(*boxes, strict=True))
    return asked.zoom == 1 and moved > max(source.size) / 100


def _write_kept(source: Image.Image, fitted: images.Fitted, request: CompleteRequest) -> Markup:
    """Hand to the page's script which part is kept, as shares of the picture, and how far it is zoomed in."""
    sides = (side / n for side, n in zip(fitted.box, source.size * 2, strict=True))
    box = " ".join(f"{side:.4f}" for side in sides)
    return Markup('<span class="svd-kept" data-box="{}" data-zoom="{}"></span>').format(box, request.zoom)
