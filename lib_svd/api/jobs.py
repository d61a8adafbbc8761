"""`/svd/v1/jobs`: jobs are added, listed, followed, moved, cancelled, and their clips are given."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from lib_svd import door
from lib_svd.api.orders import read_body, read_order
from lib_svd.api.wire import describe_end, describe_failure, describe_job, read, write_error
from lib_svd.errors import BadRequest, Busy, SvdError
from lib_svd.jobs import history, reopen_clip
from lib_svd.jobs.notes import describe_making
from lib_svd.line import Room
from lib_svd.queue import Job, JobQueue, NoSuchJob
from lib_svd.queue.task import read_switch
from lib_svd.strangers import find_whole, quote
from lib_svd.studio import Studio

SECONDS_BETWEEN_LOOKS = 0.25  # of those who follow a job
SECONDS_OF_SILENCE = 15  # after which a follower is told that the line still holds
MOST_FOLLOWERS = 64

Made = Callable[[], Awaitable[Response]]


class JobRoutes:
    """What the routes do.

    Args:
        studio: makes the clips.
        queue: in which jobs wait.
    """

    def __init__(self, studio: Studio, queue: JobQueue) -> None:
        self._studio, self._queue = studio, queue
        self._room = Room()  # for orders that are being read
        self._followers = 0

    async def add(self, request: Request) -> Response:
        """Add a job: animate, extend, sweep or finish. It is kept on disk until it has ended."""

        async def work() -> Response:
            job = await self._add(request, "")
            answer = answer_json(202, self._describe(job))
            answer.headers["Location"] = f"/svd/v1/jobs/{job.id}"
            return answer

        return await self._answer(request, work)

    async def animate(self, request: Request) -> Response:
        """Animate a picture and wait for the clip: a job, in the same queue."""
        return await self._wait_for(request, "animate")

    async def finish(self, request: Request) -> Response:
        """Finish a clip and wait for what comes of it: a job, in the same queue."""
        return await self._wait_for(request, "finish")

    async def list_jobs(self, request: Request) -> Response:
        """List all jobs: the one that is made, those that wait, those that have ended."""
        return answer_json(200, [self._describe(job) for job in self._queue.list_jobs()])

    async def show(self, id: str, request: Request) -> Response:
        """Say where a job is: state, stage, step, time left; with ?preview=true a picture of it."""

        async def work() -> Response:
            asked = request.query_params.get("preview", "false")
            if not asked:
                raise BadRequest('"preview" must be true or false, and nothing stands there.')
            wanted = read_switch("preview", asked)
            return answer_json(200, describe_job(self._queue, self._queue.find(id), wants_preview=wanted))

        return await self._answer(request, work)

    async def cancel(self, id: str, request: Request) -> Response:
        """Cancel a job that waits or is being made; one that has ended stays as it is."""

        async def work() -> Response:
            return answer_json(200, self._describe(self._queue.cancel(id)))

        return await self._answer(request, work)

    async def forget(self, id: str, request: Request) -> Response:
        """Cancel a job, or take one that has ended off the list; its clips stay."""

        async def work() -> Response:
            return answer_json(200, self._describe(self._queue.forget(id)))

        return await self._answer(request, work)

    async def move(self, id: str, request: Request) -> Response:
        """Move a job that waits to another position: 1 is made next."""

        async def work() -> Response:
            given = read(await read_body(request), '{"position": 1}').get("position")
            position = find_whole(given)
            if position is None:
                raise BadRequest(f'"position" must be a whole number, 1 for the next job, not {quote(given)}.')
            return answer_json(200, self._describe(self._queue.move(id, position)))

        return await self._answer(request, work)

    async def send_clip(self, id: str, request: Request) -> Response:
        """Give the last clip of a job, as an MP4 file."""

        async def work() -> Response:
            path = self._find_clip(id)
            return FileResponse(path, media_type="video/mp4", filename=path.name)

        return await self._answer(request, work)

    async def send_frames(self, id: str, request: Request) -> Response:
        """Give the frames of a job's last clip as PNG files in a zip: without loss where they were saved."""

        async def work() -> Response:
            path = self._find_clip(id)
            packed = await run_in_threadpool(pack_frames, path)
            headers = {"Content-Disposition": f'attachment; filename="{id}-frames.zip"'}
            return Response(packed, media_type="application/zip", headers=headers)

        return await self._answer(request, work)

    async def show_note(self, id: str, request: Request) -> Response:
        """Say what is noted on a job's last clip: settings, measures, frame by frame too, and what each stage took."""

        async def work() -> Response:
            entry = history.find_entry(self._find_clip(id))
            return answer_json(200, describe_making(asdict(entry)))

        return await self._answer(request, work)

    async def send_events(self, id: str, request: Request) -> Response:
        """Follow a job until it has ended, as server-sent events: each is the job as it is then."""

        async def work() -> Response:
            job = self._queue.find(id)
            if self._followers >= MOST_FOLLOWERS:
                raise Busy(f"{self._followers} programs follow jobs already: ask again later.")
            return StreamingResponse(self._follow(job), media_type="text/event-stream", headers=_UNBUFFERED)

        return await self._answer(request, work)

    async def _follow(self, job: Job) -> AsyncIterator[str]:
        self._followers += 1
        try:
            before, silent = "", 0.0
            while True:
                text = json.dumps(self._describe(job), ensure_ascii=False)
                if text != before or silent >= SECONDS_OF_SILENCE:
                    yield f"event: job\ndata: {text}\n\n" if text != before else ": still here\n\n"
                    before, silent = text, 0.0
                if job.state.is_end:
                    return
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
                silent += SECONDS_BETWEEN_LOOKS
                try:
                    job = self._queue.find(job.id)
                except NoSuchJob:
                    return  # it was forgotten
        finally:
            self._followers -= 1

    async def _wait_for(self, request: Request, kind: str) -> Response:
        async def work() -> Response:
            job = await self._add(request, kind)
            ended = await asyncio.wrap_future(self._queue.await_end(job.id))
            status, answer = describe_end(ended)
            if status == 200:
                video = self._studio.find_clip_by_name(answer["path"])
                answer = {"video": await run_in_threadpool(_write_base64, video), **answer}
            return answer_json(status, answer)

        return await self._answer(request, work)

    async def _add(self, request: Request, kind: str) -> Job:
        with self._room.hold_place(int(request.headers.get("content-length", 0))):
            asked = await read_order(request, self._studio.host, kind)
            return await run_in_threadpool(self._queue.add, asked.kind, asked.order, asked.content, asked.title)

    def _describe(self, job: Job) -> dict[str, Any]:
        return describe_job(self._queue, job)

    def _find_clip(self, id: str) -> Path:
        job = self._queue.find(id)
        if not job.clips:
            why = "has no clip" if job.state.is_end else "has no clip yet"
            raise NoSuchJob(f"The job {why}: it is {job.state.value}.")
        return self._studio.find_clip_by_name(job.clips[-1]["path"])

    async def _answer(self, request: Request, work: Made) -> Response:
        """Give what work gives; what cannot be done, or is too large to be read, is said."""
        status, why = door.explain_excess(request.headers.raw)
        if why:
            return answer_json(status, write_error("Refused", why))
        try:
            return await work()
        except SvdError as error:
            answer = answer_json(*describe_failure(error))
            if answer.status_code == 429:
                answer.headers["Retry-After"] = str(max(1, round(self._queue.wait)))
            return answer


_UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # else a proxy keeps events back


def answer_json(status: int, value: Any) -> Response:
    """Answer with JSON."""
    return Response(json.dumps(value), status, media_type="application/json")


def pack_frames(path: Path) -> bytes:
    """Put a clip's frames into a zip, as PNG files in their order.

    Raises:
        BadInput: the clip cannot be read.
    """
    saved = reopen_clip(path)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:  # PNG is packed already
        if saved.frames:
            for number, frame in enumerate(saved.frames):
                packed.write(frame, f"{number:04d}.png")
        else:
            for number, pixels in enumerate(saved.clip.frames):
                content = io.BytesIO()
                Image.fromarray(pixels).save(content, "PNG", compress_level=1)
                packed.writestr(f"{number:04d}.png", content.getvalue())
    return stream.getvalue()


def _write_base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
