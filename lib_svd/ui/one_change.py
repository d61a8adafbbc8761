"""Several controls changed since the last clip: then nobody can tell which did it, so the tab offers to change one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from lib_svd import images
from lib_svd.checkpoints import is_made_with
from lib_svd.errors import BadInput, BadPicture, join_names
from lib_svd.jobs import history
from lib_svd.settings import HARMLESS, SETTINGS
from lib_svd.studio import Studio
from lib_svd.ui.clips import render_remark
from lib_svd.ui.compat import QUIET, answer, make_html
from lib_svd.ui.controls import Controls

CHANGES = {
    setting.thing: [name for name, each in SETTINGS.items() if each.thing == setting.thing]
    for setting in SETTINGS.values()
    if HARMLESS not in setting.groups
}
"""What may change, and the settings that it is made of."""


class Apart(NamedTuple):
    """How the next clip would differ from the one shown."""

    settings: Mapping[str, Any]  # of the one shown
    changed: Mapping[str, Mapping[str, Any]]  # by the user: what the controls have instead, by label
    draws_seed: bool  # which is no change of the user's, but makes another clip all the same


class OneChange:
    """A line above the clip, hidden while no more than one thing was changed.

    Args:
        studio: where clips are.
        part: begins every id.
        clip: the component that holds the file name of the clip shown.
    """

    def __init__(self, studio: Studio, part: str, clip: Any) -> None:
        self._studio, self._part, self._clip = studio, part, clip
        # The clip that the settings are held against: the one shown, as long as its picture is the one chosen.
        self._since = gr.Textbox("", visible=False, elem_id=f"{part}_since")
        self._since.do_not_save_to_config = True
        self._panel = gr.Column(visible=False, variant="panel", elem_id=f"{part}_changes", elem_classes=["svd-tight"])
        with self._panel:
            self._said = make_html(elem_id=f"{part}_changes_said")
            with gr.Row(elem_classes=["svd-row"]):
                self._kept = gr.Dropdown([""], value="", label="Keep", elem_id=f"{part}_changes_kept", scale=2)
                self._keep = gr.Button("Take the others back", elem_id=f"{part}_changes_keep", scale=2)

    def wire(
        self,
        begun: Sequence[Any],
        events: Sequence[Any],
        chosen: Sequence[Any],
        picture: Any,
        controls: Controls,
    ) -> None:
        """Let it follow the controls.

        Args:
            begun: buttons that make a clip; nothing is said until it is there.
            events: that show a clip.
            chosen: that move several controls at once.
            picture: the component of the picture; another one is another beginning.
            controls: for the settings.
        """
        self._controls = controls
        given = [self._since, *controls.components]
        shown = [self._panel, self._said, self._kept]
        for button in begun:
            button.click(fn=_hold_against, inputs=[], outputs=[self._since, self._panel], **QUIET)
        for event in events:
            event.then(fn=_hold_against, inputs=[self._clip], outputs=[self._since, self._panel], **QUIET)
        picture.change(fn=self.begin, inputs=[picture, self._clip], outputs=[self._since, self._panel], **QUIET)
        by_user = [_find_users_event(each) for each in controls.components]
        answer(f"{self._part}_changes_ask", [*by_user, *(each.then for each in chosen)], self.tell, given, shown)
        self._keep.click(
            fn=self.keep_only, inputs=[self._kept, *given], outputs=[self._panel, *controls.components], **QUIET
        )

    def begin(self, picture: Image.Image | BadPicture | None, name: str) -> list[Any]:
        """Hold the controls, after another picture came, against the clip shown if it was made from just this one.

        A clip that is brought back from the history brings its picture along.
        """
        return _hold_against(name if isinstance(picture, Image.Image) and self._is_of(picture, name) else "")

    def tell(self, name: str, *values: Any) -> list[Any]:
        """Give updates for the panel, its sentence and its list."""
        apart = self._compare(name, values)
        changed = list(apart.changed)
        if len(changed) + apart.draws_seed < 2:
            return [gr.update(visible=False), "", gr.update()]
        drawn = ", and the seed will be drawn anew" if apart.draws_seed else ""
        what = f"Since this clip you changed {join_names(changed)}{drawn}"
        said = render_remark(f"{what}: the next one will not tell which of them did it.")
        return [gr.update(visible=True), said, gr.update(choices=changed, value=changed[0])]

    def keep_only(self, kept: str, name: str, *values: Any) -> list[Any]:
        """Give updates for the panel and the controls: the clip's own settings and seed, with one change left."""
        settings, changed, _ = self._compare(name, values)
        return [gr.update(visible=False), *self._controls.take({**settings, **changed.get(kept, {})})]

    def _is_of(self, picture: Image.Image, name: str) -> bool:
        try:
            entry = history.find_entry(self._studio.find_clip(name))
            made_from, shown = (images.read_picture(each).image for each in (entry.picture, picture))
        except BadInput:
            return False
        return made_from == shown

    def _compare(self, name: str, values: Sequence[Any]) -> Apart:
        try:
            settings = history.find_entry(self._studio.find_clip(name)).settings if name else {}
            asked = self._controls.read(values)
            if not settings:
                return Apart({}, {}, False)
            if is_made_with(settings["checkpoint"] or "", self._studio.find_checkpoint(asked.get("checkpoint", ""))):
                asked["checkpoint"] = settings["checkpoint"]
        except BadInput:
            return Apart({}, {}, False)
        now = {field: asked.get(field, settings[field]) for field in settings}
        changed = {
            label: {field: now[field] for field in fields}
            for label, fields in CHANGES.items()
            if all(field in settings for field in fields) and any(now[field] != settings[field] for field in fields)
        }
        return Apart(settings, changed, "seed" not in asked)


def _find_users_event(component: Any) -> Any:
    """Find the event that a user's own change of a component is; of a picture in gradio 3 it is any change."""
    if isinstance(component, gr.Slider):
        return component.release
    return component.input if hasattr(component, "input") else component.change


def _hold_against(name: str = "") -> list[Any]:
    """Hold the controls against that clip from now on."""
    return [name, gr.update(visible=False)]
