"""One setting, several values, everything else locked: the panel that asks for it, and the table of what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from lib_svd import jobs
from lib_svd.animate import Order
from lib_svd.clip import SavedClip
from lib_svd.errors import SvdError
from lib_svd.pages import Page
from lib_svd.settings import SETTINGS, SWEPT, Setting, list_names
from lib_svd.studio import Studio
from lib_svd.ui.compat import QUIET, make_html
from lib_svd.ui.measures import render_sweep

ALL = "All side by side"


class Sweeping:
    """A panel that asks what is swept, and one for what came of it.

    Args:
        studio: makes the clips.
        page: says where the browser gets them.
        part: begins every id.

    Attributes:
        button: begins.
        inputs: components that say what is swept.
    """

    def __init__(self, studio: Studio, page: Page, part: str) -> None:
        self._studio, self._page, self._part = studio, page, part
        with gr.Accordion("Sweep: one setting, several values", open=False, elem_id=f"{part}_sweep"):
            with gr.Row(elem_classes=["svd-row"]):
                motion, seed = SETTINGS["motion_bucket_id"], SETTINGS["seed"]
                labels = [SETTINGS[name].label for name in list_names(SWEPT)]
                setting = gr.Dropdown(labels, value=motion.label, label="Setting", elem_id=f"{part}_swept")
                values = gr.Textbox(
                    label="Values; everything else stays, the seed too",
                    placeholder=f"{motion.values}; of seeds {seed.values}",
                    lines=1,
                    elem_id=f"{part}_values",
                    scale=2,
                )
            self.button = gr.Button("Make them all", elem_id=f"{part}_sweep_all")
        self.inputs = [setting, values]

    def build_results(self) -> list[Any]:
        """Make the panel below the clip, where it shall stand; gives its components."""
        self._results = gr.Column(visible=False, elem_id=f"{self._part}_sweep_results", elem_classes=["svd-tight"])
        with self._results:
            self._table = make_html(elem_id=f"{self._part}_sweep_table")
            self.chosen = gr.Radio([ALL], value=ALL, label="Show", elem_id=f"{self._part}_sweep_shown")
            self.name = gr.Textbox("", visible=False, elem_id=f"{self._part}_sweep_name")
        self.name.do_not_save_to_config = True
        return [self._results, self._table, self.chosen, self.name]

    def sweep(self, first: Order, label: str, text: str) -> tuple[SavedClip, str, list[Any]]:
        """Make the clips. Where the sweep is stopped, or a clip fails, those before it are there.

        Returns:
            The video of all, or the only clip that there is; why there are no more, or ""; updates for the panel.

        Raises:
            SvdError: the values cannot be, or there is no clip at all.
        """
        setting = jobs.find_sweepable(label)
        orders = jobs.make_orders(first, setting, jobs.read_values(setting, text))
        done: list[jobs.Swept] = []
        ended = ""
        try:
            for each in self._studio.sweep(orders, setting):
                done.append(each)
        except SvdError as error:
            if not done:
                raise
            ended = f"{error} {len(done)} of {len(orders)} clips are there."
        whole = jobs.save_grid(done, setting, first.to.out, first.to.encoding) if len(done) > 1 else done[0].saved
        return whole, ended, self._tell(done, setting, first)

    def wire(self, events: Sequence[Any], clip: Any) -> None:
        """Let "Show" say which clip is shown after events that show one; none where it is not of the sweep.

        Args:
            events: that show a clip.
            clip: the component that holds the path of the clip shown, "" for all side by side.
        """
        for event in events:
            event.then(fn=self.update_choice, inputs=[clip, self.name], outputs=[self.chosen], **QUIET)

    def update_choice(self, clip: str, name: str) -> Any:
        """Give the update of "Show" for the clip that is shown, where the sweep of that path is the last one."""
        if not clip:
            return gr.update(value=ALL)
        swept = clip.startswith(f"{name}-")
        return gr.update(value=clip.removeprefix(f"{name}-").removesuffix(".mp4") if swept else None)

    def find_path(self, shown: str, name: str) -> str:
        """Give the path of the clip that is chosen, in the sweep of that path."""
        return f"{name}.mp4" if shown == ALL else f"{name}-{shown}.mp4"

    def _tell(self, done: list[jobs.Swept], setting: Setting, first: Order) -> list[Any]:
        words = [each.saved.video.stem.removeprefix(f"{first.to.out.stem}-") for each in done]
        links = [self._page.find_url(each.saved.video) for each in done]
        title = f"{setting.label}, seed {first.request.seed}"
        table = render_sweep(title, words, links, [each.measures for each in done])
        choices = [ALL, *words] if len(done) > 1 else words
        return [
            gr.update(visible=True),
            table,
            gr.update(choices=choices, value=choices[0]),
            str(first.to.out.with_suffix("")),
        ]
