"""Names, files and JSON that others wrote: whatever they are, asking takes little time and gives an answer."""

from __future__ import annotations

import codecs
import json
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any

_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are as wide as an ideograph
MOST_PATH = 4096  # characters of a path
MOST_DIGITS = 40  # of a whole number; turning more into a number takes time with the square of their count


def is_text(name: str) -> bool:
    """Tell whether a name can be written and sent; names of files may be any bytes, and those do not pass through
    JSON.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_file(path: Path) -> bool:
    """Tell whether there is a plain file, and no pipe that would keep its reader waiting; False where none may look."""
    return stat.S_ISREG(_read_mode(path))


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder; False where none may look."""
    return stat.S_ISDIR(_read_mode(path))


def find_inside(name: Any, folders: Sequence[Path], is_meant: Callable[[Path], bool]) -> Path | None:
    """Find what a path names, in one of these folders or below; a link that leads out of them does not count.

    Args:
        name: a whole path, or one below any of the folders.
        folders: where it may be.
        is_meant: `is_file` or `is_folder`.

    Returns:
        The first real path that is meant; None: there is none, or it leads elsewhere.
    """
    if not isinstance(name, str) or not name or not is_text(name) or "\0" in name or len(name) > MOST_PATH:
        return None
    paths = [Path(name)] if Path(name).is_absolute() else [folder / name for folder in folders]
    try:
        for real in (path.resolve() for path in paths):
            if any(real.is_relative_to(folder.resolve()) for folder in folders) and is_meant(real):
                return real
    except (OSError, RuntimeError, ValueError):  # it cannot be followed
        return None
    return None


def decode_text(content: bytes) -> str:
    """Decode a file that people edit: UTF-8, or what editors on Windows make of it.

    Raises:
        ValueError: it is no text.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def read_json(text: str) -> Any:
    """Give the value that a text stands for.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or holds a whole number that is too long.
    """
    try:
        return _JSON.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def make_showable(value: Any) -> Any:
    """Put U+FFFD for half a surrogate, which JSON and names of files may hold and no page can show.

    Args:
        value: text, or what JSON may hold.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [make_showable(each) for each in value]
    if isinstance(value, dict):
        return {make_showable(name): make_showable(each) for name, each in value.items()}
    return value


def disarm_formula(value: Any) -> Any:
    """Let text begin with an apostrophe where a spreadsheet would take it for a formula, see
    https://owasp.org/www-community/attacks/CSV_Injection; numbers stay numbers.
    """
    if not isinstance(value, str):
        return value
    is_formula = value.startswith(("\t", "\r")) or value.lstrip(" \t\r\n").startswith(_FORMULAS)
    return f"'{value}" if is_formula else value


def find_whole(value: Any) -> int | None:
    """Give a value as a whole number, be it written 7 or 7.0: to JSON both are the same; None: it is none."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def pad_numbers(name: str) -> str:
    """Write a name in the form by which names are sorted: svd_9 comes before svd_10, whatever the case."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name.lower())


def quote(value: Any) -> str:
    """Write a value that somebody gave as it stands in a sentence: on one line, and never long."""
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return f"a number of more than {MOST_DIGITS} digits"
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python does not write out whole numbers of more than 4300 digits
        return f"a {type(value).__name__} of very large numbers"


def _read_mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null character or half a surrogate in the name
        return 0


def _read_whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number has {len(digits)} digits")
    return int(digits)


_JSON = json.JSONDecoder(parse_int=_read_whole)
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 120
