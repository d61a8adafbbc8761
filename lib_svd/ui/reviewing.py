"""Beside the clip: its measures, what to try next, and the user's own marks and note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from lib_svd.errors import BadInput, BadRequest
from lib_svd.jobs import history
from lib_svd.jobs.notes import BEST
from lib_svd.request import CompleteRequest
from lib_svd.review import FAULTS, Advice, advise
from lib_svd.studio import Studio
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import QUIET, make_html, make_js
from lib_svd.ui.controls import Controls
from lib_svd.ui.measures import render_advice, render_measures

AS_MEASURED = "What was measured"
SAID = {AS_MEASURED: None, **{words: fault for fault, words in FAULTS.items()}}
"""What can be chosen as wrong, and the fault that it is."""
NO_CLIP = "No single clip is shown: make one, or choose one of the sweep."
NO_CHANGE = "There is no change to make: say what is wrong, or change a setting yourself."
MARKS = [str(mark) for mark in range(1, BEST + 1)]


class Reviewing:
    """A panel below the clip, hidden while there is no single clip to review.

    Args:
        studio: where clips are.
        part: begins every id.
        clip: the component that holds the path of the clip shown.
    """

    def __init__(self, studio: Studio, part: str, clip: Any) -> None:
        self._studio, self._part, self._clip = studio, part, clip
        self._of = gr.Textbox("", visible=False, elem_id=f"{part}_reviewed")  # the clip that the panel is about
        self._of.do_not_save_to_config = True
        self._panel = gr.Accordion("Review", open=True, visible=False, elem_id=f"{part}_review")
        with self._panel:
            self._measures = make_html(elem_id=f"{part}_measures")
            with gr.Row(elem_classes=["svd-row"]):
                self._said = gr.Dropdown(
                    list(SAID), value=AS_MEASURED, label="What is wrong?", elem_id=f"{part}_wrong", scale=3
                )
                self._apply = gr.Button("Change that and generate", elem_id=f"{part}_apply", scale=2)
            self._advice = make_html(elem_id=f"{part}_advice")
            with gr.Row(elem_classes=["svd-row"]):
                self._marks = [
                    gr.Radio(
                        MARKS,
                        label=f"{name.capitalize()}, your mark",
                        elem_id=f"{part}_mark_{name}",
                        elem_classes=["svd-marks"],
                        min_width=120,
                    )
                    for name in history.MARKED
                ]
            with gr.Row(elem_classes=["svd-row"]):
                self._note = gr.Textbox(label="Note", lines=1, elem_id=f"{part}_note", scale=4)
                self._keep = gr.Button("Keep marks and note", elem_id=f"{part}_keep", scale=2)
            self._kept = make_html(elem_id=f"{part}_kept", elem_classes=["svd-status"])

    def wire(self, events: Sequence[Any], controls: Controls) -> None:
        """Let the panel follow the events that show a clip, and its advice change the controls."""
        shown = [self._of, self._panel, self._measures, self._said, self._advice, *self._marks, self._note, self._kept]
        given = [self._of, self._note, *self._marks]
        for event in events:
            event.then(fn=self.turn, inputs=[self._clip, *given], outputs=shown, **QUIET)
        self._said.change(fn=self.advise, inputs=[self._clip, self._said], outputs=[self._advice], **QUIET)
        changed = self._apply.click(
            fn=lambda name, said: self.apply(controls, name, said),
            inputs=[self._clip, self._said],
            outputs=[self._kept, *controls.components],
            **QUIET,
        )
        press = f"(why) => {{ if (!why) document.querySelector('#{self._part}_generate').click(); }}"
        changed.success(fn=None, inputs=[self._kept], outputs=[], **QUIET, **make_js(press))
        self._keep.click(fn=self.keep, inputs=given, outputs=[self._kept], **QUIET)

    def turn(self, name: str, of: str, note: str, *marks: str | None) -> list[Any]:
        """Show another clip; what was written about the one before and not kept yet is kept."""
        before = self._read_entry(of)
        if before is not None and (note, _read_marks(marks)) != (before.note, before.marks):
            self.keep(of, note, *marks)
        return [name, *self.show(name)]

    def show(self, name: str) -> list[Any]:
        """Show what is known of a clip."""
        entry = self._read_entry(name)
        if entry is None:
            return [gr.update(visible=False), "", AS_MEASURED, "", *[None for _ in self._marks], "", ""]
        marks = [str(entry.marks[each]) if each in entry.marks else None for each in history.MARKED]
        measured, advice = render_measures(entry), self.advise(name, AS_MEASURED)
        return [gr.update(visible=True), measured, AS_MEASURED, advice, *marks, entry.note, ""]

    def advise(self, name: str, said: str) -> str:
        """Show the one change to try, as HTML."""
        entry = self._read_entry(name)
        return "" if entry is None or not entry.measures else render_advice(_find_advice(entry, said))

    def apply(self, controls: Controls, name: str, said: str) -> Sequence[Any]:
        """Give the clip's own settings and seed with that one change, so that nothing else differs; or say why there is
        none.

        That is no error of gradio's: where a button is pressed twice, gradio 4.40 is deaf to it after one.
        """
        entry = self._read_entry(name)
        advice = None if entry is None else _find_advice(entry, said)
        if entry is None or advice is None or advice.setting is None:
            why = NO_CLIP if entry is None else NO_CHANGE
            return [render_error(why), *(gr.update() for _ in controls.components)]
        return ["", *controls.take({**entry.settings, **advice.change})]

    def keep(self, name: str, note: str, *marks: str | None) -> str:
        """Write the user's marks and note beside the clip."""
        if not name:
            return render_error(NO_CLIP)
        try:
            history.mark(self._studio.find_clip(name), marks=_read_marks(marks), note=note)
        except BadInput as error:
            return render_error(str(error))
        return render_remark("Kept.")

    def _read_entry(self, name: str) -> history.Entry | None:
        try:
            return history.find_entry(self._studio.find_clip(name)) if name else None
        except BadInput:
            return None


def _read_marks(marks: Sequence[str | None]) -> Mapping[str, int]:
    return {name: int(mark) for name, mark in zip(history.MARKED, marks, strict=True) if mark}


def _find_advice(entry: history.Entry, said: str) -> Advice | None:
    try:
        return advise(entry.measures, CompleteRequest(**entry.settings), SAID.get(said))
    except (BadRequest, TypeError):  # settings of another version
        return None
