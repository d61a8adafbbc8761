"""One job of the queue: what was asked for, how far it is, and what came of it. A value; it is also a JSON file."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any

from lib_svd.strangers import is_text, read_json

_ID = re.compile(r"[0-9a-f]{16}")
_LATEST = 253_402_300_800  # the year 10000, in seconds since 1970


class State(str, Enum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job: a value that is replaced when something changes."""

    id: str  # 16 hexadecimal digits
    kind: str  # a name of `kinds.KINDS`
    order: Mapping[str, Any]  # what was asked for, as JSON has it; its picture or clip stands in a file of its own
    title: str = ""  # what people call it by
    place: int = 0  # jobs are made in this order
    added: float = field(default_factory=time.time)  # seconds since 1970, as all times here
    begun: float | None = None
    ended: float | None = None
    state: State = State.WAITING
    attempts: int = 0  # how often it was begun
    planned: str = ""  # the path that its clip was to get when it was begun first
    clips: tuple[Mapping[str, Any], ...] = ()  # as `SavedClip.as_dict` describes them, in the order they were made
    error: str = ""  # the name of what went wrong
    message: str = ""  # the same as a sentence

    def write(self) -> str:
        """Write the job as JSON."""
        return json.dumps({**asdict(self), "state": self.state.value}, indent=1)


def draw_id() -> str:
    """Draw an id that no other job has."""
    return secrets.token_hex(8)


def is_id(text: str) -> bool:
    """Tell whether a text may be a job's id; a path never is."""
    return _ID.fullmatch(text) is not None


def read_job(text: str) -> Job:
    """Read what `Job.write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        values = dict(read_json(text))
        job = Job(
            **{
                **values,
                "state": State(values["state"]),
                "clips": tuple(dict(each) for each in values["clips"]),
                "order": dict(values["order"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is no job: {error}") from error
    if not all(_KINDS[each.name](getattr(job, each.name)) for each in fields(Job)):
        raise ValueError("a value in it is of another kind")
    return job


def _is_short(text: Any) -> bool:
    return isinstance(text, str) and is_text(text)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _LATEST


def _is_time_or_none(value: Any) -> bool:
    return value is None or _is_time(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**53


_KINDS = {
    "id": lambda value: isinstance(value, str) and is_id(value),
    "kind": _is_short,
    "order": lambda value: isinstance(value, dict),
    "title": _is_short,
    "place": _is_count,
    "added": _is_time,
    "begun": _is_time_or_none,
    "ended": _is_time_or_none,
    "state": lambda value: isinstance(value, State),
    "attempts": _is_count,
    "planned": _is_short,
    "clips": lambda value: all(isinstance(each.get("path"), str) for each in value),
    "error": _is_short,
    "message": _is_short,
}
"""Every field of a Job, and whether a value that was read is one."""
