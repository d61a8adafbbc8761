"""Clips of the history as HTML: a card each, and a few side by side. No gradio here; `svd_history.js` acts on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lib_svd.jobs.history import Entry, list_differing
from lib_svd.jobs.notes import BEST
from lib_svd.review import MEASURES, Measure
from lib_svd.settings import SETTINGS, Setting
from lib_svd.ui.clips import SMALL, join_html

Url = Callable[[Path], str]
TOLD = ("speed", "camera", "similarity", "flicker")  # measures on every card; of the others faults alone


def render_cards(clips: Sequence[Entry], chosen: Sequence[str], said: str, url: Url) -> Markup:
    """Show a card for each clip, to be chosen by a click.

    Args:
        clips: of one page.
        chosen: paths of clips, on other pages too.
        said: which clips these are.
        url: where the browser gets a file.
    """
    cards = join_html(_render_card(each, str(each.video) in chosen, url) for each in clips)
    return Markup(
        '<p class="svd-said svd-chosen" data-paths="{}" data-count="{}">{}</p><div class="svd-cards">{}</div>'
    ).format(json.dumps(chosen), len(chosen), said, cards)


def render_comparison(clips: Sequence[Entry], url: Url) -> Markup:
    """Show clips side by side, in step, with what differs in their settings, and their measures."""
    names = join_html(Markup("<th>{}</th>").format(each.video.name) for each in clips)
    differ = list_differing(clips)
    different = join_html(_render_setting(s, clips, "svd-differs") for name, s in SETTINGS.items() if name in differ)
    measures = join_html(_measure(measure, clips) for measure in MEASURES)
    same = join_html(_render_setting(s, clips[:1], "") for name, s in SETTINGS.items() if name not in differ)
    videos = join_html(
        Markup("<figure>{}</figure>").format(_render_video(each, url, "controls autoplay")) for each in clips
    )
    told = _render_row("Marks", [_write_marks(each) or "-" for each in clips]) + _render_row(
        "Note", [each.note or "-" for each in clips]
    )
    return Markup(
        '<details class="svd-compare" open><summary>{} clips compared</summary>'
        '<div class="svd-side">{}</div><table><tr><th></th>{}</tr>{}'
        "</table><details><summary>Settings that are the same</summary><table>{}</table></details></details>"
    ).format(len(clips), videos, names, different + measures + told, same)


def _render_card(each: Entry, is_chosen: bool, url: Url) -> Markup:
    lines = [
        ("svd-name", each.video.name),
        ("svd-dim", f"{datetime.fromtimestamp(each.made):%Y-%m-%d %H:%M}"),
        ("", each.write_brief()),
        ("", _render_words(each)),
        ("", _write_marks(each)),
        ("svd-note", each.note),
    ]
    about = join_html(Markup('<span class="{}">{}</span>').format(*line) for line in lines if line[1])
    return Markup('<button type="button" class="svd-card" data-clip="{}" aria-pressed="{}">{}{}</button>').format(
        each.video, "true" if is_chosen else "false", _render_video(each, url, ""), about
    )


def _render_video(each: Entry, url: Url, how: str) -> Markup:
    longer = max(each.settings.get(side) or SMALL for side in ("width", "height"))
    squares = Markup(' class="svd-squares"' if longer < SMALL else "")
    player = Markup('<video src="{}"{} {} preload="metadata" loop muted playsinline></video>')
    return player.format(url(each.video), squares, how)


def _render_words(each: Entry) -> Markup:
    """Say what was measured in a few words, each with its number on pointing at it."""
    told = [m for m in MEASURES if m.name in TOLD or _is_fault(m, each)] if each.measures else []
    return Markup(" · ").join(_render_word(measure, each) for measure in told)


def _render_word(measure: Measure, each: Entry) -> Markup:
    faulty = Markup(' class="svd-fault"' if _is_fault(measure, each) else "")
    about = f"{measure.title}: {measure.write_number(each.measures)}. {measure.about}"
    return Markup('<span{} title="{}">{}</span>').format(faulty, about, measure.choose_word(each.measures))


def _is_fault(measure: Measure, each: Entry) -> bool:
    band = measure.find_band(each.measures)
    return band is not None and bool(band.fault)


def _write_marks(each: Entry) -> str:
    return ", ".join(f"{name} {mark} of {BEST}" for name, mark in each.marks.items())


def _render_setting(setting: Setting, clips: Iterable[Entry], kind: str) -> Markup:
    values = (each.settings.get(setting.name) for each in clips)
    return _render_row(setting.label, [_write_value(setting, value) for value in values], kind)


def _write_value(setting: Setting, value: Any) -> str:
    if value in (None, ""):
        return "-"
    return f"{value:.10g}" if isinstance(value, float) else str((setting.choices or {}).get(value, value))


def _measure(measure: Measure, clips: Iterable[Entry]) -> Markup:
    cells = join_html(
        Markup("<td>{}{}</td>").format(_write_number(measure, each), _render_word(measure, each)) for each in clips
    )
    return Markup("<tr><td>{}</td>{}</tr>").format(measure.title, cells)


def _write_number(measure: Measure, each: Entry) -> str:
    """Write a number to stand before its word; "" where that says that there is none."""
    return "" if each.measures.get(measure.name) is None else f"{measure.write_number(each.measures)} · "


def _render_row(title: str, texts: Iterable[str], kind: str = "") -> Markup:
    cells = join_html(Markup("<td>{}</td>").format(text) for text in texts)
    return Markup('<tr class="{}"><td>{}</td>{}</tr>').format(kind, title, cells)
