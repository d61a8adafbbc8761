"""Find my settings: the panel that asks for drafts, and the table of what came of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import Markup

from lib_svd import jobs
from lib_svd.animate import Order
from lib_svd.clip import SavedClip
from lib_svd.errors import BadRequest, SvdError
from lib_svd.jobs.tuning import LEAST, MOST
from lib_svd.pages import Page
from lib_svd.studio import Studio
from lib_svd.ui.clips import join_html, render_error
from lib_svd.ui.compat import QUIET, make_html, make_js
from lib_svd.ui.controls import Controls
from lib_svd.ui.measures import render_sweep

BUDGET = 8  # drafts, to begin with
REMEMBERED = 16  # searches that can be gone on with; the oldest is forgotten first
GONE = "This search is not at hand any more: begin another one."


class Search(NamedTuple):
    """The clip that settings are looked for, and the drafts that there are."""

    first: Order
    drafts: list[jobs.Draft]


class Tuning:
    """A panel that asks for drafts, and one for what came of them.

    Args:
        studio: makes the drafts.
        page: says where the browser gets them.
        part: begins every id.

    Attributes:
        button: begins a search.
        budget: the component that says how many drafts it may make.
        go_on: goes on with the search that is shown.
        name: the component with the name of that search.
        chosen: the component that says which of its drafts is shown.
    """

    def __init__(self, studio: Studio, page: Page, part: str) -> None:
        self._studio, self._page, self._part = studio, page, part
        self._searches: OrderedDict[str, Search] = OrderedDict()
        with gr.Accordion("Find my settings: drafts, one change at a time", open=False, elem_id=f"{part}_tune"):
            self.budget = gr.Slider(
                LEAST, MOST, BUDGET, step=1, label="Drafts at most; each is small and quick", elem_id=f"{part}_budget"
            )
            self.button = gr.Button("Find my settings", elem_id=f"{part}_tune_all")

    def build_results(self) -> list[Any]:
        """Make the panel below the clip, where it shall stand; its components."""
        self._results = gr.Column(visible=False, elem_id=f"{self._part}_tune_results", elem_classes=["svd-tight"])
        with self._results:
            self._table = make_html(elem_id=f"{self._part}_tune_table")
            self.chosen = gr.Radio([""], value="", label="Draft", elem_id=f"{self._part}_tune_shown")
            with gr.Row(elem_classes=["svd-row"]):
                self._full = gr.Button("Make this one in full", variant="primary", elem_id=f"{self._part}_tune_full")
                self.go_on = gr.Button("Go on looking", elem_id=f"{self._part}_tune_on")
            self._said = make_html(elem_id=f"{self._part}_tune_said", elem_classes=["svd-status"])
            self.name = gr.Textbox("", visible=False, elem_id=f"{self._part}_tune_name")
        self.name.do_not_save_to_config = True
        return [self._results, self._table, self.chosen, self.name]

    def wire(self, controls: Controls) -> None:
        """Let "Make this one in full" bring the draft's settings to the controls and press Generate."""
        taken = self._full.click(
            fn=lambda name, chosen: self.take(controls, name, chosen),
            inputs=[self.name, self.chosen],
            outputs=[self._said, *controls.components],
            **QUIET,
        )
        press = f"(why) => {{ if (!why) document.querySelector('#{self._part}_generate').click(); }}"
        taken.success(fn=None, inputs=[self._said], outputs=[], **QUIET, **make_js(press))

    def find(self, first: Order, budget: float) -> tuple[SavedClip, str, list[Any]]:
        """Make the drafts of a new search. Where it is stopped, or one fails, those before it are there.

        Returns:
            The best draft; why there are no more, or ""; updates for the panel.

        Raises:
            SvdError: the budget cannot be, or there is no draft at all.
        """
        name = str(first.to.out.with_suffix(""))
        self._searches[name] = Search(first, [])
        while len(self._searches) > REMEMBERED:
            self._searches.popitem(last=False)
        return self.find_more(name, budget)

    def find_more(self, name: str, budget: float) -> tuple[SavedClip, str, list[Any]]:
        """Go on with a search, as `find` begins one."""
        first, drafts = self._search(name)
        before, ended = len(drafts), ""
        try:
            for draft in self._studio.tune(first, int(budget), tuple(drafts)):
                drafts.append(draft)
            if len(drafts) == before:
                ended = "There is nothing more to try."
        except SvdError as error:
            if not drafts:
                raise
            ended = f"{error} {len(drafts)} drafts are there."
        best = jobs.choose_best(drafts)
        return best.saved, ended, self._show(name, drafts, best)

    def find_draft(self, name: str, chosen: str) -> jobs.Draft:
        """Find the draft that is chosen in a search; raises BadRequest where the search is not at hand any more."""
        number = int(chosen.split()[0]) if chosen.split()[:1] and chosen.split()[0].isdigit() else 0
        drafts = self._search(name).drafts
        if not 1 <= number <= len(drafts):
            raise BadRequest(GONE)
        return drafts[number - 1]

    def take(self, controls: Controls, name: str, chosen: str) -> Sequence[Any]:
        """Give updates for what is said and for the controls: what was asked for, with the settings of the draft
        chosen.
        """
        try:
            settings = {**asdict(self._search(name).first.request), **self.find_draft(name, chosen).settings}
        except BadRequest as why:
            return [render_error(str(why)), *(gr.update() for _ in controls.components)]
        return ["", *controls.take(settings)]

    def _search(self, name: str) -> Search:
        if name not in self._searches:
            raise BadRequest(GONE)
        return self._searches[name]

    def _show(self, name: str, drafts: Sequence[jobs.Draft], best: jobs.Draft) -> list[Any]:
        words = [f"{number} (best)" if each is best else str(number) for number, each in enumerate(drafts, 1)]
        links = [self._page.find_url(each.saved.video) for each in drafts]
        why = join_html(Markup("<li>{} <b>{}.</b></li>").format(each.reason, _write_verdict(each)) for each in drafts)
        table = render_sweep("Draft", words, links, [each.measures for each in drafts])
        steps = Markup('<ol class="svd-steps">{}</ol>').format(why)
        chosen = words[drafts.index(best)]
        return [gr.update(visible=True), table + steps, gr.update(choices=words, value=chosen), name]


def _write_verdict(draft: jobs.Draft) -> str:
    return draft.verdict[:1].upper() + draft.verdict[1:]
