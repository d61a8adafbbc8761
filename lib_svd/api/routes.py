"""All routes, and what OpenAPI says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from lib_svd.api.asking import Asking
from lib_svd.api.jobs import JobRoutes, answer_json
from lib_svd.api.schemas import TOGETHER, ClipSent, JobShown, describe_body, list_answers
from lib_svd.api.wire import write_error
from lib_svd.queue import KINDS, JobQueue
from lib_svd.settings import SETTINGS
from lib_svd.studio import Studio

ROOT = "/svd/v1"
TAG = "SVD"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")


def add_routes(app: Any, studio: Studio, queue: JobQueue, guards: list[Any]) -> None:
    """Add the routes to a FastAPI app, and let the queue begin.

    Args:
        app: where to.
        studio: makes the clips.
        queue: in which jobs wait.
        guards: FastAPI dependencies that a caller must satisfy.
    """
    jobs, asking = JobRoutes(studio, queue), Asking(studio)

    methods: dict[str, list[str]] = {}

    def add(method: str, path: str, handler: Callable[..., Any], said: dict[int | str, Any], **more: Any) -> None:
        how = {"methods": [method], "dependencies": guards, "responses": said, "tags": [TAG], "openapi_extra": more}
        kind = Response if "content" in said.get(200, {}) else JSONResponse  # of a file, JSON is not told as well
        app.add_api_route(f"{ROOT}{path}", handler, response_model=None, response_class=kind, **how)
        methods.setdefault(path, []).append(method)

    reading = (411, 413, 422, 429, 500)
    add("POST", "/jobs", jobs.add, list_answers(202, JobShown, *reading), **describe_body(*KINDS, with_kind=True))
    add("GET", "/jobs", jobs.list_jobs, list_answers(200, list[JobShown]))
    add("GET", "/jobs/{id}", jobs.show, list_answers(200, JobShown, 404, 413, 411, 422), **_ask(preview="boolean"))
    add("DELETE", "/jobs/{id}", jobs.forget, list_answers(200, JobShown, 404, 411, 413, 422))
    add("POST", "/jobs/{id}/cancel", jobs.cancel, list_answers(200, JobShown, 404, 411, 413, 422))
    add("POST", "/jobs/{id}/move", jobs.move, list_answers(200, JobShown, 404, 411, 413, 422), **_POSITION)
    add("GET", "/jobs/{id}/clip", jobs.send_clip, list_answers(200, "video/mp4", 404, 411, 413, 422))
    add("GET", "/jobs/{id}/frames", jobs.send_frames, list_answers(200, "application/zip", 404, 411, 413, 422))
    add("GET", "/jobs/{id}/note", jobs.show_note, list_answers(200, dict[str, Any], 404, 411, 413, 422))
    add("GET", "/jobs/{id}/events", jobs.send_events, list_answers(200, "text/event-stream", 404, 411, 413, 422, 429))
    add("POST", "/animate", jobs.animate, list_answers(200, ClipSent, 409, *reading), **describe_body("animate"))
    add("POST", "/finish", jobs.finish, list_answers(200, ClipSent, 409, *reading), **describe_body("finish"))
    add("GET", "/models", asking.list_models, list_answers(200, list[dict[str, Any]]))
    add("GET", "/presets", asking.list_presets, list_answers(200, list[dict[str, Any]], 422))
    add("GET", "/samplers", asking.list_samplers, list_answers(200, dict[str, Any]))
    add("GET", "/review", asking.review, list_answers(200, dict[str, Any], 422, 500), **_ask(clip="string"))
    add("POST", "/memory-plan", asking.plan_memory, list_answers(200, dict[str, Any], *reading), **_plan())
    add("POST", "/check", asking.check, list_answers(200, dict[str, Any], *reading), **describe_body("animate"))
    add("GET", "/doctor", asking.examine_machine, list_answers(200, dict[str, Any]))
    for path, known in methods.items():
        others = {"methods": [each for each in METHODS if each not in known], "dependencies": guards}
        app.add_api_route(f"{ROOT}{path}", _make_refusal(known), response_model=None, include_in_schema=False, **others)
    queue.open()


def _make_refusal(known: list[str]) -> Callable[[Request], Any]:
    """Make what answers a route by other methods: a page that is mounted at / would say that there is no such route."""

    async def refuse_method(request: Request) -> Response:
        said = f"{request.method} is not answered here: ask with {' or '.join(known)}."
        answer = answer_json(405, write_error("Refused", said))
        answer.headers["Allow"] = ", ".join(known)
        return answer

    return refuse_method


def _ask(**kinds: str) -> dict[str, Any]:
    """Describe what may stand behind a route's question mark."""
    return {"parameters": [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in kinds.items()]}


def _describe_body(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required, **more, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_POSITION = _describe_body({"position": {"type": "integer", "minimum": 1}}, ["position"])


def _plan() -> dict[str, Any]:
    schema = describe_body("animate")["requestBody"]["content"]["application/json"]["schema"]
    settings = {name: each for name, each in schema["properties"].items() if name in SETTINGS}
    side = {"type": "integer", "minimum": 1, "maximum": 4096}
    size = {"type": "array", "items": side, "minItems": 2, "maxItems": 2}
    return _describe_body({"picture_size": size, **settings}, [], **TOGETHER)
