"""What programs ask beside their orders: models, presets, samplers, memory, what may go wrong, what was measured."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from lib_svd import door, images
from lib_svd.api.jobs import answer_json
from lib_svd.api.orders import read_body, read_names, read_order
from lib_svd.api.wire import describe_failure, read, write_error
from lib_svd.checkpoints import describe
from lib_svd.companions import NAMED
from lib_svd.doctor import examine
from lib_svd.errors import BadRequest, SvdError
from lib_svd.hosts.lacking import describe_host
from lib_svd.jobs import look
from lib_svd.line import Room
from lib_svd.presets import Presets
from lib_svd.queue.kinds import part_order
from lib_svd.queue.task import is_seed_open, read_text
from lib_svd.settings import SAMPLERS, SCHEDULES
from lib_svd.speeds import SPEEDS
from lib_svd.strangers import find_whole, quote
from lib_svd.studio import Studio

LARGEST = 4096  # pixels of a picture's side, where only its size is told


class Asking:
    """What the routes answer.

    Args:
        studio: knows the models and the clips.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._room = Room()
        self._measuring = threading.Lock()  # measuring takes all cores: one after the other

    def list_models(self) -> Any:
        """List every SVD model that can be named, and what it was made for."""
        return [{"name": model.name, **describe(model.checkpoint)} for model in self._studio.list_models()]

    def examine_machine(self) -> Any:
        """Say what this machine has, and what the web UI lacks."""
        host = self._studio.host
        return {"web UI": describe_host(host), **examine(host.folders.list_model_dirs())}

    def list_samplers(self) -> Any:
        """List samplers, schedules and speeds: by the name that an order takes, the label of the tab."""
        speeds = {name: speed.label for name, speed in SPEEDS.items()}
        return {"samplers": SAMPLERS, "schedules": SCHEDULES, "speeds": speeds}

    def list_presets(self) -> Response:
        """List settings to begin with, the built-in ones and the user's own."""
        try:
            presets = Presets(self._studio.host.folders.list_clip_dirs()[-1] / "presets.json").list_all()
        except SvdError as error:
            return answer_json(*describe_failure(error))
        return answer_json(200, [asdict(preset) for preset in presets])

    async def review(self, request: Request) -> Response:
        """Measure a clip of the history, ?clip=NAME: how much moves, how near it stays, what to try next."""
        try:
            path = self._studio.find_clip_by_name(read_text("clip", request.query_params.get("clip", "")))
            looked = await run_in_threadpool(self._look, path)
        except SvdError as error:
            return answer_json(*describe_failure(error))
        advice = looked.advise()
        about = {"num_frames": looked.num_frames, "fps": looked.fps, "size": list(looked.size)}
        said = {"advice": None if advice is None else asdict(advice), "notes": list(looked.notes)}
        return answer_json(200, {"clip": path.name, **about, **looked.review.as_dict(), **said})

    async def plan_memory(self, request: Request) -> Response:
        """Say what a clip will take, for settings and the "picture_size" [width, height]."""

        def work(order: dict[str, Any]) -> dict[str, Any]:
            size = _read_size(order.pop("picture_size", [1024, 576]))
            settings = {name: value for name, value in read_names(order).items() if name not in NAMED}
            complete = self._studio.complete_request(self._studio.make_request(_drop_open_seed(settings)), size)
            plan = self._studio.plan_memory(complete)
            numbers = {"needed": plan.needed, "free": plan.free, "fits": plan.fits, "sentence": plan.write_sentence()}
            return {**numbers, "settings": asdict(complete)}

        return await self._answer(request, lambda: _read_body(request), work)

    async def check(self, request: Request) -> Response:
        """Say what may go wrong with a clip of a picture, with remedies, and where a tighter crop would be."""

        def work(order: Mapping[str, Any]) -> dict[str, Any]:
            content = order["content"]
            if content is None:
                raise BadRequest('There is no picture yet: send it as "picture".')
            settings, _ = part_order(order["asked"])
            request_of = self._studio.make_request(_drop_open_seed(settings))
            checkpoint = self._studio.find_checkpoint(request_of.checkpoint)
            family = checkpoint.family
            background = request_of.background or family.background
            picture, made_for = io.BytesIO(content), (family.native_size, checkpoint.size_grid, background)
            return images.examine(
                picture, *made_for, lambda read: self._studio.see_picture(read, request_of)[0]
            ).as_dict()

        async def read_asked() -> dict[str, Any]:
            asked = await read_order(request, self._studio.host, "animate")
            return {"asked": asked.order, "content": asked.content}

        return await self._answer(request, read_asked, work)

    def _look(self, path: Any) -> Any:
        with self._measuring:
            return look(path)

    async def _answer(self, request: Request, read_asked: Any, work: Any) -> Response:
        status, why = door.explain_excess(request.headers.raw)
        if why:
            return answer_json(status, write_error("Refused", why))
        try:
            with self._room.hold_place(int(request.headers.get("content-length", 0))):
                return answer_json(200, await run_in_threadpool(work, await read_asked()))
        except SvdError as error:
            return answer_json(*describe_failure(error))


def _drop_open_seed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out a seed that is still to be drawn: it makes no difference to what is asked here."""
    return {name: value for name, value in settings.items() if name != "seed" or not is_seed_open(settings)}


async def _read_body(request: Request) -> dict[str, Any]:
    return read(await read_body(request), '{"picture_size": [1024, 576], "num_frames": 25}')


def _read_size(value: Any) -> tuple[int, int]:
    sides = [find_whole(each) for each in value] if isinstance(value, list) and len(value) == 2 else [None, None]
    width, height = sides
    if width is None or height is None:
        raise BadRequest(f'"picture_size" must be [width, height] in pixels, not {quote(value)}.')
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise BadRequest(f'"picture_size" must be from 1 to {LARGEST} pixels a side, not {quote(value)}.')
    return width, height
