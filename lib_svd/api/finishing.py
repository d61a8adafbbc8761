"""`POST /svd/v1/finish`: a clip that is there, or comes along, is finished."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib_svd import video
from lib_svd.api.wire import Answer, decode_base64, describe_clip, describe_failure, read
from lib_svd.errors import BadInput, BadRequest, SvdError
from lib_svd.finish.deliveries import find_delivery
from lib_svd.finish.finishing import Finishing
from lib_svd.jobs.uploads import HEAD, find_suffix, keep_upload
from lib_svd.strangers import quote
from lib_svd.studio import Studio

EXAMPLE = '{"clip": "clip-svd-0001.mp4", "loop": "pingpong"}'
SENT = "sent.mp4"  # what a clip is called that comes along


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What shall become of which clip."""

    finishing: Finishing
    copies: tuple[video.Encoding, ...]
    clip: Path | None  # None: it came along
    content: bytes = b""


def answer(studio: Studio, order: Asked) -> Answer:
    """Carry out an order; gives an HTTP status and JSON.

    `{"clip": a name in the folders of clips, or "video": base64 or data URL, "for": of `DELIVERIES`, "also": formats,
    "loop": "pingpong", ...}` with any row of `Finishing` gives what `animate` gives.
    """
    try:
        place = keep_upload(order.content, studio.find_output_dir()) if order.clip is None else nullcontext(order.clip)
        with place as clip:
            name = SENT if order.clip is None else clip.name
            return describe_clip(studio.finish(studio.finish_order(clip, order.finishing, order.copies, name=name)))
    except SvdError as error:
        return describe_failure(error)


def read_order(studio: Studio, body: bytes) -> Asked:
    """Read an order out of a body; what can be refused without much work is refused.

    Raises:
        BadInput: it is no order, the clip is none, or what it asks for cannot be done.
    """
    order = read(body, EXAMPLE)
    clip, sent, delivery = (order.pop(name, None) for name in ("clip", "video", "for"))
    done, copies = _read_wanted(delivery, order.pop("also", ()))
    finishing = Finishing.from_mapping({**done, **order})
    if (clip is None) == (sent is None):
        raise BadRequest('Say which clip: "clip", a name in the folders of clips, or "video", as base64; not both.')
    if clip is not None:
        path = studio.find_clip_by_name(_check_text("clip", clip))
        studio.finish_order(path, finishing, copies)
        return Asked(finishing=finishing, copies=copies, clip=path)
    try:
        content = decode_base64(sent)
    except ValueError as error:
        raise BadInput("The video must be base64 text, with or without data:video/mp4;base64, before it.") from error
    find_suffix(content[:HEAD])
    return Asked(finishing=finishing, copies=copies, clip=None, content=content)


def _read_wanted(delivery: Any, also: Any) -> tuple[dict[str, Any], tuple[video.Encoding, ...]]:
    """Read what a delivery does, and all formats."""
    chosen = None if delivery is None else find_delivery(_check_text("for", delivery))
    names = [also] if isinstance(also, str) else also
    if not isinstance(names, (list, tuple)):
        raise BadRequest(f'"also" must be a list of formats such as ["gif", "h265:24"], not {quote(also)}.')
    formats = (*(chosen.copies if chosen else ()), *(_check_text("also", name) for name in names))
    return dict(chosen.finishing) if chosen else {}, tuple(map(video.Encoding.read, dict.fromkeys(formats)))


def _check_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest(f'"{name}" must be text, not {quote(value)}.')
    return value
