"""Clips over HTTP, for programs: `POST /svd/v1/animate`, `GET /svd/v1/models`, `GET /svd/v1/doctor`.

Progress and interrupt are the web UI's own: `/sdapi/v1/progress`, `/sdapi/v1/interrupt`.
"""

from __future__ import annotations

import base64
import binascii
import io
import secrets
from dataclasses import asdict
from typing import Any

from lib_svd.checkpoints import describe
from lib_svd.clip import SavedClip
from lib_svd.doctor import examine
from lib_svd.errors import BadInput, BadPicture, Interrupted, SvdError
from lib_svd.hosts.lacking import described
from lib_svd.request import MAX_SEED, ClipRequest
from lib_svd.studio import Studio

REFUSED, STOPPED, FAILED = 422, 409, 500  # HTTP status


def add_routes(app: Any, studio: Studio, guards: list[Any]) -> None:
    """Add the routes to a FastAPI app.

    Args:
        app: where to.
        studio: does the work.
        guards: FastAPI dependencies that a caller must satisfy.
    """
    from fastapi import Body
    from fastapi.responses import JSONResponse

    def models() -> Any:
        """Every SVD model that can be named, and what it was made for."""
        return [{"name": model.name, **describe(model.checkpoint)} for model in studio.models()]

    def animate(order: dict[str, Any] = Body(...)) -> Any:  # noqa: B008 (how FastAPI wants it)
        """Animate a picture; see `answer`."""
        status, answered = answer(studio, order)
        return JSONResponse(answered, status)

    def doctor() -> Any:
        """What this machine has, and what the web UI lacks."""
        return {"web UI": described(studio.host), **examine(studio.host.model_dirs())}

    app.add_api_route("/svd/v1/doctor", doctor, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/models", models, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/animate", animate, methods=["POST"], dependencies=guards)


def answer(studio: Studio, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON for an order.

    `{"picture": base64 or data URL, "frames": true to save them too, "motion_bucket_id": 75, ...}` with any settings of
    `ClipRequest`, and "speed" of `speeds.SPEEDS`, gives `{"video": base64, "path", "frames", "copies", "infotext",
    "settings", "seconds", "notes"}`; an error gives `{"error": its name, "message": a sentence}`.
    """
    try:
        settings = {"seed": secrets.randbelow(MAX_SEED), **order}
        picture, with_frames = _picture(settings.pop("picture", None)), bool(settings.pop("frames", False))
        made = studio.order(studio.request(settings), picture, with_frames=with_frames)
        return 200, _as_json(studio.animate(made))
    except SvdError as error:
        status = REFUSED if isinstance(error, BadInput) else STOPPED if isinstance(error, Interrupted) else FAILED
        return status, {"error": type(error).__name__, "message": str(error)}


def _picture(text: Any) -> io.BytesIO | None:
    """Raises BadPicture where the text is no base64."""
    if text is None:
        return None
    try:
        return io.BytesIO(base64.b64decode(text.partition("base64,")[2] or text, validate=True))
    except (AttributeError, ValueError, binascii.Error) as error:
        raise BadPicture(
            "The picture must be base64 text, with or without data:image/png;base64, before it."
        ) from error


def _as_json(saved: SavedClip) -> dict[str, Any]:
    clip = saved.clip
    return {
        "video": base64.b64encode(saved.video.read_bytes()).decode("ascii"),
        "path": str(saved.video),
        "frames": [str(path) for path in saved.frames],
        "copies": [str(path) for path in saved.copies],
        "infotext": clip.infotext,
        "settings": asdict(ClipRequest.from_infotext(clip.infotext)),
        "seconds": {stage: round(seconds, 3) for stage, seconds in clip.seconds.items()},
        "notes": list(saved.notes),
    }
