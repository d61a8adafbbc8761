"""A clip's measures as HTML: numbers in plain words, lines over the frames, one change to try. No gradio here."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lib_svd.jobs.history import Entry
from lib_svd.review import BRIEF, CV2_MISSING, MEASURES, Advice, Measure, Measures, can_see_motion
from lib_svd.ui.clips import join_html, render_remark

PARTS = {"motion": "Motion", "fidelity": "Fidelity", "consistency": "Consistency", "loop": "Loop"}
PLOT_WIDTH, PLOT_HEIGHT = 120, 22  # pixels
ABOUT_LINES = "From the first frame to the last, above a faint line at 0; a dashed one is where a fault begins."


def render_measures(entry: Entry) -> Markup:
    """Show every measure with its number, what it means, and its range on pointing at it; "" where none was taken."""
    if not entry.measures:
        return Markup("")
    rows = join_html(
        Markup("<tr><th colspan=4>{}</th></tr>{}").format(
            title, join_html(_render_row(m, entry) for m in MEASURES if m.part == part)
        )
        for part, title in PARTS.items()
    )
    missing = "" if can_see_motion() else render_remark(CV2_MISSING)
    return Markup('<table class="svd-measures">{}</table>{}{}').format(rows, missing, ABOUT)


def _explain_measures() -> Markup:
    """Say what each number is and where it usually lies, for who cannot point at it."""
    told = [(measure.title, measure.about) for measure in MEASURES] + [("Lines", ABOUT_LINES)]
    items = join_html(Markup("<dt>{}</dt><dd>{}</dd>").format(*each) for each in told)
    summary = Markup("<summary>What these numbers are</summary>")
    return Markup('<details class="svd-about-measures">{}<dl>{}</dl></details>').format(summary, items)


ABOUT = _explain_measures()


def render_advice(advice: Advice | None) -> Markup:
    """Show the one change to try, and why."""
    if advice is None:
        return render_remark("Nothing stands out. What do you see?")
    change = Markup(" <b>{}</b>").format(advice.sentence) if advice.sentence else ""
    return Markup('<p class="svd-said">{}{} {}</p>').format(advice.found, change, advice.reason)


def render_sweep(title: str, words: Sequence[str], links: Sequence[str], measures: Sequence[Measures]) -> Markup:
    """Show what was measured on the clips of a sweep, a column each.

    Args:
        title: what was swept.
        words: its values.
        links: where the clips are.
        measures: of each clip.
    """
    heads = join_html(
        Markup('<th><a href="{}" target="_blank">{}</a></th>').format(link, word)
        for word, link in zip(words, links, strict=True)
    )
    rows = join_html(_render_brief_row(measure, measures) for measure in MEASURES if measure.name in BRIEF)
    return Markup(
        '<div class="svd-scrolled"><table class="svd-measures"><tr><th>{}</th>{}<th></th></tr>{}</table></div>'
    ).format(title, heads, rows)


def _render_brief_row(measure: Measure, clips: Sequence[Measures]) -> Markup:
    cells = join_html(
        Markup("<td{}>{}</td>").format(_render_faulty(measure, each), measure.write_bare_number(each)) for each in clips
    )
    row = Markup('<tr title="{}"><td>{}</td>{}<td>{}</td></tr>')
    return row.format(measure.about, measure.title, cells, measure.unit_shown)


def _render_row(measure: Measure, entry: Entry) -> Markup:
    number, word = measure.write_number(entry.measures), measure.choose_word(entry.measures)
    plot = _draw_plot(entry.series.get(measure.name, ()), measure.fault_limits)
    row = Markup('<tr title="{}"><td>{}</td><td>{}</td><td{}>{}</td><td>{}</td></tr>')
    return row.format(measure.about, measure.title, number, _render_faulty(measure, entry.measures), word, plot)


def _render_faulty(measure: Measure, measures: Measures) -> Markup:
    band = measure.find_band(measures)
    return Markup(' class="svd-fault"' if band is not None and band.fault else "")


def _draw_plot(values: Sequence[float], limits: Sequence[float]) -> Markup:
    """Draw a line from the first frame to the last, above a faint one at 0; dashed ones where a fault begins."""
    if len(values) < 2:
        return Markup("")
    top = max(*values, *limits, 1e-9)

    def compute_y(value: float) -> float:
        return 1 + (PLOT_HEIGHT - 2) * (1 - max(0.0, value) / top)

    points = " ".join(f"{PLOT_WIDTH * i / (len(values) - 1):.1f},{compute_y(v):.1f}" for i, v in enumerate(values))
    faint = _draw_across(compute_y(0), "none") + join_html(_draw_across(compute_y(limit), "4 3") for limit in limits)
    return Markup(
        '<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        ' aria-label="over the frames, up to {top:.3g}">{faint}'
        '<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    ).format(width=PLOT_WIDTH, height=PLOT_HEIGHT, top=max(values), faint=faint, points=points)


def _draw_across(y: float, dashes: str) -> Markup:
    line = Markup('<path d="M0 {:.1f}H{}" stroke="currentColor" opacity=".4" stroke-dasharray="{}"/>')
    return line.format(y, PLOT_WIDTH, dashes)
