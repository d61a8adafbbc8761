"""Clips over HTTP, for programs: `POST /svd/v1/animate`, `GET /svd/v1/models`, `GET /svd/v1/doctor`.

Progress and interrupt are the web UI's own: `/sdapi/v1/progress`, `/sdapi/v1/interrupt`.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from lib_svd import door, images
from lib_svd.checkpoints import describe
from lib_svd.doctor import examine
from lib_svd.errors import BadInput, BadPicture, BadRequest, Busy, Interrupted, SvdError
from lib_svd.hosts.lacking import described
from lib_svd.line import Line
from lib_svd.request import ClipRequest
from lib_svd.settings import draw_seed
from lib_svd.strangers import read_json, shown
from lib_svd.studio import Studio

REFUSED, STOPPED, WAITING, FAILED = 422, 409, 429, 500  # HTTP status
_URL_SAFE = str.maketrans("-_", "+/")
MOST_PARTS = 1000  # lists, objects and commas in an order, which has some thirty


def add_routes(app: Any, studio: Studio, guards: list[Any]) -> None:
    """Add the routes to a FastAPI app.

    Args:
        app: where to.
        studio: does the work.
        guards: FastAPI dependencies that a caller must satisfy.
    """
    line = Line("svd-api")

    def models() -> Any:
        """List every SVD model that can be named, and what it was made for."""
        return [{"name": model.name, **describe(model.checkpoint)} for model in studio.models()]

    async def animate(request: Request) -> Response:
        """Animate a picture; see `answer`. The body is read when the caller has been let in, never before."""
        status, answered = await _in_turn(studio, line, request)
        return Response(json.dumps(answered), status, media_type="application/json")

    def doctor() -> Any:
        """Say what this machine has, and what the web UI lacks."""
        return {"web UI": described(studio.host), **examine(studio.host.folders.model_dirs())}

    app.add_api_route("/svd/v1/doctor", doctor, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/models", models, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/animate", animate, methods=["POST"], dependencies=guards)


async def _in_turn(studio: Studio, line: Line, request: Request) -> tuple[int, dict[str, Any]]:
    """Give what `answer` gives when it is the order's turn; what cannot be done is said before it waits."""
    status, why = door.excess(request.headers.raw)
    if why:
        return status, _told("Refused", why)
    try:
        with line.place(int(request.headers.get("content-length", 0))):
            order = await run_in_threadpool(_taken, studio, await request.body())
            return await line.turn(lambda: answer(studio, order))
    except SvdError as error:
        return _failed(error)


def answer(studio: Studio, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Carry out an order; gives an HTTP status and JSON.

    `{"picture": base64 or data URL, "frames": true to save them too, "motion_bucket_id": 75, ...}` with any settings of
    `ClipRequest`, and "speed" of `speeds.SPEEDS`, gives `{"video": base64}` and what `SavedClip.as_dict` gives; an
    error gives `{"error": its name, "message": a sentence}`.
    """
    try:
        made = studio.order(_request(studio, order), _picture(order), with_frames=_is_wanted(order.get("frames")))
        saved = studio.animate(made)
        return 200, {"video": base64.b64encode(saved.video.read_bytes()).decode("ascii"), **saved.as_dict()}
    except SvdError as error:
        return _failed(error)


def _taken(studio: Studio, body: bytes) -> dict[str, Any]:
    """Read an order out of a body, with its picture as bytes; what can be refused without much work is refused.

    Raises:
        BadInput: it is no order, or a setting, the model or the picture cannot be.
    """
    order = _read(body)
    if picture := _picture(order):
        order["picture"] = picture
        images.check_header(picture)
    _is_wanted(order.get("frames"))
    studio.checkpoint(_request(studio, order).checkpoint).family.check_given(order)
    return order


def _read(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raises BadRequest where a body is none, or would take much memory or time to read."""
    try:
        if sum(map(body.count, (b",", b"[", b"{"))) > MOST_PARTS:
            raise ValueError("it has too many parts")
        order = read_json(body.decode())
        return {**order, "seed": draw_seed()} if order.get("seed") in (None, -1, "-1") else {**order}
    except (ValueError, TypeError, AttributeError) as error:
        wanted = 'An order is a JSON object such as {"picture": "<base64>", "num_frames": 14}'
        raise BadRequest(f"{wanted}; this cannot be read ({error}).") from error


def _request(studio: Studio, order: dict[str, Any]) -> ClipRequest:
    return studio.request({name: value for name, value in order.items() if name not in ("picture", "frames")})


def _failed(error: SvdError) -> tuple[int, dict[str, Any]]:
    kinds = ((BadInput, REFUSED), (Interrupted, STOPPED), (Busy, WAITING))
    status = next((status for kind, status in kinds if isinstance(error, kind)), FAILED)
    return status, _told(type(error).__name__, str(error))


def _told(error: str, message: str) -> dict[str, Any]:
    return {"error": error, "message": message}


def _picture(order: dict[str, Any]) -> io.BytesIO | None:
    """Decode the picture's base64; raises BadPicture where it is none."""
    text = order.get("picture")
    if text is None or isinstance(text, io.BytesIO):
        return text
    try:
        plain = re.sub(r"\s", "", text.partition("base64,")[2] or text).translate(_URL_SAFE).rstrip("=")
        return io.BytesIO(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (AttributeError, ValueError, binascii.Error) as error:
        raise BadPicture(
            "The picture must be base64 text, with or without data:image/png;base64, before it."
        ) from error


def _is_wanted(answer: Any) -> bool:
    """Read a yes or no, as programs spell it; raises BadRequest for anything else."""
    spelled = str(answer).lower()
    if spelled in ("true", "1", "yes"):
        return True
    if spelled in ("false", "0", "no", "none", ""):
        return False
    raise BadRequest(f'"frames" must be true or false, not {shown(answer)}.')
