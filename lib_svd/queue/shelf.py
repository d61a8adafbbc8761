"""The jobs of one program on disk: a file a job, and one for its picture, each whole or not there at all.

Every program has folders of its own below `queue`, whose names tell whose they are. What a program that was ended left
there, the next one that starts takes over: it renames the folder, so that no two of them take the same jobs.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path

from lib_svd.errors import BadOutput
from lib_svd.files import is_left, mark, sync
from lib_svd.queue.job import Job, read_job
from lib_svd.request import MOST_TEXT

FOLDER = "queue"  # below the clips' own
JOB, CONTENT, PART = ".json", ".input", ".part"  # what the names of a job's files end in; PART: one that is not whole

log = logging.getLogger("svd")


class Shelf:
    """Where the jobs of this program are kept.

    Args:
        clips: the folder of clips below which the queue's folder is.
    """

    def __init__(self, clips: Path) -> None:
        self._root = clips / FOLDER
        self._own = self._name_folder()
        self._folders: dict[str, Path] = {}  # by the id of the job that is in it

    def take_over(self) -> list[Job]:
        """Take the jobs that programs which do not run any more have left; a file that is none stays where it is."""
        jobs = []
        for left in self._root.glob("svd-*"):
            with suppress(OSError):
                if left not in self._folders.values() and is_left(left):
                    jobs += self._read(left.rename(self._name_folder()))
        return sorted(jobs, key=lambda job: (job.place, job.added))

    def find_content(self, job: Job) -> Path | None:
        """Give the file with the job's picture or clip; None: it has none."""
        path = self._make_path(job, CONTENT)
        return path if path.is_file() else None

    def add(self, job: Job, content: bytes | None) -> None:
        """Keep a new job.

        Raises:
            BadOutput: there is no room for it; nothing is left behind.
        """
        self._folders[job.id] = self._own
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            if content is not None:
                _write(self._make_path(job, CONTENT), content)
            self.write(job)
        except OSError as error:
            self.remove(job)
            why = error.strerror or error
            raise BadOutput(f"The job cannot be kept in {self._root} ({why}): make room there.") from error

    def write(self, job: Job) -> None:
        """Write a job as it is now in place of what it was.

        Raises:
            OSError: it cannot be written; what was written before stays.
        """
        _write(self._make_path(job, JOB), job.write().encode())

    def drop_content(self, job: Job) -> None:
        """Remove the picture of a job that needs it no more."""
        with suppress(OSError):
            self._make_path(job, CONTENT).unlink()

    def remove(self, job: Job) -> None:
        """Forget a job; the clips that it made stay."""
        for suffix in (JOB, CONTENT):  # one without its picture could not be made
            with suppress(OSError):
                self._make_path(job, suffix).unlink()
        folder = self._folders.pop(job.id)
        if folder not in self._folders.values():
            with suppress(OSError):
                folder.rmdir()
                self._root.rmdir()

    def _make_path(self, job: Job, suffix: str) -> Path:
        return self._folders[job.id] / f"{job.id}{suffix}"

    def _name_folder(self) -> Path:
        return self._root / f"{mark()}{secrets.token_hex(4)}"

    def _read(self, folder: Path) -> list[Job]:
        """Read all jobs of a folder; what a kill left of others goes."""
        jobs = [job for path in folder.glob(f"*{JOB}") if (job := _read_job(path)) is not None]
        self._folders |= {job.id: folder for job in jobs}
        whole = {path.stem for path in folder.glob(f"*{JOB}")}
        for path in folder.iterdir():
            if path.suffix == PART or (path.suffix == CONTENT and path.stem not in whole):
                path.unlink()
        with suppress(OSError):
            folder.rmdir()  # where nothing is in it
        return jobs


def _read_job(path: Path) -> Job | None:
    try:
        if path.stat().st_size > MOST_TEXT:
            raise ValueError("it is too large")
        job = read_job(path.read_text("utf-8"))
        if path.stem != job.id:
            raise ValueError("it is called like another one")
    except (OSError, ValueError) as error:
        log.warning("%s is no job of the queue, and stays where it is: %s", path, error)
        return None
    return job


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + PART)
    try:
        part.write_bytes(content)
        sync(part)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
