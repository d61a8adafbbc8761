"""What orders are read from, and what they are answered with."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from lib_svd.errors import BadInput, BadRequest, Busy, Interrupted, SvdError
from lib_svd.queue import Job, JobQueue, NoSuchJob, State
from lib_svd.strangers import make_showable, read_json

MISSING, REFUSED, STOPPED, WAITING, FAILED = 404, 422, 409, 429, 500  # HTTP status
MOST_PARTS = 1000  # lists, objects and commas in an order, which has some thirty
_URL_SAFE = str.maketrans("-_", "+/")

Answer = tuple[int, dict[str, Any]]
"""HTTP status, and an object for JSON."""


def read(body: bytes, example: str) -> dict[str, Any]:
    """Read an order as it stands in a body.

    Raises:
        BadRequest: it is no JSON object, such as the example, or one that would take much memory or time to read.
    """
    try:
        if sum(map(body.count, (b",", b"[", b"{"))) > MOST_PARTS:
            raise ValueError("it has too many parts")
        return {**read_json(body.decode())}
    except (ValueError, TypeError) as error:
        wanted = f"An order is a JSON object such as {example}"
        raise BadRequest(f"{wanted}; this cannot be read ({error}).") from error


def decode_base64(text: Any) -> bytes:
    """Decode what base64 text stands for, with what a data URL has before it or without; raises ValueError for any
    other.
    """
    try:
        plain = re.sub(r"\s", "", text.partition("base64,")[2] or text).translate(_URL_SAFE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (AttributeError, TypeError, binascii.Error) as error:
        raise ValueError(str(error)) from error


def describe_failure(error: SvdError) -> Answer:
    """Say why something was not done."""
    kinds = ((NoSuchJob, MISSING), (BadInput, REFUSED), (Interrupted, STOPPED), (Busy, WAITING))
    status = next((status for kind, status in kinds if isinstance(error, kind)), FAILED)
    return status, write_error(type(error).__name__, str(error))


def write_error(error: str, message: str) -> dict[str, Any]:
    """Write an error as programs read it."""
    return {"error": error, "message": message}


def describe_job(queue: JobQueue, job: Job, *, wants_preview: bool = False) -> dict[str, Any]:
    """Say where a job is, as programs read it."""
    live = queue.look(job, wants_preview)
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "state": job.state.value,
        "position": queue.find_position(job),
        "added": _write_time(job.added),
        "begun": _write_time(job.begun),
        "ended": _write_time(job.ended),
        "stage": live.stage if live else None,
        "step": live.step if live else None,
        "steps": live.steps if live else None,
        "progress": round(live.share, 4) if live else float(job.state is State.DONE),
        "eta": round(live.eta, 1) if live and live.eta is not None else None,
        "preview": live.preview or None if live and wants_preview else None,
        "order": make_showable(dict(job.order)),
        "clips": [dict(clip) for clip in job.clips],
        "error": write_error(job.error, job.message) if job.error else None,
    }


def describe_end(job: Job) -> Answer:
    """Answer whoever waited for a job's end: with its last clip, or with what went wrong."""
    if job.state is State.DONE and job.clips:
        return 200, dict(job.clips[-1])
    return _STATUS_OF.get(job.error, STOPPED if job.state is State.CANCELLED else FAILED), write_error(
        job.error, job.message
    )


_STATUS_OF: Mapping[str, int] = {
    **dict.fromkeys(("BadInput", "BadRequest", "BadPicture", "BadCheckpoint", "BadOutput"), REFUSED),
    "Interrupted": STOPPED,
}


def _write_time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
