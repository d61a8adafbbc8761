"""What comes after the clip: the panel that asks for it, says what it will be, and remembers what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from lib_svd import video
from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput, BadRequest
from lib_svd.finish.deflicker import BRIGHTNESS
from lib_svd.finish.deliveries import DELIVERIES
from lib_svd.finish.enlarge import list_upscalers
from lib_svd.finish.finishing import FINISHINGS, Finishing
from lib_svd.jobs import FinishOrder
from lib_svd.pages import Page
from lib_svd.settings import Setting
from lib_svd.studio import Studio
from lib_svd.ui.clips import render_error, render_notes, render_remark
from lib_svd.ui.compat import NO_RESET, QUIET, answer, make_html
from lib_svd.ui.uploads import find_upload

NONE = "None"  # what a list shows for ""
OWN = "As chosen below"
RATES = [NONE, "2x", "4x", "24", "25", "28", "30", "60"]
OFFERED = ("smooth", "upscale", "deflicker")  # texts for which there is a list
COUNTED = ("first", "last", "poster", "crossfade", "length")  # numbers that a slider would be too coarse for
KINDS = ["video", ".gif", ".webp", ".png", ".apng", ".mkv"]
NO_CLIP = "There is no single clip: make one, choose one in the history and press Finish there, or upload one."
REMEMBERED, COPIES, HOW, EVERY = "svd_finishing", "svd_finishing_copies", "svd_formats", "svd_finish_every"


class FinishPanel:
    """A panel below the clip.

    Args:
        studio: finishes.
        page: remembers what was chosen.
        part: begins every id.
        clip: the component that holds the path of the clip shown.

    Attributes:
        button: begins.
        inputs: components that say what is done to which clip.
        panel: the panel itself, for who opens it.
        other: the component that holds the clip that is finished, where that is not the one shown.
    """

    def __init__(self, studio: Studio, page: Page, part: str, clip: Any) -> None:
        self._studio, self._page, self._part = studio, page, part
        self._by_name: dict[str, Any] = {}
        # Another clip than the one shown: one that was uploaded, or the one that was finished last, so that it can be
        # finished otherwise. The browser cannot name a file by it.
        self.other = gr.State("")
        self.panel = gr.Accordion("Finish: loop, smooth, enlarge, deliver", open=False, elem_id=f"{part}_finish")
        with self.panel:
            self._build()
        self.inputs = [clip, self.other, self._copies, self._how, *self._by_name.values()]
        for each in (self._delivery, self._copies, self._how, self._every, *self._by_name.values()):
            each.do_not_save_to_config = True  # the page remembers them

    def _build(self) -> None:
        with gr.Row(elem_classes=["svd-row"]):
            self._delivery = gr.Dropdown(
                [OWN, *(each.label for each in DELIVERIES.values())],
                value=OWN,
                label="For",
                info="Sets what is below.",
                elem_id=f"{self._part}_finish_for",
                scale=3,
            )
            self._upload = gr.UploadButton(
                "Upload a clip", file_types=KINDS, size="sm", elem_id=f"{self._part}_finish_upload", scale=1
            )
        self._refused = make_html(elem_id=f"{self._part}_finish_refused")
        self._build_row("deflicker")
        self._build_row("loop", "crossfade")
        self._build_row("smooth", "smoother", "speed")
        self._build_row("upscale", "scale")
        with gr.Accordion("Trim, hold, size", open=False, elem_id=f"{self._part}_finish_more"):
            self._build_row("first", "last", "reverse")
            self._build_row("hold_first", "hold_last")
            self._build_row("size", "fit")
            self._build_row("length", "poster")
        self._copies = gr.Dropdown(
            video.list_formats(),
            value=list(self._studio.host.options[COPIES]),
            multiselect=True,
            label="Write these formats too",
            info="An H.264 mp4 is always written, which the page plays.",
            elem_id=f"{self._part}_finish_copies",
        )
        self._how = gr.Textbox(
            str(self._studio.host.options[HOW]),
            label="How they are written, where not as usual",
            info="Quality, preset, and how often it plays, each behind a colon.",
            placeholder="h265:24:slow, webp:80, gif:bayer:x3",
            max_lines=1,
            elem_id=f"{self._part}_finish_how",
        )
        self._missing = make_html(elem_id=f"{self._part}_finish_missing", elem_classes=["svd-status"])
        self._plan = make_html(elem_id=f"{self._part}_finish_plan")
        with gr.Row(elem_classes=["svd-row"]):
            self.button = gr.Button("Finish this clip", elem_id=f"{self._part}_finish_it", scale=2)
            self._every = gr.Checkbox(
                bool(self._studio.host.options[EVERY]),
                label="After every clip",
                info="The clip itself stays.",
                elem_id=f"{self._part}_finish_every",
                scale=1,
            )

    def _build_row(self, *names: str) -> None:
        with gr.Row(elem_classes=["svd-row"]):
            for name in names:
                self._by_name[name] = self._build_component(FINISHINGS[name])

    def _build_component(self, setting: Setting) -> Any:
        said = {"label": setting.label, "info": setting.help, "elem_id": f"{self._part}_finish_{setting.name}"}
        if setting.kind is bool:
            return gr.Checkbox(setting.default, **said)
        if setting.name in OFFERED:
            choices = (
                [NONE] if setting.name == "deflicker" else self._list_offered(setting)
            )  # models are not looked for
            return gr.Dropdown(choices, value=NONE, allow_custom_value=setting.name == "smooth", **said)
        if setting.choices is not None:
            return gr.Dropdown(list(setting.choices.values()), value=setting.choices[setting.default], **said)
        if setting.kind is str:
            return gr.Textbox(setting.default, max_lines=1, placeholder="1080x1920", **said)
        if setting.name in COUNTED:
            return gr.Number(setting.default, precision=0 if setting.kind is int else 1, **said)
        return gr.Slider(setting.low, setting.high, value=setting.default, step=setting.step, **said, **NO_RESET)

    def wire(self, events: Sequence[Any], finished: Any) -> None:
        """Let the panel say what it will do, whenever that or the clip changes.

        Args:
            events: that show a clip.
            finished: the event after which one was finished.
        """
        sent = self._upload.upload(fn=self.take, inputs=[self._upload], outputs=[self.other, self._refused], **QUIET)
        chosen = self._delivery.input(
            fn=self.deliver,
            inputs=[self._delivery],
            outputs=[self._copies, *self._by_name.values()],
            **QUIET,
        )
        for event in events:
            event.then(fn=lambda: ["", ""], inputs=[], outputs=[self.other, self._refused], **QUIET)
        asked = [each.release if isinstance(each, gr.Slider) else each.input for each in self._by_name.values()]
        asked += [self._copies.input, self._how.blur]
        shows = (event.then for event in (*events, finished))
        told = [*asked, chosen.then, sent.success, *shows]
        answer(f"{self._part}_finish_ask", told, self.tell, self.inputs, [self._plan])
        self._every.input(fn=self._keep_every, inputs=[self._every], outputs=[], **QUIET)

    @property
    def filled(self) -> list[Any]:
        """The components that `fill` gives updates for."""
        return [self._every, self._copies, self._how, self._missing, *self._by_name.values()]

    def fill(self) -> list[Any]:
        """Give, for a page that loads, what was chosen last, and the upscalers that there are now."""
        options = self._studio.host.options
        try:
            last = Finishing.read(str(options[REMEMBERED]))
        except BadRequest:  # a setting that somebody wrote
            last = Finishing()
        why = {name: video.explain_why_not(name) for name in video.list_formats()}
        there = [name for name in why if not why[name]]
        copies = gr.update(choices=there, value=[name for name in options[COPIES] if name in there])
        missing = render_notes([f"{name}: {reason}" for name, reason in why.items() if reason])
        return [bool(options[EVERY]), copies, str(options[HOW]), missing, *self._show_values(vars(last))]

    def deliver(self, label: str) -> list[Any]:
        """Set the formats and all that is set for a delivery."""
        chosen = next((each for each in DELIVERIES.values() if each.label == label), None)
        if chosen is None:
            return [gr.update() for _ in range(1 + len(self._by_name))]
        return [list(chosen.copies), *self._show_values(vars(Finishing(**chosen.finishing)))]

    def take(self, given: Any) -> list[Any]:
        """Keep in mind a clip that was uploaded, if it is what can be one; else say what is wrong with it."""
        try:
            path = find_upload(given)
        except BadInput as error:
            return [gr.update(), render_error(str(error))]
        return [str(path), ""]

    def tell(self, clip: str, other: str, copies: Sequence[str], how: str, *values: Any) -> Markup:
        """Say what will become of the clip, before anything runs; or why that cannot be. And remember what was
        chosen.
        """
        try:
            finishing = self._read(values)
            self._keep(finishing, copies, how)
            if not clip and not other:
                return render_remark(NO_CLIP)
            order = self._order(clip, other, finishing, copies)
        except BadInput as error:
            return render_error(str(error))
        return render_remark(f"{order.name}: {order.sentence}") + render_notes(order.notes)

    def finish(self, clip: str, other: str, copies: Sequence[str], how: str, *values: Any) -> tuple[str, SavedClip]:
        """Finish a clip; gives its path, and what came of it.

        Raises:
            BadInput: there is none, or this cannot be done to it.
            what `Studio.finish` raises.
        """
        if not clip and not other:
            raise BadRequest(NO_CLIP)
        finishing = self._read(values)
        self._keep(finishing, copies, how)
        order = self._order(clip, other, finishing, copies)
        return str(order.source.path), self._studio.finish(order)

    def _order(self, clip: str, other: str, finishing: Finishing, copies: Sequence[str]) -> FinishOrder:
        path = Path(other) if other else self._studio.find_clip(clip)
        return self._studio.finish_order(path, finishing, copies or ())

    def _read(self, values: Sequence[Any]) -> Finishing:
        given = {name: value for name, value in zip(self._by_name, values, strict=True) if value is not None}
        return Finishing(**{name: _read_value(FINISHINGS[name], value) for name, value in given.items()})

    def _show_values(self, values: Mapping[str, Any]) -> list[Any]:
        """Give updates for every row."""
        return [self._update(FINISHINGS[name], values[name]) for name in self._by_name]

    def _update(self, setting: Setting, value: Any) -> Any:
        if setting.choices is not None:
            return gr.update(value=setting.choices[value])
        if setting.name == "smooth":
            return gr.update(value=value or NONE)
        if setting.name in OFFERED:
            there = self._list_offered(setting)
            return gr.update(choices=there, value=value if value in there else NONE)
        return gr.update(value=value)

    def _list_offered(self, setting: Setting) -> list[str]:
        """List what stands in the list of a setting that is a text."""
        if setting.name == "smooth":
            return RATES
        if setting.name == "upscale":
            return [NONE, *list_upscalers(self._studio.host.upscalers)]
        models = (model for model in self._studio.list_models() if model.checkpoint.configs.decoder.temporal)
        return [NONE, BRIGHTNESS, *(model.name for model in models)]

    def _keep(self, finishing: Finishing, copies: Sequence[str], how: str) -> None:
        """Remember what was chosen; raises BadRequest where a format cannot be written so."""
        for each in filter(None, (text.strip() for text in how.split(","))):
            video.Encoding.read(each)
        for name, value in ((REMEMBERED, finishing.text), (COPIES, list(copies or ())), (HOW, how)):
            if self._studio.host.options[name] != value:
                self._page.remember(name, value)

    def _keep_every(self, is_on: bool) -> None:
        self._page.remember(EVERY, bool(is_on))


def _read_value(setting: Setting, value: Any) -> Any:
    """Read what a component's value stands for."""
    if setting.name in OFFERED:
        return "" if value == NONE else str(value)
    return setting.read(value) if setting.choices is not None and isinstance(value, str) else value
