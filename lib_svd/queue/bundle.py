"""All jobs that wait in one zip, with their pictures: saved here, loaded here or on another machine."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from lib_svd.companions import FOLDER
from lib_svd.errors import BadInput, BadOutput, SvdError
from lib_svd.files import make_hidden_names, publish_together
from lib_svd.queue.job import Job
from lib_svd.queue.queue import MOST_BYTES, MOST_WAITING, JobQueue
from lib_svd.queue.task import read_text
from lib_svd.request import MOST_TEXT
from lib_svd.strangers import decode_text, read_json

JOB, CONTENT = "job.json", "input"  # what a job's two files are called, in a folder of its own
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile)


def save_jobs(queue: JobQueue, out: Path) -> Path:
    """Write every job that has not ended into a zip, which appears whole or not at all; gives its name.

    Raises:
        BadInput: no job waits.
        BadOutput: it cannot be written.
    """
    jobs = [job for job in queue.list_jobs() if not job.state.is_end]
    if not jobs:
        raise BadInput("No job waits: there is nothing to save.")
    try:
        with make_hidden_names(out.parent) as hidden:
            unfinished = hidden(out.suffix)
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as packed:
                for number, job in enumerate(jobs, 1):
                    _pack(packed, f"{number:03d}", job, queue.read_content(job))
                for path in sorted({path for job in jobs for path in queue.find_companions(job)}):
                    packed.write(path, f"{FOLDER}/{path.name}", zipfile.ZIP_STORED)
            (name,) = publish_together([unfinished], out)
    except OSError as error:
        raise BadOutput(f"{out} cannot be written ({error.strerror or error}): make room there.") from error
    return name


def load_jobs(queue: JobQueue, path: Path) -> tuple[list[Job], list[str]]:
    """Add the jobs of a zip that `save_jobs` wrote, in their order; each is checked as if it were new.

    Returns:
        The jobs; and of those that could not be added why, a sentence each.

    Raises:
        BadInput: it is no such zip.
    """
    added, refused = [], []
    try:
        with zipfile.ZipFile(path) as packed:
            sizes = {each.filename: each.file_size for each in packed.infolist()}
            names = sorted(name for name in sizes if name.endswith(f"/{JOB}"))
            if not names or len(names) > MOST_WAITING or sum(sizes.values()) > MOST_BYTES:
                raise ValueError(f"it has {len(names)} jobs and {sum(sizes.values()) / 1e6:.0f} MB")
            for name in (name for name in sizes if name.startswith(f"{FOLDER}/")):
                queue.keep_companion(_read(packed, name, sizes[name]))
            for name in names:
                if sizes[name] > MOST_TEXT:
                    raise ValueError(f"{name} is too large")
                content = name.removesuffix(JOB) + CONTENT
                sent = _read(packed, content, sizes[content]) if content in sizes else None
                told = read_json(decode_text(_read(packed, name, sizes[name])))
                try:
                    added.append(queue.add(told["kind"], dict(told["order"]), sent, read_text("title", told["title"])))
                except SvdError as error:
                    refused.append(str(error))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as e:
        raise BadInput(f"{path.name} holds no queue that was saved here ({e}): choose another file.") from e
    return added, refused


def _pack(packed: zipfile.ZipFile, folder: str, job: Job, content: bytes | None) -> None:
    told = {"kind": job.kind, "title": job.title, "order": dict(job.order)}
    packed.writestr(f"{folder}/{JOB}", json.dumps(told, indent=1))
    if content is not None:
        packed.writestr(f"{folder}/{CONTENT}", content, zipfile.ZIP_STORED)


def _read(packed: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Read one file, no further than its header says."""
    with packed.open(name) as file:
        return file.read(size)
