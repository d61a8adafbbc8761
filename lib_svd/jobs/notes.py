"""The note beside a clip, a `.json`: whether what stands in it is what the program writes there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

from lib_svd.errors import BadInput
from lib_svd.request import MOST_TEXT
from lib_svd.settings import SETTINGS
from lib_svd.strangers import decode_text, is_text, read_json

BEST = 5  # the highest mark
LATEST = 253_402_300_800  # the year 10000, in seconds since 1970: dates end there
_SERIES = re.compile(r'\n "series": \{(?:\n  [^\n]*)+\n \},')  # as the history writes them


def read_note(path: Path, with_series: bool = True) -> dict[str, Any] | None:
    """Read the fields of a clip's note by name; None: the file is somebody else's, or damaged.

    Args:
        path: the `.json` beside the clip.
        with_series: whether to read the series too; they take most of a note's room and of the time to read it.
    """
    try:
        with path.open("rb", buffering=0) as file:
            text = decode_text(file.read(min(os.fstat(file.fileno()).st_size, MOST_TEXT) + 1))
        if not with_series:
            text = _SERIES.sub("", text, count=1)
        kept = {**_LATER, "series": {}, **read_json(text)}
        found = {name: kept[name] for name in _KEPT if _KEPT[name](kept[name])}
        if len(found) < len(_KEPT) or ("\\u" in text and not is_text(json.dumps(kept, ensure_ascii=False))):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    return found


def write_note(kept: Mapping[str, Any], path: Path) -> None:
    """Write the fields of a clip's note; raises OSError."""
    path.write_text(json.dumps(kept, ensure_ascii=False, indent=1), "utf-8")


def describe_making(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a note what is this machine's or the user's own; `adopt_note` takes the rest on another one."""
    return {name: value for name, value in kept.items() if name not in ("video", "picture", "marks", "note")}


def adopt_note(told: Mapping[str, Any], picture: str, path: Path) -> None:
    """Write the note of a clip that was made on another machine.

    Args:
        told: what `describe_making` gave there.
        picture: where the picture is here.
        path: the note, a file that is not there yet.

    Raises:
        BadInput: this is no such note.
        OSError: it cannot be written.
    """
    write_note({"marks": {}, "note": "", **told, "picture": picture}, path)
    if read_note(path) is None:
        raise BadInput("what was noted on the clip cannot be read")


_NUMBER = {int, float}
_TYPES = {
    name: {type(None)} | ({str} if setting.kind is str else _NUMBER) | ({str} if setting.paths is not None else set())
    for name, setting in SETTINGS.items()
}


def _are_settings(settings: Any) -> bool:
    """Tell whether these are settings, of another version, perhaps, but each of its own type, so that they can be shown
    and sorted.
    """
    values = [*map(settings.get, _TYPES)]
    return _are_kinds(tuple(map(type, values))) and all(map(isfinite, [each for each in values if type(each) is float]))


@lru_cache  # most clips of a folder have the same
def _are_kinds(kinds: tuple[type, ...]) -> bool:
    return all(kind in types for kind, types in zip(kinds, _TYPES.values(), strict=True))


def _are_measures(measures: Any) -> bool:
    return _are_numbers([value for value in measures.values() if value is not None])


def _are_series(series: Any) -> bool:
    return all([type(values) is list and _are_numbers(values) for values in series.values()])


def _are_numbers(values: list[Any]) -> bool:
    return {*map(type, values)} <= _NUMBER and all(map(isfinite, values))


_KEPT: Mapping[str, Callable[[Any], bool]] = {
    "made": lambda made: type(made) in _NUMBER and 0 <= made < LATEST,
    "settings": _are_settings,
    "picture": lambda picture: isinstance(picture, str),
    "measures": _are_measures,
    "series": _are_series,
    "marks": lambda marks: all(mark in range(1, BEST + 1) for mark in marks.values()),
    "note": lambda note: isinstance(note, str),
    "files": lambda files: files is None or (type(files) is list and all(isinstance(each, str) for each in files)),
    "finished": lambda finished: isinstance(finished, str),
    "source": lambda source: isinstance(source, str),
    "seconds": lambda seconds: _are_numbers([*seconds.values()]),
}
"""Every field of an Entry but the clip, and whether a value that was read is one."""

_LATER: Mapping[str, Any] = {"files": None, "finished": "", "source": "", "seconds": {}}
"""Fields that notes of earlier versions do not have."""
