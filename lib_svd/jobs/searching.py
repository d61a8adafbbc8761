"""Find clips of the history by what is known of them, and bring them into an order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from lib_svd.errors import BadRequest
from lib_svd.jobs.history import COLUMNS, Entry
from lib_svd.request import unmarked
from lib_svd.settings import SETTINGS, Setting, setting_called

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


def found(clips: Iterable[Entry], words: str) -> list[Entry]:
    """Find the clips in which every word occurs: in the name, the note, the picture's or the model's name, in what was
    done to finish it and which clip that came from; or `motion=75`.

    What stands in quotes is one word: `sampler="DPM++ 2M"`. Case and the form of accented letters do not matter.
    """
    wanted = [_folded(word.replace('"', "")) for word in _WORD.findall(words)]
    return [each for each in clips if all(_has(each, word) for word in wanted)]


def by(clips: Iterable[Entry], name: str, *, ascending: bool = False) -> list[Entry]:
    """Sort the highest of a measure, a setting or a mark first, or the lowest; clips that have none come last.

    Raises:
        BadRequest: there is nothing of that name.
    """
    if not (column := _column(name)):
        raise BadRequest(f"{name!r} is nothing to sort by: choose one of {', '.join(COLUMNS)}.")
    told = COLUMNS[column]
    has: list[Entry] = []
    lacks: list[Entry] = []
    for each in clips:
        (lacks if told(each) in (None, "") else has).append(each)
    return sorted(has, key=told, reverse=not ascending) + lacks


def _has(each: Entry, word: str) -> bool:
    name, equals, value = word.partition("=")
    if equals and (column := _column(name)):
        return _is(COLUMNS[column](each), value, SETTINGS.get(column))
    model = str(each.settings.get("checkpoint", ""))
    texts = (each.video.name, each.note, each.picture, model, each.finished, each.source)
    return any(word in _folded(text) for text in texts)


def _is(told: Any, value: str, setting: Setting | None) -> bool:
    """Tell whether what is told of a clip is a value as somebody writes it: a number, a text, or the label of a
    choice.
    """
    if isinstance(told, (int, float)):
        with suppress(ValueError):
            return float(value) == told
    label = None if setting is None or told is None else setting.written(told)
    texts = [str(text) for text in (told, label) if text is not None]
    names = [unmarked(text)[0] for text in texts]  # of a model, without its mark, and without what files end in
    return value in {_folded(each) for each in (*texts, *names, *(name.removesuffix(".safetensors") for name in names))}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _column(name: str) -> str:
    """Find the column of that name; a setting may be called as in the tab or on the command line. "": there is none."""
    setting = setting_called(name)
    column = name if setting is None else setting.name
    return column if column in COLUMNS else ""
