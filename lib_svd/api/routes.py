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
from lib_svd.api.wire import Answer, describe_failure, write_error
from lib_svd.checkpoints import describe
from lib_svd.doctor import examine
from lib_svd.errors import SvdError
from lib_svd.hosts.lacking import describe_host
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

    def list_models() -> Any:
        """List every SVD model that can be named, and what it was made for."""
        return [{"name": model.name, **describe(model.checkpoint)} for model in studio.list_models()]

    async def animate(request: Request) -> Response:
        """Animate a picture; see `animating.answer`. The body is read when the caller has been let in, never before."""
        return await _answer_in_turn(studio, line, request, animating.read_order, animating.answer)

    async def finish(request: Request) -> Response:
        """Finish a clip, in the same line; see `finishing.answer`."""
        return await _answer_in_turn(studio, line, request, finishing.read_order, finishing.answer)

    def examine_machine() -> Any:
        """Say what this machine has, and what the web UI lacks."""
        return {"web UI": describe_host(studio.host), **examine(studio.host.folders.list_model_dirs())}

    app.add_api_route("/svd/v1/doctor", examine_machine, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/models", list_models, methods=["GET"], dependencies=guards)
    app.add_api_route("/svd/v1/animate", animate, methods=["POST"], dependencies=guards)
    app.add_api_route("/svd/v1/finish", finish, methods=["POST"], dependencies=guards)


async def _answer_in_turn(
    studio: Studio,
    line: Line,
    request: Request,
    taken: Callable[[Studio, bytes], T],
    answer: Callable[[Studio, T], Answer],
) -> Response:
    """Give what `answer` gives when it is the order's turn; what cannot be done is said before it waits."""
    status, why = door.explain_excess(request.headers.raw)
    answered = write_error("Refused", why)
    if not why:
        try:
            with line.hold_place(int(request.headers.get("content-length", 0))):
                order = await run_in_threadpool(taken, studio, await request.body())
                status, answered = await line.take_turn(lambda: answer(studio, order))
        except SvdError as error:
            status, answered = describe_failure(error)
    return Response(json.dumps(answered), status, media_type="application/json")
