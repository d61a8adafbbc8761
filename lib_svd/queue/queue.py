"""The queue of jobs: they wait, are made one after the other, and are there after a crash as they were before it."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lib_svd import images
from lib_svd.companions import NAMED, find_kept, keep_picture
from lib_svd.errors import BadInput, BadRequest, Busy, Interrupted, SvdError
from lib_svd.giving_back import give_back_memory
from lib_svd.queue.job import Job, State, draw_id
from lib_svd.queue.kinds import read_kind
from lib_svd.queue.live import Live, Overheard
from lib_svd.queue.shelf import Shelf
from lib_svd.queue.task import Task
from lib_svd.strangers import quote
from lib_svd.studio import Studio

MOST_WAITING = 200  # jobs
MOST_BYTES = 2 * 2**30  # of the pictures and clips that they keep on the disk meanwhile
MOST_ENDED = 200  # jobs whose end is remembered; the clips of those before stay
MOST_CLIPS = 100  # of a job that are listed, the last ones; a folder's may be thousands, and all of them stay
MOST_ATTEMPTS = 3  # of a job during which the program was ended
USUAL = 60.0  # seconds that a job takes, where none was made yet

log = logging.getLogger("svd")


class NoSuchJob(BadInput):
    """There is no job of that id, or not any more."""


@dataclass(frozen=True)
class _End:
    """How a job ended."""

    state: State
    error: str = ""  # the name of its class
    message: str = ""  # a sentence

    @classmethod
    def of(cls, state: State, error: Exception) -> _End:
        """End in an error."""
        if isinstance(error, SvdError):
            return cls(state, type(error).__name__, str(error))
        why = f"{type(error).__name__}: {error}".rstrip(".: ")
        return cls(state, type(error).__name__, f"The job could not be done ({why}): the log has more.")


class JobQueue:
    """Jobs that are made one after the other, on one thread, in the host's own queue.

    Args:
        studio: makes them.
    """

    def __init__(self, studio: Studio) -> None:
        self._overheard = Overheard(studio.host.queue)
        self._studio = studio.report_to(self._overheard)
        self._folders = studio.host.folders
        self._changed = threading.Condition()  # holds the lock of all that follows
        self._jobs: dict[str, Job] = {}
        self._unwritten: dict[str, None] = {}  # ids of jobs that the disk knows as they were before, in order
        self._sizes: dict[str, int] = {}  # bytes that a job keeps on the disk, until it has ended
        self._ends: dict[str, Future[Job]] = {}
        self._running = ""  # the id of the job that is being made
        self._seconds = USUAL  # that a job took lately
        self._is_closing = False
        self._thread: threading.Thread | None = None

    @cached_property
    def _shelf(self) -> Shelf:
        """Where jobs are kept; not asked for before there is one, since asking makes the folder of clips."""
        return Shelf(self._folders.list_clip_dirs()[-1])

    def open(self) -> None:
        """Take over what a program that was ended has left, and begin."""
        with self._changed:
            if self._thread is not None:
                return
            try:
                self._take_over()
            except OSError as error:
                log.warning("Jobs that were left cannot be looked for: %s", error)
            self._thread = threading.Thread(target=self._work, name="svd-queue", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop what is being made, which the next start makes anew, and begin nothing any more."""
        with self._changed:
            self._is_closing = True
            self._overheard.stop()
            self._changed.notify_all()

    def add(self, kind: str, order: Mapping[str, Any], content: bytes | None = None, title: str = "") -> Job:
        """Let a job wait for its turn; it is on disk when this returns.

        Args:
            kind: a name of `KINDS`.
            order: what is asked for, as JSON has it.
            content: the picture's file, or the clip's that comes along.
            title: what people call it by.

        Raises:
            Busy: too many jobs wait, or they keep too much.
            BadInput: it cannot be done, or not be kept.
        """
        self._check_room(len(content or b""))
        checked = read_kind(kind).check(self._studio, order, content)
        with self._changed:
            self._check_room(len(content or b""))
            place = max((job.place for job in self._jobs.values()), default=0) + 1
            job = Job(id=draw_id(), kind=kind, order=checked, title=title, place=place)
            self._shelf.add(job, content)
            self._enter(job, len(content or b""))
            self._changed.notify_all()
        return job

    def list_jobs(self) -> list[Job]:
        """List what is being made, then what waits in its order, then what has ended, the latest first."""
        with self._changed:
            jobs = list(self._jobs.values())
        running = [job for job in jobs if job.state is State.RUNNING]
        ended = [job for job in jobs if job.state.is_end]
        return [*running, *_sort_waiting(jobs), *sorted(ended, key=lambda job: -(job.ended or 0))]

    def find(self, id: str) -> Job:
        """Give the job of that id.

        Raises:
            NoSuchJob: there is none.
        """
        with self._changed:
            if id not in self._jobs:
                raise NoSuchJob(f"There is no job {quote(id)}, or not any more: list the jobs.")
            return self._jobs[id]

    def look(self, job: Job, wants_preview: bool = False) -> Live | None:
        """Say how far a job is; None: it is not being made."""
        with self._changed:
            is_made = job.id == self._running and not self._jobs[job.id].state.is_end
            return self._overheard.look(wants_preview) if is_made else None

    def find_position(self, job: Job) -> int | None:
        """Say when a job is made: 1 is next, 0 is now; None: it has ended."""
        with self._changed:
            waiting = [each.id for each in _sort_waiting(list(self._jobs.values()))]
            if job.id in waiting:
                return waiting.index(job.id) + 1
            return 0 if job.id == self._running else None

    def await_end(self, id: str) -> Future[Job]:
        """Give what will be the job when it has ended, be it forgotten meanwhile.

        Raises:
            NoSuchJob: there is none of that id.
        """
        with self._changed:
            self.find(id)
            return self._ends[id]

    def cancel(self, id: str) -> Job:
        """Stop a job that waits or is being made; one that has ended stays as it is.

        Raises:
            NoSuchJob: there is none of that id.
        """
        with self._changed:
            job = self.find(id)
            if job.state.is_end:
                return job
            if job.state is State.WAITING or not self._overheard.stop():
                end = _End(State.CANCELLED, "Interrupted", "The job was taken out of the queue.")
                job = self._end(job, end)
            return job

    def move(self, id: str, position: int) -> Job:
        """Let a job that waits be made at another time: 1 is next, more than there are is last.

        Raises:
            NoSuchJob: there is none of that id.
            BadRequest: it does not wait, or there is no such position.
        """
        with self._changed:
            job = self.find(id)
            if job.state is not State.WAITING:
                raise BadRequest(f"The job is {job.state.value}: only one that waits can be moved.")
            if position < 1:
                raise BadRequest(f"A position is 1 for the next job, or more, not {quote(position)}.")
            waiting = [each for each in _sort_waiting(list(self._jobs.values())) if each.id != id]
            waiting.insert(position - 1, job)
            places = sorted(each.place for each in waiting)
            for each, place in zip(waiting, places, strict=True):
                if each.place != place:
                    self._put(replace(each, place=place))
            return self._jobs[id]

    def forget(self, id: str) -> Job:
        """Take a job that has ended off the list, its clips stay; one that has not is cancelled first.

        Raises:
            NoSuchJob: there is none of that id.
        """
        with self._changed:
            job = self.cancel(id)
            if job.state.is_end and id != self._running:
                self._drop(job)
            return job

    def read_content(self, job: Job) -> bytes | None:
        """Read a job's picture, or the clip that came along; None: it has none, or not any more."""
        path = self._shelf.find_content(job)
        return path.read_bytes() if path else None

    def find_companions(self, job: Job) -> list[Path]:
        """List the files of the pictures that a job names beside the one that it animates."""
        folders, named = self._folders.list_clip_dirs(), (str(job.order.get(name, "")) for name in NAMED)
        return [path for path in (find_kept(name, folders) for name in named) if path is not None]

    def keep_companion(self, content: bytes) -> None:
        """Keep such a picture, whose job comes from elsewhere; raises BadInput where it is none, or cannot be kept."""
        keep_picture(images.read_picture(io.BytesIO(content)).image, self._folders.find_output_dir())

    @property
    def wait(self) -> float:
        """Seconds after which it is worth asking again where the queue is full."""
        return min(self._seconds, 3600.0)

    def _take_over(self) -> None:
        for job in self._shelf.take_over():
            content = self._shelf.find_content(job)
            size = content.stat().st_size if content else 0
            if job.state.is_end:
                self._shelf.drop_content(job)
            self._enter(_resume(job) if job.state is State.RUNNING else job, size)
            if self._jobs[job.id] is not job:
                self._put(self._jobs[job.id])

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._is_closing or any(job.state is State.WAITING for job in self._jobs.values())):
                    self._changed.wait()
                if self._is_closing:
                    return
                job = _sort_waiting(list(self._jobs.values()))[0]
                job = replace(job, state=State.RUNNING, begun=time.time(), attempts=job.attempts + 1)
                self._put(job)
                self._running = job.id
                self._overheard.begin()
            began = time.monotonic()
            end = self._make(job)
            give_back_memory()
            with self._changed:
                self._running = ""
                job = self._jobs[job.id]
                if self._is_closing and end.state is not State.DONE and not job.state.is_end:
                    self._put(replace(job, state=State.WAITING, attempts=job.attempts - 1))
                    return  # the next start goes on with it
                if not job.state.is_end:
                    job = self._end(job, end)
                    self._seconds = time.monotonic() - began
                self._changed.notify_all()

    def _make(self, job: Job) -> _End:
        """Make a job's clips; whatever goes wrong, the next job is made.

        What went wrong is given in words: the exception itself would hold all that the job had in memory.
        """

        def plan(path: Path) -> None:
            self._change(job.id, planned=str(path))

        try:
            task = Task(studio=self._studio, job=job, content=self._shelf.find_content(job), plan=plan)
            for saved in read_kind(job.kind).make(task):
                self._change(job.id, clips=(*self._jobs[job.id].clips, saved.as_dict())[-MOST_CLIPS:])
        except Interrupted as stop:
            return _End.of(State.CANCELLED, stop)
        except SvdError as error:
            return _End.of(State.FAILED, error)
        except Exception as error:
            log.exception("A job failed")
            return _End.of(State.FAILED, error)
        return _End(State.DONE)

    def _change(self, id: str, **changes: Any) -> None:
        with self._changed:
            self._put(replace(self._jobs[id], **changes))

    def _end(self, job: Job, end: _End) -> Job:
        job = replace(job, state=end.state, ended=time.time(), error=end.error, message=end.message)
        self._put(job)
        self._sizes.pop(job.id, None)
        self._shelf.drop_content(job)
        self._ends[job.id].set_result(job)
        ended = sorted((each for each in self._jobs.values() if each.state.is_end), key=lambda each: each.ended or 0)
        for old in ended[:-MOST_ENDED]:
            if old.id != self._running:
                self._drop(old)
        return job

    def _enter(self, job: Job, size: int) -> None:
        self._jobs[job.id], self._ends[job.id] = job, Future()
        self._ends[job.id].set_running_or_notify_cancel()  # else whoever stops waiting for it would cancel it for all
        if job.state.is_end:
            self._ends[job.id].set_result(job)
        else:
            self._sizes[job.id] = size

    def _put(self, job: Job) -> None:
        """Note what has become of a job; where it cannot be written, it is true here and written as soon as others
        can be.
        """
        self._jobs[job.id] = job
        self._unwritten[job.id] = None
        for id in [*self._unwritten]:
            try:
                self._shelf.write(self._jobs[id])
            except OSError as error:
                log.warning("The job %s cannot be written: %s", id, error)
                return
            del self._unwritten[id]

    def _drop(self, job: Job) -> None:
        self._shelf.remove(job)
        self._unwritten.pop(job.id, None)
        del self._jobs[job.id], self._ends[job.id]

    def _check_room(self, size: int) -> None:
        with self._changed:
            count, kept = len(self._sizes), sum(self._sizes.values())
        if count and (count >= MOST_WAITING or kept + size > MOST_BYTES):
            raise Busy(f"{count} jobs are waiting already: ask again when some are done.")


def _resume(job: Job) -> Job:
    """Let a job wait again during which the program was ended, unless that was so too often."""
    if job.attempts < MOST_ATTEMPTS:
        return replace(job, state=State.WAITING)
    message = "The program ended three times while this job was made: choose fewer frames or a smaller size."
    return replace(job, state=State.FAILED, ended=time.time(), error="Ended", message=message)


def _sort_waiting(jobs: list[Job]) -> list[Job]:
    return sorted((job for job in jobs if job.state is State.WAITING), key=lambda job: job.place)
