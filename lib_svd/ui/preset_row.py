"""Settings to begin with: the row above the controls, and the user's own presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from lib_svd.errors import BadInput
from lib_svd.pages import Page
from lib_svd.presets import Preset, Presets
from lib_svd.settings import KEPT, names_in
from lib_svd.studio import Studio
from lib_svd.ui.clips import error_html, said_html
from lib_svd.ui.compat import QUIET, html
from lib_svd.ui.controls import Controls

NONE, NONE_REASON = "The model's own", "All controls as the model's makers have them."
REMEMBERED = "svd_preset"  # the option that holds the preset chosen last


class PresetRow:
    """A list of presets, and what can be done with them.

    Args:
        studio: beside whose clips the user's own are kept.
        page: remembers the one chosen last.
        part: begins every id.
    """

    def __init__(self, studio: Studio, page: Page, part: str) -> None:
        self._studio, self._page, self._part = studio, page, part
        self.chosen = gr.Dropdown([NONE], value=NONE, label="Preset", elem_id=f"{part}_preset")
        self.chosen.do_not_save_to_config = True  # the page remembers it
        self._reason = html(elem_id=f"{part}_preset_reason", elem_classes=["svd-status"])
        with gr.Accordion("Presets of your own", open=False, elem_id=f"{part}_presets"):
            named = "The name to save the settings by, or to rename the preset to."
            self._name = gr.Textbox(label="Name", info=named, lines=1, elem_id=f"{part}_preset_name")
            with gr.Row(elem_classes=["svd-buttons"]):
                self._save = self._button("Save these settings", "save")
                self._rename = self._button("Rename the chosen one", "rename")
                self._delete = self._button("Delete the chosen one", "delete")
            pasted = "JSON: show yours and copy them, or paste somebody's and take them."
            self._shared = gr.Textbox(label="To share", info=pasted, lines=1, elem_id=f"{part}_preset_json")
            with gr.Row(elem_classes=["svd-buttons"]):
                self._share = self._button("Show mine", "share")
                self._take = self._button("Take these", "take")
        for box in (self._name, self._shared):
            box.do_not_save_to_config = True

    @property
    def filled(self) -> list[Any]:
        """The components that `fill` gives updates for."""
        return [self.chosen, self._reason]

    def fill(self) -> list[Any]:
        """List the presets there are, the one used last chosen; or say why they cannot be read."""
        return self._changing(lambda name: (name, ""))(str(self._studio.host.options[REMEMBERED]))

    def wire(self, controls: Controls) -> Any:
        """Let the list move the controls; gives the event that does."""
        chosen = self.chosen.input(
            fn=lambda name, model: self.choose(controls, name, model),
            inputs=[self.chosen, controls["checkpoint"]],
            outputs=[self._reason, *controls.components],
            **QUIET,
        )

        def on(button: Any, do: Callable[..., tuple[str, str]], *given: Any) -> None:
            button.click(fn=self._changing(do), inputs=[self.chosen, *given], outputs=self.filled, **QUIET)

        on(self._save, lambda _, name, *values: self._saved(controls, name, values), self._name, *controls.components)
        on(self._rename, self._renamed, self._name)
        on(self._delete, self._deleted)
        on(self._take, self._taken, self._shared)
        self._share.click(fn=self.share, inputs=[], outputs=[self._shared, self._reason], **QUIET)
        return chosen

    def choose(self, controls: Controls, name: str, model: str) -> Sequence[Any]:
        """Move the controls to a preset, all that it leaves out to the shown model's own; it is remembered."""
        try:
            preset = self._named(name)
        except BadInput as error:
            return [error_html(str(error)), *(gr.update() for _ in controls.components)]
        if self._studio.host.options[REMEMBERED] != preset.name:
            self._used(preset.name)
        return [said_html(preset.reason), *controls.take({**controls.defaults(model), **preset.settings})]

    def share(self) -> list[Any]:
        """Write the user's own as JSON, or say why they cannot be read."""
        try:
            return [self._presets.shared(), ""]
        except BadInput as error:
            return [gr.update(), error_html(str(error))]

    def settings(self) -> Mapping[str, Any]:
        """Give the settings of the preset that was used last, for a page that loads."""
        try:
            return self._named(str(self._studio.host.options[REMEMBERED])).settings
        except BadInput:  # it was deleted since
            return {}

    def _button(self, text: str, name: str) -> Any:
        return gr.Button(text, size="sm", min_width=60, elem_id=f"{self._part}_preset_{name}")

    @property
    def _presets(self) -> Presets:
        return Presets(self._studio.host.folders.clip_dirs()[-1] / "presets.json")

    def _named(self, name: str) -> Preset:
        return Preset(name="", reason=NONE_REASON) if name in ("", NONE) else self._presets.named(name)

    def _listing(self, name: str, said: str) -> list[Any]:
        presets = {preset.name: preset for preset in self._presets.all()}
        text = said or (presets[name].reason if name in presets else NONE_REASON)
        return [gr.update(choices=[NONE, *presets], value=name if name in presets else NONE), said_html(text)]

    def _saved(self, controls: Controls, name: str, values: Sequence[Any]) -> tuple[str, str]:
        settings = {each: value for each, value in controls.read(values).items() if each in names_in(KEPT)}
        self._presets.save(Preset(name=name, settings=settings))
        return self._used(name.strip()), f"{name.strip()} is saved."

    def _renamed(self, chosen: str, name: str) -> tuple[str, str]:
        self._presets.rename(chosen, name)
        return self._used(name.strip()), f"{chosen} is called {name.strip()} now."

    def _deleted(self, chosen: str) -> tuple[str, str]:
        self._presets.delete(chosen)
        return self._used(NONE), f"{chosen} is deleted; the controls stay as they are."

    def _taken(self, chosen: str, text: str) -> tuple[str, str]:
        return chosen, f"In the list now: {', '.join(self._presets.take(text)) or 'no more than before'}."

    def _used(self, name: str) -> str:
        """Give the name itself, which is the one used last from now on."""
        self._page.remember(REMEMBERED, "" if name == NONE else name)
        return name

    def _changing(self, do: Callable[..., tuple[str, str]]) -> Callable[..., list[Any]]:
        """Make a handler that does it and lists what there is, or says why not; `do` gives the one chosen, and a
        word.
        """

        def changed(chosen: str, *given: Any) -> list[Any]:
            try:
                return self._listing(*do(chosen, *given))
            except BadInput as error:
                return [gr.update(), error_html(str(error))]

        return changed
