"""What became of a batch, for people and for spreadsheets: `report.html` and `report.csv` in the folder of clips."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from lib_svd.batch.page import GENERATOR, render_page
from lib_svd.batch.rows import Row
from lib_svd.errors import BadOutput
from lib_svd.files import make_hidden_names, sync
from lib_svd.review import MEASURES
from lib_svd.settings import SETTINGS
from lib_svd.strangers import disarm_formula

COLUMNS: Mapping[str, Callable[[Row], Any]] = {
    "picture": lambda row: row.picture,
    "state": lambda row: row.state.value,
    "clip": lambda row: "" if row.clip is None else row.clip.name,
    "seconds": lambda row: round(row.seconds, 1) or "",
    "said": lambda row: row.said,
    "advice": lambda row: "" if row.advice is None else f"{row.advice.found} {row.advice.sentence}".strip(),
}
"""What the table tells of a row, beside its settings and measures."""
TABLE, PAGE = "report.csv", "report.html"
_OURS = {TABLE: ",".join(COLUMNS), PAGE: GENERATOR}
"""What stands near the beginning of a report, by which the next batch knows it."""
_LOOKED_AT = 4096  # bytes


def check_report(folder: Path) -> None:
    """Refuse a folder in which a report's name is taken by something else; the last batch's is replaced.

    Raises:
        BadOutput: names the file.
    """
    for name, mark in _OURS.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                is_ours = mark.encode() in file.read(_LOOKED_AT)
        except FileNotFoundError:
            continue
        except OSError:
            is_ours = False
        if not is_ours:
            raise BadOutput(
                f"{path} is there already and is no report of a batch: rename it, or choose another folder."
            )


def write_report(folder: Path, rows: Sequence[Row], title: str) -> Path:
    """Write both files, each whole or not at all, in place of the last batch's; gives the page's.

    Raises:
        BadOutput: they cannot be written.
    """
    for name, text in ((TABLE, _write_table(rows)), (PAGE, render_page(rows, title, folder))):
        path = folder / name
        try:
            with make_hidden_names(folder) as hidden:
                unfinished = hidden(path.suffix)
                unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
                sync(unfinished)
                unfinished.replace(path)
        except OSError as error:
            raise BadOutput(f"{path} cannot be written ({error.strerror or error}): make room there.") from error
    return folder / PAGE


def _write_table(rows: Sequence[Row]) -> str:
    """Write a row a clip, with every setting and measure; text that would be a formula begins with an apostrophe."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    measures = [measure.name for measure in MEASURES]
    writer.writerow([*COLUMNS, *SETTINGS, *measures])
    for row in rows:
        told = [tell(row) for tell in COLUMNS.values()]
        told += [row.settings.get(name) for name in SETTINGS]
        told += [row.measures.get(name) for name in measures]
        writer.writerow(map(disarm_formula, told))
    return text.getvalue()
