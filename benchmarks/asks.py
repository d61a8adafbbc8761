"""What a client of the soak may ask for, and what came of it: a clip, a sentence, or nothing where it hung up."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from lib_svd.client import ENDS, Job, Refused, Svd

PICTURE = Path(__file__).parents[1] / "examples" / "lighthouse.jpg"
SHORT = {"checkpoint": "demo", "speed": "draft"}
MOST_SECONDS = 300  # for what a client waits
LONGEST_RETRY = 5  # seconds: a queue that has made no job yet does not know how long they take


class Asker:
    """A client.

    Args:
        address: of the server.
        pid: its process.
        rng: chance.
    """

    def __init__(self, address: str, pid: int, rng: random.Random) -> None:
        self.svd, self.place, self.pid, self.rng = Svd(address), urlsplit(address), pid, rng
        self.told_to_wait = 0

    def submit(self, seed: int, **order: Any) -> Job:
        """Add a job, and come again when the server says so where too many wait."""
        until = time.monotonic() + MOST_SECONDS
        while True:
            try:
                return self.svd.submit(picture=PICTURE, seed=seed, **{**SHORT, **order})
            except Refused as refused:
                if refused.status != 429 or time.monotonic() > until or not refused.retry_after:
                    raise
                self.told_to_wait += 1
                time.sleep(min(refused.retry_after, LONGEST_RETRY) * self.rng.uniform(0.5, 1))

    def await_job_of(self, seed: int) -> str:
        """Wait for the end of a job that nobody waits for any more; it may not have been taken at all."""
        for _ in range(MOST_SECONDS):
            found = [job for job in self.svd.jobs() if job.about["order"].get("seed") == seed]
            if not found:
                return "nothing"
            if found[0].state in ENDS:
                return "clip" if found[0].state == "done" else name_sentence(found[0].about["error"]["message"])
            time.sleep(1)
        raise TimeoutError(f"the job of seed {seed} did not end")


def name_sentence(message: str) -> str:
    """Name what came: a sentence, if it is one; where work was kept, it ends with a command to go on from there."""
    if (not message.endswith(".") and "--from-latents" not in message) or "log has more" in message:
        raise ValueError(f"this is no sentence of ours: {message}")
    return "a sentence"


def _await_end(job: Job) -> str:
    """Wait for a job's clip."""
    try:
        clip = job.wait(MOST_SECONDS)
    except Refused as refused:
        return name_sentence(str(refused))
    assert clip.video[4:8] == b"ftyp", clip.video[:16]
    assert clip.about["settings"]["seed"] == job.about["order"]["seed"], clip.about
    return "clip"


def _make(asker: Asker, seed: int) -> str:
    return _await_end(asker.submit(seed))


def _follow(asker: Asker, seed: int) -> str:
    job = asker.submit(seed)
    for _ in job.follow():
        pass
    return _await_end(job)


def _leave_following(asker: Asker, seed: int) -> str:
    job = asker.submit(seed)
    for _ in job.follow():
        break
    return _await_end(job)


def _preview(asker: Asker, seed: int) -> str:
    job = asker.submit(seed)
    asker.svd.ask("GET", f"/jobs/{job.id}?preview=true")
    came = _await_end(job)
    if came == "clip":
        try:
            asker.svd.review(Path(job.about["clips"][-1]["path"]).name)
            assert job.frames()[:2] == b"PK"
        except Refused as refused:  # another client has killed the ffmpeg that it is read with
            name_sentence(str(refused))
        job.forget()
    return came


def _cancel(asker: Asker, seed: int) -> str:
    job = asker.submit(seed)
    time.sleep(asker.rng.uniform(0, 3))
    job.cancel()
    return _await_end(job)


def _forget(asker: Asker, seed: int) -> str:
    job = asker.submit(seed, num_steps=100)  # so that it has not ended by then
    job.forget()
    with suppress(Refused):  # it is stopped first, and its name goes after that
        _await_end(job)
    return "nothing"


def _send_bad_picture(asker: Asker, seed: int) -> str:
    content = PICTURE.read_bytes()
    spoiled = asker.rng.choice((b"", b"no picture", content[:100], asker.rng.randbytes(9999), b"GIF89a" + content))
    return _await_refusal(asker, seed, picture=spoiled)


def _send_bad_settings(asker: Asker, seed: int) -> str:
    odd = ({"num_frames": 0}, {"width": 7, "height": 7}, {"speed": "warp"}, {"also": ["none"]}, {"none": 1})
    return _await_refusal(asker, seed, **asker.rng.choice((*odd, {"checkpoint": "gone"}, {"motion_bucket_id": "x"})))


def _await_refusal(asker: Asker, seed: int, **order: Any) -> str:
    try:
        asker.svd.submit(**{"picture": PICTURE, "seed": seed, **SHORT, **order})
    except Refused as refused:
        return name_sentence(str(refused)) if refused.status in (422, 429) else f"status {refused.status}"
    raise ValueError(f"{order} was taken")


def _hang_up_sending(asker: Asker, seed: int) -> str:
    _send(asker, _write_order(seed), asker.rng.uniform(0.01, 0.9))
    return asker.await_job_of(seed)


def _hang_up_waiting(asker: Asker, seed: int) -> str:
    _send(asker, _write_order(seed), 1)
    time.sleep(1)  # it is read meanwhile
    return asker.await_job_of(seed)


def _write_order(seed: int) -> bytes:
    return json.dumps({"picture": {"path": PICTURE.name}, "seed": seed, **SHORT, "source": "x" * 4000}).encode()


def _send(asker: Asker, body: bytes, share: float) -> None:
    """Send so much of a request, and close the connection."""
    place = asker.place
    head = f"POST /svd/v1/animate HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((place.hostname, place.port), 30) as line:
        line.sendall(head + body[: round(share * len(body))])
        time.sleep(asker.rng.uniform(0, 0.5))


def _kill_encoder(asker: Asker, seed: int) -> str:
    job = asker.submit(seed)
    until = time.monotonic() + MOST_SECONDS
    while time.monotonic() < until and job.look().state == "waiting":
        time.sleep(0.1)
    while time.monotonic() < until and job.look().state == "running":
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(asker.pid).children():  # ffmpeg's alone
                child.kill()
    return _await_end(job)


@dataclass(frozen=True)
class Ask:
    """What is asked for, how often beside the others."""

    ask: Callable[[Asker, int], str]
    weight: float


ASKS = {
    "a clip": Ask(_make, 8),
    "a clip that is followed": Ask(_follow, 2),
    "a clip whose follower hangs up": Ask(_leave_following, 1),
    "a clip with preview, frames, review": Ask(_preview, 2),
    "a clip that is cancelled": Ask(_cancel, 4),
    "a job that is forgotten": Ask(_forget, 1),
    "a bad picture": Ask(_send_bad_picture, 2),
    "bad settings": Ask(_send_bad_settings, 2),
    "hung up while it was sent": Ask(_hang_up_sending, 1),
    "hung up while it was made": Ask(_hang_up_waiting, 1),
    "a clip whose encoder is killed": Ask(_kill_encoder, 1),
}
