"""The accordion in txt2img and img2img: what shall become of the pictures generated there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from lib_svd.errors import BadRequest
from lib_svd.pages import Page
from lib_svd.settings import SETTINGS, SWEPT, list_names
from lib_svd.studio import Studio
from lib_svd.ui.compat import QUIET, make_html
from lib_svd.ui.controls import NO_PROMPT, Controls, Settle, clean_settings

TITLE = "Animate with SVD"
AXES = {f"[SVD] {SETTINGS[n].label}": SETTINGS[n] for n in (*list_names(SWEPT), "num_frames") if n != "seed"}
"""What of the accordion can be an axis of an X/Y/Z plot, where the seed is the picture's and so an axis already."""


class Accordion:
    """Components, and how their values are read.

    Attributes:
        inputs: the components whose values the host passes on, Enable first.
        pastes: components and what each gets from a picture's parsed infotext; None leaves it as it is.
    """

    def __init__(self, studio: Studio, part: str, page: Page | None) -> None:
        with gr.Accordion(TITLE, open=False, elem_id=f"{part}_svd"):
            enable = gr.Checkbox(False, label="Animate the pictures", elem_id=f"{part}_svd_enable")
            make_html(f"<p class='svd-about'>{NO_PROMPT}</p>")
            self._controls = Controls(studio, f"{part}_svd", page, beside_picture=True)
        self.inputs = [enable, self._controls.with_frames, *self._controls.components]
        self.pastes: list[tuple[Any, Settle]] = [(enable, _read_enabled), *self._controls.pastes]
        # Not before: most pages are opened to make pictures, and nobody should wait for a look at all models.
        enable.change(
            fn=self._controls.fill,
            inputs=[self._controls["checkpoint"]],
            outputs=self._controls.filled,
            **QUIET,
        )

    def read(self, values: Sequence[Any]) -> tuple[bool, dict[str, Any], bool]:
        """Read whether it is on, settings for `ClipRequest.from_mapping`, and whether to save frames too.

        Args:
            values: of `inputs`; or, from the web UI's API, one dict such as {"enabled": true, "motion_bucket_id": 75,
                "frames": true}, in which "enabled" may be left out.

        Raises:
            BadRequest: a value is of the wrong type or out of range.
        """
        if values and isinstance(values[0], Mapping):
            given = dict(values[0])
            is_on, with_frames = given.pop("enabled", True), given.pop("frames", False)
            _check_switches(enabled=is_on, frames=with_frames)
            return is_on, clean_settings(given) if is_on else {}, with_frames
        is_on, with_frames, *settings = [*values, None, None][: max(2, len(values))]
        return bool(is_on), self._controls.read(settings) if is_on else {}, bool(with_frames)


def build(studio: Studio, part: str, page: Page | None = None) -> Accordion:
    """Make the accordion inside a gradio layout; `part` is "txt2img" or "img2img".

    Without side effects: a web UI's API builds it once more in a page that nobody sees.
    """
    return Accordion(studio, part, page)


def _read_enabled(parameters: dict[str, str]) -> bool | None:
    return True if "SVD steps" in parameters else None


def _check_switches(**switches: Any) -> None:
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise BadRequest(f"{name} must be true or false, not {value!r}.")
