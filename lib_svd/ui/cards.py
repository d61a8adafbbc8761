"""Clips of the history as HTML: a card each, and a few side by side. No gradio here; `svd_history.js` acts on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from lib_svd.jobs.history import Entry, differing
from lib_svd.jobs.notes import BEST
from lib_svd.review import MEASURES, Measure
from lib_svd.settings import SETTINGS, Setting
from lib_svd.ui.clips import SMALL

Url = Callable[[Path], str]
TOLD = ("speed", "camera", "similarity", "flicker")  # measures on every card; of the others faults alone


def cards_html(clips: Sequence[Entry], chosen: Sequence[str], said: str, url: Url) -> str:
    """A card for each clip, to be chosen by a click.

    Args:
        clips: of one page.
        chosen: paths of clips, on other pages too.
        said: which clips these are.
        url: where the browser gets a file.
    """
    paths = escape(json.dumps(chosen), quote=True)
    cards = "".join(_card(each, str(each.video) in chosen, url) for each in clips)
    return (
        f'<p class="svd-said svd-chosen" data-paths="{paths}" data-count="{len(chosen)}">{escape(said)}</p>'
        f'<div class="svd-cards">{cards}</div>'
    )


def compare_html(clips: Sequence[Entry], url: Url) -> str:
    """Clips side by side, in step, with what differs in their settings, and their measures."""
    names = "".join(f"<th>{escape(each.video.name)}</th>" for each in clips)
    differ = differing(clips)
    different = "".join(_setting(s, clips, "svd-differs") for name, s in SETTINGS.items() if name in differ)
    measures = "".join(_measure(measure, clips) for measure in MEASURES)
    same = "".join(_setting(s, clips[:1], "") for name, s in SETTINGS.items() if name not in differ)
    videos = "".join(f"<figure>{_video(each, url, 'controls autoplay')}</figure>" for each in clips)
    told = _row("Marks", [_marks(each) or "-" for each in clips]) + _row("Note", [each.note or "-" for each in clips])
    return (
        f'<details class="svd-compare" open><summary>{len(clips)} clips compared</summary>'
        f'<div class="svd-side">{videos}</div><table><tr><th></th>{names}</tr>{different}{measures}{told}'
        f"</table><details><summary>Settings that are the same</summary><table>{same}</table></details></details>"
    )


def _card(each: Entry, is_chosen: bool, url: Url) -> str:
    lines = [
        ("svd-name", escape(each.video.name)),
        ("svd-dim", f"{datetime.fromtimestamp(each.made):%Y-%m-%d %H:%M}"),
        ("", escape(each.brief())),
        ("", _words(each)),
        ("", escape(_marks(each))),
        ("svd-note", escape(each.note)),
    ]
    about = "".join(f'<span class="{kind}">{line}</span>' for kind, line in lines if line)
    return (
        f'<button type="button" class="svd-card" data-clip="{escape(str(each.video), quote=True)}" '
        f'aria-pressed="{"true" if is_chosen else "false"}">{_video(each, url, "")}{about}</button>'
    )


def _video(each: Entry, url: Url, how: str) -> str:
    longer = max(each.settings.get(side) or SMALL for side in ("width", "height"))
    squares = ' class="svd-squares"' if longer < SMALL else ""
    source = escape(url(each.video), quote=True)
    return f'<video src="{source}"{squares} {how} preload="metadata" loop muted playsinline></video>'


def _words(each: Entry) -> str:
    """What was measured in a few words, each with its number on pointing at it."""
    return " · ".join(_word(m, each) for m in MEASURES if m.name in TOLD or _is_fault(m, each)) if each.measures else ""


def _word(measure: Measure, each: Entry) -> str:
    faulty = " class='svd-fault'" if _is_fault(measure, each) else ""
    about = escape(f"{measure.title}: {measure.number(each.measures)}. {measure.about}", quote=True)
    return f'<span{faulty} title="{about}">{escape(measure.word(each.measures))}</span>'


def _is_fault(measure: Measure, each: Entry) -> bool:
    band = measure.band(each.measures)
    return band is not None and bool(band.fault)


def _marks(each: Entry) -> str:
    return ", ".join(f"{name} {mark} of {BEST}" for name, mark in each.marks.items())


def _setting(setting: Setting, clips: Iterable[Entry], kind: str) -> str:
    values = (each.settings.get(setting.name) for each in clips)
    return _row(setting.label, [_value(setting, value) for value in values], kind)


def _value(setting: Setting, value: Any) -> str:
    if value in (None, ""):
        return "-"
    return f"{value:.10g}" if isinstance(value, float) else str((setting.choices or {}).get(value, value))


def _measure(measure: Measure, clips: Iterable[Entry]) -> str:
    cells = "".join(f"<td>{_number(measure, each)}{_word(measure, each)}</td>" for each in clips)
    return f"<tr><td>{measure.title}</td>{cells}</tr>"


def _number(measure: Measure, each: Entry) -> str:
    """To stand before its word; "" where that says that there is none."""
    return "" if each.measures.get(measure.name) is None else f"{escape(measure.number(each.measures))} · "


def _row(title: str, texts: Iterable[str], kind: str = "") -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f'<tr class="{kind}"><td>{title}</td>{cells}</tr>'
