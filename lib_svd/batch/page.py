"""The report of a batch as one HTML page that needs no other file but the clips."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from lib_svd.batch.rows import Row
from lib_svd.batch.worker import State
from lib_svd.review import BRIEF, MEASURES, Measure, Measures

GENERATOR = "SVD for Forge, batch"
NO_CLIP = (State.FAILED, State.BAD)
STYLE = Markup("""
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #16181d; --faint: #5b6270; --line: #dfe3ea;
  --good: #15803d; --bad: #b91c1c; --fault: #b45309; }
@media (prefers-color-scheme: dark) {
  :root { --page: #101216; --card: #191c22; --ink: #e8eaee; --faint: #a2a9b6; --line: #2c313b;
    --good: #4ade80; --bad: #f87171; --fault: #fbbf24; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1500px; padding: 20px 16px 48px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.1rem; margin: 32px 0 12px; }
h3 { font-size: 1rem; margin: 0; }
p { margin: 0; }
.faint { color: var(--faint); font-size: .875rem; }
.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 8px; margin: 16px 0 0;
  padding: 0; list-style: none; }
.counts li { padding: 8px 12px; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
.counts b { display: block; font-size: 1.4rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.counts .good b { color: var(--good); }
.counts .bad b { color: var(--bad); }
.list { margin: 0; padding: 0; list-style: none; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
.list li { padding: 10px 12px; }
.list li + li { border-top: 1px solid var(--line); }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 16px;
  align-items: start; }
.clip { display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; overflow: hidden; }
.clip video { display: block; width: 100%; max-height: 360px; background: #000; }
.clip div { display: flex; flex-direction: column; gap: 8px; padding: 12px; }
.clip a { color: inherit; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th, td { padding: 3px 8px 3px 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
th { font-weight: 400; color: var(--faint); white-space: nowrap; }
td:nth-child(2) { white-space: nowrap; font-variant-numeric: tabular-nums; }
.fault { color: var(--fault); font-weight: 600; }
""")
DOCUMENT = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="{generator}">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
    "<style>{style}</style></head>\n<body><header><h1>{title}</h1><p class=faint>{when}</p>{counts}</header>\n"
    "<main>{parts}</main></body></html>\n"
)
LIST, CLIPS = Markup("<ul class=list>{}</ul>"), Markup("<div class=clips>{}</div>")
LINE = Markup("<li>{} <span class=faint>{}</span></li>")
COUNT = Markup('<li class="{}"><b>{}</b>{}</li>')
FAINT = Markup("<p class=faint>{}</p>")
CARD = Markup(
    '<article class=clip><video src="{url}" style="aspect-ratio: {shape}" controls loop muted playsinline'
    ' preload=metadata></video><div><h3>{picture}</h3><p class=faint><a href="{url}">{clip}</a>, {state}</p>'
    "{told}<table>{measures}</table></div></article>"
)


def render_page(rows: Sequence[Row], title: str, folder: Path) -> str:
    """Write the page: counts, what failed and why, each clip with its measures and advice, what is still to be made.

    Args:
        rows: in the order in which they are shown.
        title: of the page.
        folder: where the page will be.
    """
    failed = [_render_failure(row) for row in rows if row.state in NO_CLIP]
    clips = [_render_card(row, row.clip, folder) for row in rows if row.clip is not None]
    planned = [LINE.format(row.picture, row.brief) for row in rows if row.state is State.PLANNED]
    parts = (
        _render_part("What failed", LIST, failed),
        _render_part("Clips", CLIPS, clips),
        _render_part("Not made yet", LIST, planned),
    )
    return DOCUMENT.format(
        generator=GENERATOR,
        title=title,
        style=STYLE,
        when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        counts=_render_counts(rows),
        parts=_join(parts),
    )


def _render_counts(rows: Iterable[Row]) -> Markup:
    """Say how many there are of each state; of what went well always, of the rest where there is any."""
    counts = Counter(row.state for row in rows)
    shown = [state for state in State if counts[state] or state in (State.MADE, State.THERE, State.FAILED)]
    return Markup("<ul class=counts>{}</ul>").format(
        _join(COUNT.format(_choose_tone(state, counts[state]), counts[state], state.value) for state in shown)
    )


def _choose_tone(state: State, count: int) -> str:
    if not count:
        return ""
    return "bad" if state in NO_CLIP else "good" if state is State.MADE else ""


def _render_part(title: str, around: Markup, inside: Sequence[Markup]) -> Markup:
    """Put what there is below a heading; nothing where there is nothing."""
    return (
        Markup("<section><h2>{}</h2>{}</section>").format(title, around.format(_join(inside))) if inside else Markup()
    )


def _render_failure(row: Row) -> Markup:
    return Markup("<li><h3>{}</h3><p>{}</p><p class=faint>{}</p></li>").format(row.picture, row.said, row.brief)


def _render_card(row: Row, clip: Path, folder: Path) -> Markup:
    """Show a clip with what is known of it."""
    url, took = _make_url(clip, folder), f", {row.seconds:.1f} s" if row.seconds else ""
    told = [Markup("<p>{}</p>").format(_render_advice(row)), FAINT.format(row.brief)]
    told += [FAINT.format(row.said)] if row.said else []
    return CARD.format(
        url=url,
        shape=f"{row.settings['width']} / {row.settings['height']}",
        picture=row.picture,
        clip=clip.name,
        state=f"{row.state.value}{took}",
        told=_join(told),
        measures=_join(_render_measure(each, row.measures) for each in MEASURES if each.name in BRIEF and row.measures),
    )


def _render_advice(row: Row) -> Markup:
    if not row.measures:
        return Markup("Not measured.")
    if row.advice is None:
        return Markup("Nothing stands out.")
    return Markup("{} <b>{}</b> {}").format(row.advice.found, row.advice.sentence, row.advice.reason)


def _render_measure(measure: Measure, measures: Measures) -> Markup:
    band = measure.find_band(measures)
    fault = Markup(" class=fault") if band is not None and band.fault else ""
    number = measure.write_bare_number(measures) + (" %" if measure.unit_shown.startswith("%") else "")
    cells = Markup('<tr title="{}"><th>{}</th><td>{}</td><td{}>{}</td></tr>')
    return cells.format(measure.about, measure.title, number, fault, measure.choose_word(measures))


def _make_url(clip: Path, folder: Path) -> str:
    """Say where a browser finds a clip from the page; one in a second place by its whole path."""
    return quote(os.fsencode(clip.name)) if clip.parent == folder else clip.absolute().as_uri()


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
