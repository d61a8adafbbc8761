"""The routes, and the one line in which all orders wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from lib_svd import door
from lib_svd.api import animating, finishing
from lib_svd.api.wire import Answer, failed, told
from lib_svd.checkpoints import describe
from lib_svd.doctor import examine
from lib_svd.errors import SvdError
from lib_svd.hosts.lacking import described
from lib_svd.line import Line
from lib_svd.studio import Studio

T = TypeVar("T")


def add_routes(app: Any, studio: Studio, guards: list[Any]) -> None:
    """Add the routes to a FastAPI app.

    Args:
        app: where to.
        studio: does the work.
        guards: FastAPI dependencies that a caller must satisfy.
    """
    line = Line("svd-api")

    def models() -> Any:
        """Every SVD model that can be named, and what it was made for."""
        return [{"name": model.name, **describe(model.checkpoint)} for model in studio.models()]

    async def animate(request: Request) -> Response:
        """Animate a picture; see `animating.answer`. The body is read when the caller has been let in, never before."""
        return await _in_turn(studio, line, request, animating.taken, animating.answer)

    async def finish(request: Request) -> Response:
        """Finish a clip, in the same line; see `finishing.answer`."""
        return await _in_turn(studio, line, request, finishing.taken, finishing.answer)

    def doctor() -> Any:
        """What this machine has, and what the web UI lacks."""
        return {"web UI": described(studio.host), **examine(studio.host.folders.model_dirs())}

    app.add_api_route("/svd/v1/doctor", doctor, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/models", models, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/animate", animate, methods=["POST"], dependencies=guards)
    app.add_api_route("/svd/v1/finish", finish, methods=["POST"], dependencies=guards)


async def _in_turn(
    studio: Studio,
    line: Line,
    request: Request,
    taken: Callable[[Studio, bytes], T],
    answer: Callable[[Studio, T], Answer],
) -> Response:
    """What `answer` gives when it was the order's turn; what cannot be done is said before it waits."""
    status, why = door.excess(request.headers.raw)
    answered = told("Refused", why)
    if not why:
        try:
            with line.place(int(request.headers.get("content-length", 0))):
                order = await run_in_threadpool(taken, studio, await request.body())
                status, answered = await line.turn(lambda: answer(studio, order))
        except SvdError as error:
            status, answered = failed(error)
    return Response(json.dumps(answered), status, media_type="application/json")
