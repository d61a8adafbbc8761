"""A table of settings, a row a clip: a column `picture`, and one for each setting that differs from clip to clip."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib_svd.errors import BadInput, BadRequest
from lib_svd.request import read_size
from lib_svd.settings import find_setting
from lib_svd.strangers import decode_text, quote

PICTURE, SIZE = "picture", "size"
SEPARATORS = ",;\t"  # of columns; spreadsheets write one of them, by the country that they are set to
MOST_SAID = 20  # mistakes of one table
Read = Callable[[str], Mapping[str, Any]]
"""What a cell says to settings by name; raises BadRequest."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a row asks of a picture."""

    picture: str  # below the folder, with /
    settings: Mapping[str, Any]  # by name; seed None: it is derived


def read_table(path: Path, pictures: Container[str] | None, check: Callable[[Row], object]) -> list[Row]:
    """Read a table; a cell that is empty says nothing.

    Args:
        path: the file; of UTF-8, or what spreadsheets make of it.
        pictures: what rows may name, see `fold_name`; None: anything.
        check: raises BadInput where a row asks for what cannot be.

    Raises:
        BadRequest: a sentence for each mistake, on a line of its own, with row and column.
    """
    rows: list[Row] = []
    mistakes: list[str] = []
    header, *lines = _read_lines(path)
    columns = _read_columns(path, header, mistakes)
    for number, cells in enumerate(lines, 2):  # as spreadsheets count, the header is row 1
        if not any(cell.strip() for cell in cells):
            continue
        try:
            row = _read_row(cells, columns, pictures, mistakes, f"{path.name}, row {number}")
            if row is not None:
                check(row)
                rows.append(row)
        except BadInput as error:
            mistakes.append(f"{path.name}, row {number}: {error}")
    if mistakes:
        more = len(mistakes) - MOST_SAID
        raise BadRequest(
            "\n".join([*mistakes[:MOST_SAID], *([f"And {more} more in {path.name}."] if more > 0 else [])])
        )
    return rows


def fold_name(name: str) -> str:
    """Write the name of a picture so that all spellings of it are one: \\ for /, and letters with their accents."""
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))


def _read_lines(path: Path) -> list[list[str]]:
    """Read the cells of each row, of the header at least.

    Raises:
        BadRequest: it cannot be read, is no table, or is empty.
    """
    try:
        text = decode_text(path.read_bytes())
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=_guess_separator(text)))
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise BadRequest(f"{path} cannot be read as a table ({why}): save it as CSV with UTF-8.") from error
    if not lines:
        raise BadRequest(f"{path} is empty: its first row names the columns, such as {PICTURE},motion,seed.")
    return lines


def _guess_separator(text: str) -> str:
    """Tell what is between the columns: that by which the first row has the most titles that mean something."""
    first = text.partition("\n")[0]
    return max(SEPARATORS, key=lambda each: sum(bool(_read_column(title)[0]) for title in first.split(each)))


def _read_columns(path: Path, header: Sequence[str], mistakes: list[str]) -> list[tuple[str, Read | None]]:
    """Give the title of each column, and how its cells are read; None: they name the picture, or are passed over.

    Raises:
        BadRequest: no column names the picture.
    """
    columns: list[tuple[str, Read | None]] = []
    names: set[str] = set()
    last = max((number for number, title in enumerate(header, 1) if title.strip()), default=0)
    for title in header[:last]:
        name, read = _read_column(title)
        if not name:
            advice = f"call it {PICTURE}, {SIZE} or as a setting, see docs/settings.md"
            mistakes.append(f"{path.name}, row 1, column {quote(title)}: this is no setting: {advice}.")
        elif name in names:
            mistakes.append(f"{path.name}, row 1, column {quote(title)}: there is another column for this: keep one.")
        names.add(name)
        columns.append((title, read))
    if PICTURE not in names:
        raise BadRequest(f"{path.name}, row 1: no column is called {PICTURE}: add one with the names of the pictures.")
    return columns


def _read_column(title: str) -> tuple[str, Read | None]:
    """Say what a column is for, "" for nothing, and how its cells are read."""
    word = title.strip().lower()
    if word == PICTURE:
        return PICTURE, None
    if word == SIZE:
        return SIZE, lambda text: dict(zip(("width", "height"), read_size(text), strict=True))
    setting = find_setting(title.strip().removeprefix("--").removeprefix("SVD "))  # as advice and clips have it
    if setting is None:
        return "", None
    if setting.name == "seed":
        return "seed", lambda text: {"seed": None if text == "-1" else setting.check(setting.read(text))}
    return setting.name, lambda text: {setting.name: setting.check(setting.read(text))}


def _read_row(
    cells: Sequence[str],
    columns: Sequence[tuple[str, Read | None]],
    pictures: Container[str] | None,
    mistakes: list[str],
    where: str,
) -> Row | None:
    """Read a row; None: there are mistakes in it, which are told.

    Raises:
        BadRequest: it has more cells than there are columns.
    """
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise BadRequest(f"it has {len(cells)} cells, and there are {len(columns)} columns: take some out.")
    picture, settings, before = "", dict[str, Any](), len(mistakes)
    for (title, read), cell in zip(columns, cells, strict=False):
        text = cell.strip()
        try:
            if title.strip().lower() == PICTURE:
                picture = _read_name(text, pictures)
            elif text and read is not None:
                settings |= read(text)
        except BadRequest as error:
            mistakes.append(f"{where}, column {quote(title)}: {error}")
    return Row(picture=picture, settings=settings) if len(mistakes) == before else None


def _read_name(text: str, pictures: Container[str] | None) -> str:
    """Read which picture a row is for; raises BadRequest where there is no such picture."""
    name = fold_name(text)
    if not name or (pictures is not None and name not in pictures):
        advice = "write it as it is called below the folder; those in folders of it need --recursive"
        raise BadRequest(f"there is no picture {quote(text)}: {advice}.")
    return name
