"""The tab: a picture and settings on the left, the clip and its frames on the right; behind it, the history."""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from PIL import Image

from lib_svd import images
from lib_svd.clip import Frames, SavedClip
from lib_svd.errors import BadInput, BadRequest, Interrupted, SvdError
from lib_svd.jobs import restored
from lib_svd.jobs.history import Entry
from lib_svd.pages import Page
from lib_svd.request import MAX_SEED, ClipRequest
from lib_svd.studio import Studio
from lib_svd.ui.browsing import Browsing
from lib_svd.ui.clips import STYLE, clip_html, error_html, notes_html, said_html, time_html
from lib_svd.ui.compat import LOSSLESS, QUIET, SMALL, UPLOADS, js
from lib_svd.ui.controls import NO_PROMPT, Controls
from lib_svd.ui.preset_row import PresetRow
from lib_svd.ui.reviewing import Reviewing

LABEL, PART = "SVD", "svd_clip"
SEEN = ("checkpoint", "auto_size", "width", "height", "fit", "focus_x", "focus_y", "background")
"""Settings that change what the model sees of the picture."""
SHELF = 4  # clips whose frames are at hand to go on from; the oldest goes first
PREVIEW_SIDE = 768  # pixels

log = logging.getLogger("svd")


def build(studio: Studio, page: Page) -> Any:
    """The tab as gradio Blocks; models are looked for when the page loads, not now."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        Tab(studio, page, blocks)
    return blocks


class Tab:
    """The components of one tab, and what happens when they are used.

    Attributes:
        picture: to be animated.
        controls: for the settings.
    """

    def __init__(self, studio: Studio, page: Page, blocks: Any) -> None:
        self._studio, self._page = studio, page
        self._shelf: OrderedDict[str, Frames] = OrderedDict()
        self._task = gr.Textbox("", visible=False, elem_id=f"{PART}_task")
        self._made = gr.Textbox("", visible=False, elem_id=f"{PART}_made")  # the clip shown, by its place on the shelf
        with gr.Tabs(elem_id=f"{PART}_tabs") as tabs:
            with gr.Tab("Animate", elem_id=f"{PART}_animate"), gr.Row(elem_id=f"{PART}_columns"):
                with gr.Column(scale=6, min_width=440, elem_id=f"{PART}_settings"):
                    self._build_source()
                with gr.Column(scale=5, min_width=400, elem_id=f"{PART}_results"):
                    self._generate = page.generate_buttons(PART)
                    self._build_results()
            with gr.Tab("History", elem_id=f"{PART}_history") as self._history:
                self._browsing = Browsing(studio, page, PART)
        tabs.do_not_save_to_config = True  # send-to opens the first one
        for hidden in (self._task, self._made, self._infotext):
            hidden.do_not_save_to_config = True
        self._wire()
        for part in (self._presets, self.controls):
            blocks.load(fn=part.fill, inputs=[], outputs=part.filled, **QUIET)
        page.receive(PART, self.picture, self.controls.pastes)

    def _build_source(self) -> None:
        gr.HTML(f"{STYLE}<p class='svd-about'>{NO_PROMPT}</p>")
        # Mode None: transparency and 16 bit are for us to read. Lossless: a clip may go on from here.
        picture = {"type": "pil", "image_mode": None, "height": 300, **LOSSLESS}
        with gr.Row(elem_id=f"{PART}_pictures"):
            self.picture = gr.Image(label="Picture", elem_id=f"{PART}_picture", min_width=200, **UPLOADS, **picture)
            self._seen = gr.Image(
                label="What the model will see", interactive=False, elem_id=f"{PART}_seen", min_width=200, **picture
            )
        self._seen_note = gr.HTML(elem_id=f"{PART}_seen_note")
        self._presets = PresetRow(self._studio, self._page, PART)
        self.controls = Controls(self._studio, PART, self._page)
        self.controls.begin_with = self._presets.settings

    def _build_results(self) -> None:
        with gr.Column(variant="panel", elem_id=f"{PART}_results_panel"):
            self._clip = gr.HTML(elem_id=f"{PART}_clip")
            with gr.Group(elem_id=f"{PART}_gallery_container"):
                self._gallery = gr.Gallery(
                    label="Frames of the clip",
                    show_label=False,
                    elem_id=f"{PART}_gallery",
                    columns=4,
                    height=380,
                    object_fit="contain",
                    **SMALL,
                )
            with gr.Row(elem_id=f"image_buttons_{PART}", elem_classes=["image-buttons"]):
                self._continue = _small("Continue from this frame", "continue")
                self._sends = {
                    target: _small(f"Send to {target}", f"send_to_{target}") for target in self._page.targets
                }
                self._folder = _small("Open folder", "open_folder") if self._page.opens_folders else None
            self._infotext = gr.Textbox(
                label="Settings of this clip",
                elem_id=f"{PART}_infotext",
                interactive=False,
                show_copy_button=True,
                lines=2,
            )
            self._status = gr.HTML(elem_id=f"{PART}_status", elem_classes=["svd-status"])
            self._reviewing = Reviewing(self._studio, PART, self._made)
        self._frame = gr.Image(
            visible=False, type="pil", label="Selected frame", elem_id=f"{PART}_selected_frame", **LOSSLESS
        )

    def _wire(self) -> None:
        controls = self.controls
        outputs = [self._clip, self._gallery, self._frame, self._made, self._infotext, self._status]
        given = [self._task, self.picture, controls.with_frames, *controls.components]
        made = self._generate.click(
            fn=self._page.queued(self._job, [gr.update() for _ in outputs[:-1]]),
            inputs=given,
            outputs=outputs,
            show_progress=False,
            **js(f"function() {{ return svdSubmit('{PART}', arguments, {len(given)}); }}"),
        )
        watched = [controls[name] for name in SEEN]
        for component in (self.picture, *watched):
            fn = self.preview if component is self.picture else self.preview_again
            component.change(fn=fn, inputs=[self.picture, *watched], outputs=[self._seen, self._seen_note], **QUIET)
        self._gallery.select(fn=self.select, inputs=[self._made], outputs=[self._frame], **QUIET)
        self._continue.click(fn=_taken, inputs=[self._frame], outputs=[self.picture], **QUIET)
        self._presets.wire(controls)
        self._reviewing.wire(made, controls)
        back = self._browsing.wire(self._history, [self.picture, *controls.restored, *outputs], self.restored)
        self._reviewing.follow(back)
        controls.reuse.click(fn=_seed_of, inputs=[self._infotext], outputs=[controls["seed"]], **QUIET)
        for target, button in self._sends.items():
            self._page.send(button, target, self._frame)
        if self._folder is not None:
            self._folder.click(fn=self.open_folder, inputs=[], outputs=[], **QUIET)

    def _job(self, picture: Image.Image | None, with_frames: bool, *values: Any) -> Sequence[Any]:
        """Make a clip; where it fails, what was there stays and a sentence says why."""
        try:
            saved = self._animated(picture, with_frames, values)
        except Interrupted as stop:
            return [*_unchanged(5), said_html(str(stop))]
        except SvdError as error:
            return [*_unchanged(5), error_html(str(error))]
        except Exception as error:
            log.exception("The clip could not be made")
            why = f"{type(error).__name__}: {error}".rstrip(".:")
            return [*_unchanged(5), error_html(f"The clip could not be made ({why}): the log has more.")]
        return self._shown(saved)

    def _animated(self, picture: Image.Image | None, with_frames: bool, values: Sequence[Any]) -> SavedClip:
        settings = self.controls.read(values)
        request = ClipRequest.from_mapping({"seed": secrets.randbelow(MAX_SEED + 1), **settings})
        source = picture.info.get("parameters", "") if picture is not None else ""
        order = self._studio.order(request, picture, with_frames=with_frames, source=source)
        return self._studio.animate(order)

    def _shown(self, saved: SavedClip) -> Sequence[Any]:
        clip, name = saved.clip, str(saved.video)
        self._shelf[name] = clip.frames
        while len(self._shelf) > SHELF:
            self._shelf.popitem(last=False)
        pictures = [Image.fromarray(frame) for frame in clip.frames]
        gallery = [str(path) for path in saved.frames] or pictures
        status = notes_html(saved.notes) + time_html(clip.frames.shape, clip.fps, clip.seconds)
        return [clip_html(self._page.url(saved.video), clip.size), gallery, pictures[-1], name, clip.infotext, status]

    def restored(self, entry: Entry) -> Sequence[Any]:
        """A clip of the history as if it had just been made: its picture, its settings and all that is shown of it.

        Raises:
            BadInput: the clip cannot be read, or carries no settings.
        """
        back = restored(entry)
        model, saved = back.settings.get("checkpoint", ""), back.saved
        if model not in {each.name for each in self._studio.models()}:
            note = f"The model {model} is not there: another one is chosen, whose clip will be another."
            saved = replace(saved, notes=(*saved.notes, note))
        picture = gr.update() if back.picture is None else back.picture
        return [picture, *self.controls.restore(back.settings), *self._shown(saved)]

    def preview(self, picture: Image.Image | None, *values: Any) -> tuple[Any, str]:
        """The picture as it will go in, and what is cut off."""
        if picture is None:
            return None, ""
        try:
            request = ClipRequest.from_mapping(self.controls.read_some(SEEN, values))
            read = images.read_picture(picture, request.background)
            complete = self._studio.completed(request, read.image.size)
            size = (complete.width, complete.height)
            fitted = images.fit_picture(read.image, size, request.fit, (request.focus_x, request.focus_y))
        except BadInput as error:
            return None, error_html(str(error))
        concerns = images.check_picture(read.image, fitted)
        warnings = notes_html([f"{c.text} {c.remedy}" for c in concerns if c.name != "small"])  # of which notes tell
        fitted.image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        said = said_html(" ".join((f"{size[0]}x{size[1]} pixels.", *read.notes, *fitted.notes)))
        return fitted.image, said + warnings

    def preview_again(self, picture: Image.Image | None, *values: Any) -> tuple[Any, Any]:
        """After a setting changed. Without a picture nothing is cleared: one may have come since this was sent."""
        return (gr.update(), gr.update()) if picture is None else self.preview(picture, *values)

    def select(self, name: str, chosen: gr.SelectData) -> Any:
        """The frame clicked on, without loss: the gallery's own pictures may be smaller or JPEG."""
        frames = self._shelf.get(name)
        return gr.update() if frames is None else Image.fromarray(frames[chosen.index])

    def open_folder(self) -> None:
        """Show the clips' folder on the server's screen."""
        self._page.open_folder(self._studio.host.output_dir())


def _small(text: str, name: str) -> Any:
    return gr.Button(text, size="sm", min_width=80, elem_id=f"{PART}_{name}")


def _unchanged(count: int) -> list[Any]:
    return [gr.update() for _ in range(count)]


def _taken(frame: Image.Image | None) -> Any:
    return gr.update() if frame is None else frame


def _seed_of(infotext: str) -> Any:
    """The seed of a clip by its settings; nothing where there is no clip yet."""
    try:
        return ClipRequest.from_infotext(infotext).seed if infotext else gr.update()
    except BadRequest:
        return gr.update()
