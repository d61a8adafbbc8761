"""What orders are read from, and what they are answered with."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput, BadRequest, Busy, Interrupted, SvdError
from lib_svd.strangers import read_json

REFUSED, STOPPED, WAITING, FAILED = 422, 409, 429, 500  # HTTP status
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


def describe_clip(saved: SavedClip) -> Answer:
    """Describe a clip, with its video."""
    return 200, {"video": base64.b64encode(saved.video.read_bytes()).decode("ascii"), **saved.as_dict()}


def describe_failure(error: SvdError) -> Answer:
    """Say why there is no clip."""
    kinds = ((BadInput, REFUSED), (Interrupted, STOPPED), (Busy, WAITING))
    status = next((status for kind, status in kinds if isinstance(error, kind)), FAILED)
    return status, write_error(type(error).__name__, str(error))


def write_error(error: str, message: str) -> dict[str, Any]:
    """Write an error as programs read it."""
    return {"error": error, "message": message}
