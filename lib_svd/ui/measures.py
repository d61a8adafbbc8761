"""A clip's measures as HTML: numbers in plain words, lines over the frames, one change to try. No gradio here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lib_svd.jobs.history import Entry
from lib_svd.review import BRIEF, CV2_MISSING, MEASURES, Advice, Measure, Measures, can_see_motion

PARTS = {"motion": "Motion", "fidelity": "Fidelity", "consistency": "Consistency", "loop": "Loop"}
PLOT_WIDTH, PLOT_HEIGHT = 120, 22  # pixels
ABOUT_LINES = "From the first frame to the last, above a faint line at 0; a dashed one is where a fault begins."


def measures_html(entry: Entry) -> str:
    """Every measure with its number, what it means, and its range on pointing at it; "" where none was taken."""
    if not entry.measures:
        return ""
    rows = "".join(
        f"<tr><th colspan=4>{title}</th></tr>" + "".join(_row(m, entry) for m in MEASURES if m.part == part)
        for part, title in PARTS.items()
    )
    missing = "" if can_see_motion() else f'<p class="svd-said">{escape(CV2_MISSING)}</p>'
    return f'<table class="svd-measures">{rows}</table>{missing}{ABOUT}'


def _about() -> str:
    """What each number is and where it usually lies, for who cannot point at it."""
    told = "".join(f"<dt>{measure.title}</dt><dd>{escape(measure.about)}</dd>" for measure in MEASURES)
    lines = f"<dt>Lines</dt><dd>{ABOUT_LINES}</dd>"
    summary = "<summary>What these numbers are</summary>"
    return f'<details class="svd-about-measures">{summary}<dl>{told}{lines}</dl></details>'


ABOUT = _about()


def advice_html(advice: Advice | None) -> str:
    """The one change to try, and why."""
    if advice is None:
        return '<p class="svd-said">Nothing stands out. What do you see?</p>'
    change = f" <b>{escape(advice.sentence)}</b>" if advice.sentence else ""
    return f'<p class="svd-said">{escape(advice.found)}{change} {escape(advice.reason)}</p>'


def sweep_html(title: str, words: Sequence[str], links: Sequence[str], measures: Sequence[Measures]) -> str:
    """What was measured on the clips of a sweep, a column each.

    Args:
        title: what was swept.
        words: its values.
        links: where the clips are.
        measures: of each clip.
    """
    heads = "".join(
        f'<th><a href="{escape(link, quote=True)}" target="_blank">{escape(word)}</a></th>'
        for word, link in zip(words, links, strict=True)
    )
    rows = "".join(
        f'<tr title="{escape(measure.about, quote=True)}"><td>{measure.title}</td>'
        + "".join(f"<td{_faulty(measure, each)}>{escape(measure.bare_number(each))}</td>" for each in measures)
        + f"<td>{escape(measure.unit_shown)}</td></tr>"
        for measure in MEASURES
        if measure.name in BRIEF
    )
    table = f'<table class="svd-measures"><tr><th>{escape(title)}</th>{heads}<th></th></tr>{rows}</table>'
    return f'<div class="svd-scrolled">{table}</div>'


def _row(measure: Measure, entry: Entry) -> str:
    faulty = _faulty(measure, entry.measures)
    return (
        f'<tr title="{escape(measure.about, quote=True)}"><td>{measure.title}</td>'
        f"<td>{escape(measure.number(entry.measures))}</td><td{faulty}>{escape(measure.word(entry.measures))}</td>"
        f"<td>{_plot(entry.series.get(measure.name, ()), measure.fault_limits)}</td></tr>"
    )


def _faulty(measure: Measure, measures: Measures) -> str:
    band = measure.band(measures)
    return " class='svd-fault'" if band is not None and band.fault else ""


def _plot(values: Sequence[float], limits: Sequence[float]) -> str:
    """A line from the first frame to the last, above a faint one at 0; dashed ones where a fault begins."""
    if len(values) < 2:
        return ""
    top = max(*values, *limits, 1e-9)

    def down(value: float) -> float:
        return 1 + (PLOT_HEIGHT - 2) * (1 - max(0.0, value) / top)

    points = " ".join(f"{PLOT_WIDTH * i / (len(values) - 1):.1f},{down(v):.1f}" for i, v in enumerate(values))
    faint = _across(down(0), "none") + "".join(_across(down(limit), "4 3") for limit in limits)
    label = f"over the frames, up to {max(values):.3g}"
    return (
        f'<svg width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}" viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}"'
        f' preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'{faint}<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def _across(y: float, dashes: str) -> str:
    return f'<path d="M0 {y:.1f}H{PLOT_WIDTH}" stroke="currentColor" opacity=".4" stroke-dasharray="{dashes}"/>'
