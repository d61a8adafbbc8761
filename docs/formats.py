"""Write the tables of formats.md from `lib_svd.video.FORMATS`: `python docs/formats.py`, after a change of any row.

Sizes and likeness come from benchmarks/results/cpu-formats.json, see benchmarks/formats.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lib_svd.video import FORMATS, MAIN, Format

PAGE = Path(__file__).with_suffix(".md")
MEASURED = Path(__file__).parents[1] / "benchmarks" / "results" / "cpu-formats.json"
HEAD = "| name | format | file | quality, presets | settings in | size, PSNR | played by |\n" + 7 * "|---" + "|\n"


def write_page() -> str:
    """Give the page with its table as the formats are now."""
    found = {line["format"]: line for line in json.loads(MEASURED.read_text("utf-8"))["lines"]}
    rows = "".join(_write_row(name, row, found.get(name)) for name, row in FORMATS.items())
    return re.sub(r"\| name \|.*?\n(?!\|)", lambda _: f"{HEAD}{rows}", PAGE.read_text("utf-8"), flags=re.DOTALL)


def _write_row(name: str, row: Format, measured: dict[str, Any] | None) -> str:
    title = f"{row.title}, every clip's own" if name == MAIN else row.title
    cells = (
        f"`{name}`",
        title,
        f"`clip{row.suffix}`",
        _write_choices(row),
        row.keeps.value,
        _write_measured(row, measured),
    )
    return f"| {' | '.join(cells)} | {row.played_by} |\n"


def _write_choices(row: Format) -> str:
    quality = row.quality and f"{row.quality.low:g} to {row.quality.high:g}, {row.quality.usual:g} ({row.quality.name})"
    presets = row.presets and f"{', '.join(row.presets)}: {row.usual}"
    profiles = row.profiles and f"{', '.join(row.profiles)}: {row.profiles[0]}"
    return "; ".join(filter(None, (quality, presets, profiles, row.loops and "`x3` plays thrice"))) or "nothing"


def _write_measured(row: Format, measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "not measured"
    size = f"{measured['bytes'] / 1e6:.2f} MB"
    return f"{size}, equal to the bit" if row.is_exact else f"{size}, {measured['psnr']:.1f} dB"


if __name__ == "__main__":
    PAGE.write_text(write_page(), "utf-8")
