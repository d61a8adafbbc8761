"""Find clips of the history by what is known of them, and bring them into an order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from lib_svd.errors import BadRequest
from lib_svd.jobs.history import COLUMNS, Entry
from lib_svd.request import split_mark
from lib_svd.settings import SETTINGS, Setting, find_setting

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


def find_clips(clips: Iterable[Entry], words: str) -> list[Entry]:
    """Find the clips in which every word occurs: in the name, the note, the picture's or the model's name, in what was
    done to finish it and which clip that came from; or `motion=75`.

    What stands in quotes is one word: `sampler="DPM++ 2M"`. Case and the form of accented letters do not matter.
    """
    wanted = [_fold_case(word.replace('"', "")) for word in _WORD.findall(words)]
    return [each for each in clips if all(_matches_word(each, word) for word in wanted)]


def sort_clips(clips: Iterable[Entry], name: str, *, ascending: bool = False) -> list[Entry]:
    """Sort the highest of a measure, a setting or a mark first, or the lowest; clips that have none come last.

    Raises:
        BadRequest: there is nothing of that name.
    """
    if not (column := _find_column(name)):
        raise BadRequest(f"{name!r} is nothing to sort by: choose one of {', '.join(COLUMNS)}.")
    told = COLUMNS[column]
    has: list[Entry] = []
    lacks: list[Entry] = []
    for each in clips:
        (lacks if told(each) in (None, "") else has).append(each)
    return sorted(has, key=told, reverse=not ascending) + lacks


def _matches_word(each: Entry, word: str) -> bool:
    name, equals, value = word.partition("=")
    if equals and (column := _find_column(name)):
        return _matches_value(COLUMNS[column](each), value, SETTINGS.get(column))
    model = str(each.settings.get("checkpoint", ""))
    texts = (each.video.name, each.note, each.picture, model, each.finished, each.source)
    return any(word in _fold_case(text) for text in texts)


def _matches_value(told: Any, value: str, setting: Setting | None) -> bool:
    """Tell whether what is told of a clip is a value as somebody writes it: a number, a text, or the label of a
    choice.
    """
    if isinstance(told, (int, float)):
        with suppress(ValueError):
            return float(value) == told
    label = None if setting is None or told is None else setting.write(told)
    texts = [str(text) for text in (told, label) if text is not None]
    names = [split_mark(text)[0] for text in texts]  # of a model, without its mark, and without what files end in
    return value in {
        _fold_case(each) for each in (*texts, *names, *(name.removesuffix(".safetensors") for name in names))
    }


def _fold_case(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _find_column(name: str) -> str:
    """Find the column of that name; a setting may be called as in the tab or on the command line. "": there is none."""
    setting = find_setting(name)
    column = name if setting is None else setting.name
    return column if column in COLUMNS else ""
