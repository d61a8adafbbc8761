"""What every kind of job has in common: the job whose turn has come, and how its order is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lib_svd.clip import SavedClip
from lib_svd.errors import BadRequest
from lib_svd.queue.job import Job
from lib_svd.strangers import quote
from lib_svd.studio import Studio


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job whose turn has come."""

    studio: Studio
    job: Job
    content: Path | None  # its picture, or the clip that came along
    plan: Callable[[Path], None]  # notes the name that its clip is to get, before it is begun

    @property
    def planned(self) -> Path | None:
        """The name that its clip was to get, where a program that was ended had begun it."""
        return Path(self.job.planned) if self.job.planned else None


class Kind(Protocol):
    """A kind of job."""

    @property
    def fields(self) -> frozenset[str]:
        """What may stand in its order; its picture, or a clip that comes along, is no part of that."""
        ...

    def check(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> dict[str, Any]:
        """Give the order as it will be made, its seed drawn.

        Raises:
            BadInput: it cannot be done; nothing was loaded or written.
        """
        ...

    def make(self, task: Task) -> Iterator[SavedClip]:
        """Make its clips that are not there yet, one after the other.

        Raises:
            SvdError: one could not be made; those given out before stay.
        """
        ...


def read_text(name: str, value: Any) -> str:
    """Give a value that must be text; raises BadRequest where it is none."""
    if not isinstance(value, str):
        raise BadRequest(f'"{name}" must be text, not {quote(value)}.')
    return value


def read_formats(order: Mapping[str, Any]) -> list[str]:
    """Read the formats that a clip is to be written in too; raises BadRequest where they are no such list."""
    given = order.get("also")
    given = [] if given is None else given
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list):
        raise BadRequest(f'"also" must be a list of formats such as ["gif", "h265:24"], not {quote(given)}.')
    return [read_text("also", name) for name in names]


def read_switch(name: str, value: Any) -> bool:
    """Read a yes or no, as programs spell it; raises BadRequest for anything else."""
    spelled = str(value).lower()
    if spelled in ("true", "1", "yes"):
        return True
    if spelled in ("false", "0", "no", "none", ""):
        return False
    raise BadRequest(f'"{name}" must be true or false, not {quote(value)}.')


def is_seed_open(order: Mapping[str, Any]) -> bool:
    """Tell whether a seed is to be drawn: none is given, or -1."""
    return order.get("seed") in (None, -1, "-1")
