"""Settings to begin with: the row above the controls, and the user's own presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from lib_svd.errors import BadInput
from lib_svd.pages import Page
from lib_svd.presets import Preset, Presets
from lib_svd.settings import KEPT, list_names
from lib_svd.studio import Studio
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import QUIET, make_html
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
        self._reason = make_html(elem_id=f"{part}_preset_reason", elem_classes=["svd-status"])
        with gr.Accordion("Presets of your own", open=False, elem_id=f"{part}_presets"):
            named = "The name to save the settings by, or to rename the preset to."
            self._name = gr.Textbox(label="Name", info=named, lines=1, elem_id=f"{part}_preset_name")
            with gr.Row(elem_classes=["svd-buttons"]):
                self._save = self._make_button("Save these settings", "save")
                self._rename = self._make_button("Rename the chosen one", "rename")
                self._delete = self._make_button("Delete the chosen one", "delete")
            pasted = "JSON: show yours and copy them, or paste somebody's and take them."
            self._shared = gr.Textbox(label="To share", info=pasted, lines=1, elem_id=f"{part}_preset_json")
            with gr.Row(elem_classes=["svd-buttons"]):
                self._share = self._make_button("Show mine", "share")
                self._take = self._make_button("Take these", "take")
        for box in (self._name, self._shared):
            box.do_not_save_to_config = True

    @property
    def filled(self) -> list[Any]:
        """The components that `fill` gives updates for."""
        return [self.chosen, self._reason]

    def fill(self) -> list[Any]:
        """List the presets there are, the one used last chosen; or say why they cannot be read."""
        return self._make_handler(lambda name: (name, ""))(str(self._studio.host.options[REMEMBERED]))

    def wire(self, controls: Controls) -> Any:
        """Let the list move the controls; gives the event that does."""
        chosen = self.chosen.input(
            fn=lambda name, model: self.choose(controls, name, model),
            inputs=[self.chosen, controls["checkpoint"]],
            outputs=[self._reason, *controls.components],
            **QUIET,
        )

        def bind(button: Any, do: Callable[..., tuple[str, str]], *given: Any) -> None:
            button.click(fn=self._make_handler(do), inputs=[self.chosen, *given], outputs=self.filled, **QUIET)

        bind(
            self._save,
            lambda _, name, *values: self._save_preset(controls, name, values),
            self._name,
            *controls.components,
        )
        bind(self._rename, self._rename_preset, self._name)
        bind(self._delete, self._delete_preset)
        bind(self._take, self._take_presets, self._shared)
        self._share.click(fn=self.share, inputs=[], outputs=[self._shared, self._reason], **QUIET)
        return chosen

    def choose(self, controls: Controls, name: str, model: str) -> Sequence[Any]:
        """Move the controls to a preset, all that it leaves out to the shown model's own; it is remembered."""
        try:
            preset = self._find_named(name)
        except BadInput as error:
            return [render_error(str(error)), *(gr.update() for _ in controls.components)]
        if self._studio.host.options[REMEMBERED] != preset.name:
            self._use_preset(preset.name)
        return [render_remark(preset.reason), *controls.take({**controls.list_defaults(model), **preset.settings})]

    def share(self) -> list[Any]:
        """Write the user's own as JSON, or say why they cannot be read."""
        try:
            return [self._presets.export(), ""]
        except BadInput as error:
            return [gr.update(), render_error(str(error))]

    def get_settings(self) -> Mapping[str, Any]:
        """Give the settings of the preset that was used last, for a page that loads."""
        try:
            return self._find_named(str(self._studio.host.options[REMEMBERED])).settings
        except BadInput:  # it was deleted since
            return {}

    def _make_button(self, text: str, name: str) -> Any:
        return gr.Button(text, size="sm", min_width=60, elem_id=f"{self._part}_preset_{name}")

    @property
    def _presets(self) -> Presets:
        return Presets(self._studio.host.folders.list_clip_dirs()[-1] / "presets.json")

    def _find_named(self, name: str) -> Preset:
        return Preset(name="", reason=NONE_REASON) if name in ("", NONE) else self._presets.find(name)

    def _list_presets(self, name: str, said: str) -> list[Any]:
        presets = {preset.name: preset for preset in self._presets.list_all()}
        text = said or (presets[name].reason if name in presets else NONE_REASON)
        return [gr.update(choices=[NONE, *presets], value=name if name in presets else NONE), render_remark(text)]

    def _save_preset(self, controls: Controls, name: str, values: Sequence[Any]) -> tuple[str, str]:
        settings = {each: value for each, value in controls.read(values).items() if each in list_names(KEPT)}
        self._presets.save(Preset(name=name, settings=settings))
        return self._use_preset(name.strip()), f"{name.strip()} is saved."

    def _rename_preset(self, chosen: str, name: str) -> tuple[str, str]:
        self._presets.rename(chosen, name)
        return self._use_preset(name.strip()), f"{chosen} is called {name.strip()} now."

    def _delete_preset(self, chosen: str) -> tuple[str, str]:
        self._presets.delete(chosen)
        return self._use_preset(NONE), f"{chosen} is deleted; the controls stay as they are."

    def _take_presets(self, chosen: str, text: str) -> tuple[str, str]:
        return chosen, f"In the list now: {', '.join(self._presets.take(text)) or 'no more than before'}."

    def _use_preset(self, name: str) -> str:
        """Give the name itself, which is the one used last from now on."""
        self._page.remember(REMEMBERED, "" if name == NONE else name)
        return name

    def _make_handler(self, do: Callable[..., tuple[str, str]]) -> Callable[..., list[Any]]:
        """Make a handler that does it and lists what there is, or says why not; `do` gives the one chosen, and a
        word.
        """

        def change(chosen: str, *given: Any) -> list[Any]:
            try:
                return self._list_presets(*do(chosen, *given))
            except BadInput as error:
                return [gr.update(), render_error(str(error))]

        return change
