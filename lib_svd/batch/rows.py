"""What a report tells of each clip and picture: what became of it, and what is noted beside the clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lib_svd.batch.worker import Outcome, State
from lib_svd.errors import BadInput
from lib_svd.jobs import history
from lib_svd.review import Advice, Measures, advise
from lib_svd.strangers import pad_numbers


@dataclass(frozen=True, kw_only=True)
class Row:
    """One clip, or a picture that cannot be used."""

    picture: str  # below the folder, with /
    state: State
    clip: Path | None = None
    seconds: float = 0.0  # that it took; 0: not known
    said: str = ""  # why there is none, or what the user should know
    settings: Mapping[str, Any] = field(default_factory=dict)
    brief: str = ""  # the settings that every clip is shown with
    measures: Measures = field(default_factory=dict)  # by name; empty: not measured
    advice: Advice | None = None  # None: nothing is wrong, or it is not measured


def read_rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Tell of each outcome, with what is noted beside its clip, in the natural order of the pictures."""
    return [_read_row(each) for each in sorted(outcomes, key=lambda each: pad_numbers(each.picture))]


def _read_row(outcome: Outcome) -> Row:
    said = " ".join(outcome.said)
    if outcome.item is None:
        return Row(picture=outcome.picture, state=outcome.state, said=said)
    request = outcome.item.request
    planned = history.Entry(video=Path(), made=0, settings=asdict(request))
    entry = planned
    if outcome.clip is not None:
        with suppress(BadInput):  # it has gone meanwhile
            entry = history.find_entry(outcome.clip)
    return Row(
        picture=outcome.picture,
        state=outcome.state,
        said=said,
        clip=outcome.clip,
        seconds=outcome.seconds or sum(entry.seconds.values()),
        settings=planned.settings,
        brief=planned.write_brief(),
        measures=entry.measures,
        advice=advise(entry.measures, request) if entry.measures else None,
    )
