"""The history in the tab: find clips that were made, compare them, bring one back, throw some away."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import Markup

from lib_svd import video
from lib_svd.errors import BadInput, BadRequest, SvdError, join_names
from lib_svd.files import TRASH
from lib_svd.jobs import history, searching
from lib_svd.jobs.history import Entry
from lib_svd.jobs.trash import move_to_trash, restore_from_trash
from lib_svd.pages import Page
from lib_svd.review import MEASURES
from lib_svd.settings import SETTINGS
from lib_svd.studio import Studio
from lib_svd.ui.cards import render_cards, render_comparison
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import QUIET, answer, make_html, make_js
from lib_svd.ui.controls import make_tool
from lib_svd.ui.listed import Listed

PAGE = 24  # clips
SAID = 3  # sentences on what was passed over
COMPARED = (2, 3)  # how many go side by side
DATE = "Date"
SORTS = {
    DATE: "made",
    "Name": "clip",
    **{measure.title: measure.name for measure in MEASURES},
    **{f"Mark: {name}": f"mark_{name}" for name in history.MARKED},
    **{f"Setting: {setting.label}": name for name, setting in SETTINGS.items()},
}
"""What clips can be sorted by, and its column of the history."""
DIRECTIONS = ["Descending", "Ascending"]
CLIPS, THROWN_AWAY = PLACES = ["Clips", "Trash"]
NOTHING = {CLIPS: "There are no clips yet: make one in Animate.", THROWN_AWAY: "There is nothing in the trash."}

log = logging.getLogger("svd")


class Asked(NamedTuple):
    """What the page hands over with every click."""

    chosen: str  # JSON, paths of clips
    seen: str  # JSON, paths of those that are in view
    words: str
    place: str  # of PLACES
    order: str  # of SORTS
    direction: str  # of DIRECTIONS
    page: int  # from 0

    @property
    def needs_all(self) -> bool:
        """Whether every clip is to be read before the first can be shown."""
        return bool(self.words.strip()) or (self.order, self.direction) != (DATE, DIRECTIONS[0])


class Browsing:
    """What stands in the history's own tab.

    Args:
        studio: whose clips these are.
        page: gives their addresses.
        part: begins every id.

    Attributes:
        trashed: the event after which clips are gone; there once `wire` was called.
    """

    trashed: Any

    def __init__(self, studio: Studio, page: Page, part: str) -> None:
        self._studio, self._page, self._part = studio, page, part
        self._places = {CLIPS: Listed(lambda: studio.list_clip_dirs()), THROWN_AWAY: Listed(self._list_trashes)}
        with gr.Row(elem_classes=["svd-row"]):
            self._words = gr.Textbox(
                label="Find",
                placeholder="words, or motion=75; then Enter",
                max_lines=1,
                elem_id=f"{part}_find",
                scale=5,
            )
            self._place = gr.Dropdown(PLACES, value=CLIPS, label="Folder", elem_id=f"{part}_place", scale=2)
            self._order = gr.Dropdown(list(SORTS), value=DATE, label="Sort by", elem_id=f"{part}_sort", scale=2)
            self._direction = gr.Dropdown(
                DIRECTIONS, value=DIRECTIONS[0], label="Direction", elem_id=f"{part}_direction", scale=2
            )
            self._refresh = make_tool("↻", f"{part}_history_refresh")
        with gr.Row(elem_classes=["svd-row"]):
            self._restore, self._finish, self._compare, self._trash, self._back, self._undo, self._csv = (
                gr.Button(text, size="sm", min_width=90, elem_id=f"{part}_history_{name}", visible=is_visible)
                for name, text, is_visible in (
                    ("restore", "Restore", True),
                    ("finish", "Finish", True),
                    ("compare", "Compare", True),
                    ("trash", "To trash", True),
                    ("back", "Bring back", False),
                    ("undo", "Undo", False),
                    ("csv", "Table of all found", True),
                )
            )
        self._gone = gr.Textbox("[]", visible=False, elem_id=f"{part}_history_gone")  # thrown away last, by this page
        self._said = make_html(elem_id=f"{part}_history_said")
        self._compared = make_html(elem_id=f"{part}_compared")
        self._cards = make_html(elem_id=f"{part}_cards")
        with gr.Row(elem_classes=["svd-row"]):
            self._previous = gr.Button("Previous page", size="sm", elem_id=f"{part}_history_previous")
            self._next = gr.Button("Next page", size="sm", elem_id=f"{part}_history_next")
        self._number = gr.Number(0, precision=0, visible=False, elem_id=f"{part}_history_page")
        # The first two stand in for the clips that are chosen and those in view, which the script knows.
        self._given = [*[self._words] * 3, self._place, self._order, self._direction, self._number]
        for given in (*self._given, self._gone):
            given.do_not_save_to_config = True

    def wire(self, opened: Any, restored: Sequence[Any], restore: Callable[[Entry], Sequence[Any]]) -> Any:
        """Fill the tab when it is opened, and let its buttons work.

        Args:
            opened: the tab that this stands in.
            restored: components that a clip is brought back to.
            restore: their updates; may raise BadInput.

        Returns:
            The event after which a clip may have been brought back.
        """
        listing = [self._said, self._cards, self._number]
        self._bind(opened.select, self.look, listing)
        self._bind(self._refresh.click, self.look, listing)
        changed = [self._words.submit, self._order.change, self._direction.change]
        first_page = self._make_handler(lambda asked: self.list_page(asked._replace(page=0)), len(listing))
        answer(f"{self._part}_history_list", changed, first_page, self._given, listing, _write_script("svdChosen"))
        turn, turned = f"{self._part}_history_turn", self._make_handler(self.list_page, len(listing))
        answer(turn, [], turned, self._given, listing, _write_script("svdTurned"))
        for button, pages in ((self._previous, -1), (self._next, 1)):
            button.click(fn=None, inputs=[], outputs=[], **QUIET, **make_js(f"() => svdTurn({pages}, '{turn}')"))
        self._bind(self._compare.click, self.compare, [self._said, self._compared])
        self._bind(self._place.change, self.turn_to, [*listing, self._compared, self._trash, self._back, self._undo])
        self.trashed = self._bind(self._trash.click, self.trash, [*listing, self._compared, self._gone, self._undo])
        self._bind(self._back.click, self.bring_back, [*listing, self._compared])
        undone, given = [*listing, self._undo], [self._gone, *self._given[1:]]
        undo = self._make_handler(self.undo, len(undone))
        self._undo.click(fn=undo, inputs=given, outputs=undone, **QUIET)
        self._bind(self._csv.click, self.write_table, [self._said])
        return self._bring_to_front(self._restore, restored, lambda asked: restore(self._find_one(asked)))

    def wire_finish(self, shown: Sequence[Any], show: Callable[[Entry], Sequence[Any]]) -> Any:
        """Let a clip be shown where it is finished.

        Args:
            shown: components that a clip is shown in.
            show: their updates; may raise BadInput.

        Returns:
            The event after which a clip may be shown.
        """
        return self._bring_to_front(self._finish, shown, lambda asked: show(self._find_one(asked, "finished")))

    def _bring_to_front(self, button: Any, shown: Sequence[Any], show: Callable[[Asked], Sequence[Any]]) -> Any:
        """Let a button show something in the first tab, and open that."""
        event = self._bind(button.click, lambda asked: ["", *show(asked)], [self._said, *shown])
        front = f"(said) => {{ if (!said) svdOpenTab('{self._part}_animate'); }}"
        event.then(fn=None, inputs=[self._said], outputs=[], **QUIET, **make_js(front))
        return event

    def _bind(self, event: Any, do: Callable[[Asked], Sequence[Any]], outputs: Sequence[Any]) -> Any:
        """Let an event do something."""
        fn = self._make_handler(do, len(outputs))
        return event(fn=fn, inputs=self._given, outputs=list(outputs), **QUIET, **make_js(_write_script("svdChosen")))

    def _make_handler(self, do: Callable[[Asked], Sequence[Any]], count: int) -> Callable[..., Sequence[Any]]:
        """Make a handler with so many outputs: where it fails, the first one says why, and nothing changes."""

        def handle(*given: Any) -> Sequence[Any]:
            try:
                return do(Asked(*given))
            except SvdError as error:
                said = str(error)
            except Exception as error:
                log.exception("The history could not do that")
                said = f"That could not be done ({type(error).__name__}: {error}): the log has more."
            return [render_error(said), *(gr.update() for _ in range(count - 1))]

        return handle

    def look(self, asked: Asked) -> list[Any]:
        """Read the folders anew, and show the page that was shown."""
        try:
            passed_over = self._places[asked.place].look()
        except OSError as error:
            raise BadInput(f"{error.filename} cannot be read ({error.strerror}): allow reading it.") from error
        _, *listing = self.list_page(asked)
        return [_render_passed_over(passed_over), *listing]

    def list_page(self, asked: Asked) -> list[Any]:
        """Show a page of what was found, in order; pages beyond the last are the last."""
        place = self._places[asked.place]
        found = self._find_entries(asked) if asked.needs_all else []
        total = len(found) if asked.needs_all else len(place.paths)
        page = max(0, min(asked.page, (total - 1) // PAGE))
        begin, end = page * PAGE, (page + 1) * PAGE
        shown = (found if asked.needs_all else place.read(end))[begin:end]
        said = f"Clips {begin + 1} to {begin + len(shown)} of {total}."
        if not shown:
            said = "No clip has all of these words." if place.paths else NOTHING[asked.place]
        chosen = [str(path) for path in self._list_chosen(asked)]
        return ["", render_cards(shown, chosen, said, self._page.find_url), page]

    def turn_to(self, asked: Asked) -> list[Any]:
        """Show what is there, or what was thrown away, with the buttons for it."""
        is_trash = asked.place == THROWN_AWAY
        buttons = [gr.update(visible=not is_trash), gr.update(visible=is_trash), gr.update(visible=False)]
        return [*self.look(asked._replace(page=0)), "", *buttons]

    def compare(self, asked: Asked) -> list[Any]:
        """Show two or three clips side by side."""
        chosen = self._list_chosen(asked)
        if len(chosen) not in COMPARED:
            raise BadRequest(f"Two or three clips can be compared: {_count_chosen(chosen)}")
        return ["", render_comparison([history.find_entry(each) for each in chosen], self._page.find_url)]

    def trash(self, asked: Asked) -> list[Any]:
        """Move clips in view and what belongs to them into the trash, and list what is left; others stay chosen."""
        chosen, seen = self._list_chosen(asked), json.loads(asked.seen)
        going = [each for each in chosen if str(each) in seen]
        if not chosen:
            raise BadRequest("Choose the clips to throw away: none is chosen.")
        if not going:
            raise BadRequest("No clip that is chosen is in view, so all stay: find them, or turn to their page.")
        what = f"{going[0].name} is" if len(going) == 1 else f"{len(going)} clips are"
        trash = join_names(dict.fromkeys(str(each.parent / TRASH) for each in going))
        others = len(chosen) - len(going)
        stay = f" Of those chosen {others} stay, which are not in view." if others else ""
        said, gone = render_remark(f"{what} in {trash} now.{stay}"), []
        try:
            for each in going:
                moved = move_to_trash(each)
                gone.append(str(next(path for path in moved if path.suffix == each.suffix)))
        except BadInput as error:  # those before it are gone, so the list is another one all the same
            said = render_error(str(error))
        _, *listing = self.look(asked)
        return [said, *listing, "", json.dumps(gone), gr.update(visible=bool(gone))]

    def bring_back(self, asked: Asked) -> list[Any]:
        """Move clips that are chosen in the trash back to where they were, and list what is left there."""
        chosen = self._list_chosen(asked)
        if not chosen:
            raise BadRequest("Choose the clips to bring back: none is chosen.")
        said = render_remark(self._bring_back(chosen)[1])
        _, *listing = self.look(asked)
        return [said, *listing, ""]

    def undo(self, asked: Asked) -> list[Any]:
        """Bring back what was thrown away last, from those that are "chosen", and choose it again."""
        trash = self._places[THROWN_AWAY]
        trash.look()
        back, said = self._bring_back([trash.paths[each] for each in json.loads(asked.chosen) if each in trash.paths])
        _, *listing = self.look(asked._replace(chosen=json.dumps(back)))
        return [render_remark(said), *listing, gr.update(visible=False)]

    def _bring_back(self, clips: Sequence[Path]) -> tuple[list[str], str]:
        """Move clips out of the trash; gives where they are now, and a sentence about them."""
        back = [restore_from_trash(each) for each in clips]
        names = f"{back[0].name} is" if len(back) == 1 else f"{len(back)} clips are"
        return [str(each) for each in back], f"{names} back."

    def _list_trashes(self) -> list[Path]:
        return [each / TRASH for each in self._studio.list_clip_dirs() if (each / TRASH).is_dir()]

    def write_table(self, asked: Asked) -> list[Any]:
        """Write everything that was found as a CSV file beside the clips."""
        found = self._find_entries(asked)
        if not found:
            raise BadRequest("There is nothing to write: no clip was found.")
        path = video.find_free_name(self._studio.host.folders.find_output_dir(), "history", ".csv")
        history.write_csv(found, path)
        said = Markup('<p class="svd-said">{} clips are in the table {}. <a href="{}" download>Download it</a></p>')
        return [said.format(len(found), path, self._page.find_url(path))]

    def _find_entries(self, asked: Asked) -> list[Entry]:
        place = self._places[asked.place]
        found = searching.find_clips(place.read(len(place.paths)), asked.words)
        return searching.sort_clips(found, SORTS[asked.order], ascending=asked.direction == DIRECTIONS[1])

    def _list_chosen(self, asked: Asked) -> list[Path]:
        """List the clips in the order in which they were chosen; what the browser gives is looked up, never opened."""
        paths = self._places[asked.place].paths
        return [paths[path] for path in json.loads(asked.chosen) if path in paths]

    def _find_one(self, asked: Asked, what: str = "restored") -> Entry:
        chosen = self._list_chosen(asked)
        if len(chosen) != 1:
            raise BadRequest(f"One clip can be {what}: {_count_chosen(chosen)}")
        if asked.place == THROWN_AWAY:
            raise BadRequest("That clip is in the trash: bring it back first.")
        return history.find_entry(chosen[0])


def _render_passed_over(sentences: Sequence[str]) -> str:
    """Show some of the clips passed over, and how many more there are; nothing where none was passed over."""
    more = len(sentences) - SAID
    said = [*sentences[:SAID], *([f"{more} more are passed over."] if more > 0 else [])]
    return render_error(" ".join(said)) if said else ""


def _write_script(through: str) -> str:
    """Write the script that the inputs go through: it puts the chosen clips before the others."""
    return f"function() {{ return {through}(arguments, {len(Asked._fields)}); }}"


def _count_chosen(clips: Sequence[Path]) -> str:
    """Say how many are chosen, as the end of a sentence."""
    return {0: "none is chosen.", 1: "only one is chosen."}.get(len(clips), f"{len(clips)} are chosen.")
