"""Orders as programs send them: JSON or a form, with a picture as base64, by its path, by its address or as a file."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lib_svd import images
from lib_svd.api.fetching import fetch
from lib_svd.api.wire import decode_base64, read
from lib_svd.companions import NAMED, is_kept_name, keep_picture
from lib_svd.door import MOST_BYTES
from lib_svd.errors import BadInput, BadPicture, BadRequest
from lib_svd.finish.finishing import FINISHINGS
from lib_svd.ports import Host
from lib_svd.queue.kinds import KINDS, read_kind
from lib_svd.queue.task import Kind, read_switch
from lib_svd.settings import SETTINGS, Setting, name_meant
from lib_svd.strangers import find_inside, is_file, is_text, quote

EXAMPLE = '{"picture": "<base64>", "num_frames": 14}'
FORM = "multipart/form-data"
MOST_FIELDS = 100  # of a form
MOST_FILES = 1 + len(NAMED)
CUT_OFF = "The request ended before all of it was there: send it again."  # to nobody, and for the log of a proxy
_WHOLE = re.compile(r"-?[0-9]+(\.0*)?")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An order that was read: a kind of job, what it shall be like, and the file that comes along."""

    kind: str
    order: Mapping[str, Any]
    content: bytes | None = None
    title: str = ""


async def read_order(request: Request, host: Host, kind: str = "") -> Asked:
    """Read an order out of a request whose length has been looked at.

    Args:
        request: JSON, or a form.
        host: in whose folders pictures may be named.
        kind: of job; "": the order says which, and animate where it does not.

    Raises:
        BadInput: it is no order, or its picture cannot be had.
    """
    is_form = request.headers.get("content-type", "").startswith(FORM)
    fields, title = await _read_form(request) if is_form else (read(await read_body(request), EXAMPLE), "")
    asked = fields.pop("kind", None)
    if kind and asked not in (None, kind):
        raise BadRequest(f'Here "kind" can only be {kind}, not {quote(asked)}: send any other to /svd/v1/jobs.')
    kind = kind or ("animate" if asked is None else asked)
    row = read_kind(kind)
    fields = fields if row is KINDS["finish"] else read_names(fields)
    order = await run_in_threadpool(_keep_companions, _read_texts(fields, row) if is_form else fields, host)
    file = order.pop("video" if row is KINDS["finish"] else "picture", None)
    content, named = await run_in_threadpool(_read_file, file, row, host)
    return Asked(kind=kind, order=order, content=content, title=title or named)


def _keep_companions(order: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Keep the pictures that come along beside the one that is animated, and name them as settings do; raises
    BadInput.
    """
    sent = {name: order[name] for name in NAMED if order.get(name) and not is_kept_name(order[name])}
    kept = {}
    for name, given in sent.items():
        content, _ = _read_file(given, KINDS["animate"], host)
        picture = images.read_picture(io.BytesIO(content or b"")).image
        kept[name] = keep_picture(picture, host.folders.find_output_dir()).name
    left_out = {name for name in NAMED if name in order and not order[name]}
    return {name: value for name, value in {**order, **kept}.items() if name not in left_out}


def read_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Name settings as we do, whatever other programs call them; raises BadRequest where one is given twice."""
    meant: dict[str, Any] = {}
    for name, value in fields.items():
        own = name_meant(name)
        if own in meant:
            raise BadRequest(f"{own} is given twice, once by another program's name of it: send it once.")
        meant[own] = value
    return meant


async def read_body(request: Request) -> bytes:
    """Read a body whose length has been looked at; raises BadRequest where whoever sends it hangs up meanwhile."""
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise BadRequest(CUT_OFF) from error


async def _read_form(request: Request) -> tuple[dict[str, Any], str]:
    """Read a form's fields, a file as its bytes, several of one name as a list; and the file's own name."""
    try:
        async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
            found: dict[str, Any] = {}
            title = ""
            for name, given in form.multi_items():
                value: str | bytes = given if isinstance(given, str) else await given.read()
                if not isinstance(given, str) and name not in NAMED:
                    title = Path(given.filename or "").name
                found[name] = [*_list(found[name]), value] if name in found else value
    except ClientDisconnect as error:
        raise BadRequest(CUT_OFF) from error
    except (HTTPException, AssertionError, ValueError, KeyError) as error:
        why = getattr(error, "detail", error)
        most = f"at most {MOST_FILES} files and {MOST_FIELDS} fields"
        raise BadRequest(f"The form cannot be read ({why}): send {most}.") from error
    return found, title if is_text(title) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _read_texts(fields: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Read a form's texts as the settings that they stand for."""
    rows = FINISHINGS if kind is KINDS["finish"] else SETTINGS
    return {name: _read_text(name, value, rows.get(name)) for name, value in fields.items()}


def _read_text(name: str, value: Any, row: Setting | None) -> Any:
    if not isinstance(value, str):
        return value
    if row is not None:
        return read_switch(name, value) if row.kind is bool else row.read(value)
    is_frame = name == "frame" and len(value) < 10 and _WHOLE.fullmatch(value)
    return int(value.partition(".")[0]) if is_frame else value


def _read_file(given: Any, kind: Kind, host: Host) -> tuple[bytes | None, str]:
    """Read the picture, or the clip, that comes along in whatever way; gives its bytes and what it is called."""
    if given is None or isinstance(given, bytes):
        return given, ""
    if isinstance(given, dict) and len(given) == 1 and kind is not KINDS["finish"]:
        (way, value), *_ = given.items()
        if way == "path":
            path = find_picture(host, value)
            return _read_bytes(path), path.name
        if way == "url":
            return fetch(value, is_allowed=bool(host.options["svd_fetch_pictures"])), ""
    try:
        return decode_base64(given), ""
    except ValueError as error:
        if kind is KINDS["finish"]:
            what = "The video must be base64 text, with or without data:video/mp4;base64, before it."
            raise BadInput(what) from error
        what = 'The picture must be base64 text, with or without data:image/png;base64, before it, or {"path": ...}.'
        raise BadPicture(what) from error


def find_picture(host: Host, name: Any) -> Path:
    """Find a picture by its path, which must lie in a folder that programs may read; what is elsewhere and what is not
    there are refused in the same words.

    Raises:
        BadPicture: there is none.
    """
    found = find_inside(name, [*host.folders.list_clip_dirs(), *host.folders.list_picture_dirs()], is_file)
    if found is None:
        raise BadPicture(f"There is no picture {quote(name)} in the folders that programs may read: name one there.")
    return found


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadPicture(f"The picture {path.name} cannot be read ({error.strerror}): choose another.") from error
    if len(content) > MOST_BYTES:
        raise BadPicture(f"The picture {path.name} has more than {MOST_BYTES // 2**20} MB: make it smaller first.")
    return content
