"""A program's side of `/svd/v1`: clips from a web UI or `serve`, here or elsewhere. It needs nothing but Python.

>>> svd = Svd("http://127.0.0.1:7870")
>>> clip = svd.animate("cat.png", motion_bucket_id=60)
>>> clip.save("cat.mp4")
"""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

Picture = str | Path | bytes
ENDS = ("done", "failed", "cancelled")
SECONDS = 60.0  # for an answer that needs no clip
SECONDS_BETWEEN_LOOKS = 0.5
BESIDE = ("last_picture", "mask")  # pictures that may come along beside the one that is animated


class Refused(Exception):
    """The server did not do it; the text is its sentence.

    Attributes:
        status: the HTTP status; 0: there was no answer.
        error: the name of what went wrong, such as BadPicture.
        retry_after: seconds after which it is worth asking again; None: the server does not say.
    """

    def __init__(self, message: str, status: int = 0, error: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.error, self.retry_after = status, error, retry_after


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip that was made."""

    video: bytes  # the MP4 file
    about: Mapping[str, Any]  # its settings, size, notes, and where it is on the server

    def save(self, path: str | Path) -> Path:
        """Write the video to a file that is not there yet.

        Raises:
            FileExistsError: there is one of that name.
        """
        with Path(path).open("xb") as file:
            file.write(self.video)
        return Path(path)


class Job:
    """A job of a server's queue.

    Args:
        svd: the server.
        about: what it said of the job last.
    """

    def __init__(self, svd: Svd, about: Mapping[str, Any]) -> None:
        self._svd, self.about = svd, about

    @property
    def id(self) -> str:
        """What the server knows it by."""
        return str(self.about["id"])

    @property
    def state(self) -> str:
        """Where it was when the server was asked last: waiting, running, done, failed or cancelled."""
        return str(self.about["state"])

    def look(self) -> Job:
        """Ask how far it is; gives the job itself."""
        self.about = self._svd.ask("GET", f"/jobs/{quote(self.id)}")
        return self

    def wait(self, timeout: float | None = None) -> Clip:
        """Wait for the clip.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            Refused: it failed or was cancelled.
            TimeoutError: it has not ended by then; it goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.look().state not in ENDS:
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"The job {self.id} is {self.state} still: wait longer, or cancel it.")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if self.state != "done":
            error = self.about["error"] or {"error": self.state, "message": f"The job was {self.state}."}
            raise Refused(error["message"], error=error["error"])
        return self.clip()

    def clip(self) -> Clip:
        """Load its last clip; raises Refused where it has none yet."""
        video = self._svd.load(f"/jobs/{quote(self.id)}/clip")
        return Clip(video=video, about=self.look().about["clips"][-1])

    def frames(self) -> bytes:
        """Load the frames of its last clip, PNG files in a zip; raises Refused where it has none yet."""
        return self._svd.load(f"/jobs/{quote(self.id)}/frames")

    def note(self) -> Mapping[str, Any]:
        """Ask what is noted on its last clip: settings, measures, seconds; raises Refused where it has none yet."""
        return cast("Mapping[str, Any]", self._svd.ask("GET", f"/jobs/{quote(self.id)}/note"))

    def cancel(self) -> Job:
        """Take it out of the queue, or stop it; gives the job itself."""
        self.about = self._svd.ask("POST", f"/jobs/{quote(self.id)}/cancel")
        return self

    def move(self, position: int) -> Job:
        """Let it be made at another time, 1 is next; gives the job itself."""
        self.about = self._svd.ask("POST", f"/jobs/{quote(self.id)}/move", {"position": position})
        return self

    def forget(self) -> None:
        """Take it off the server's list; its clips stay."""
        self._svd.ask("DELETE", f"/jobs/{quote(self.id)}")

    def follow(self) -> Iterator[Mapping[str, Any]]:
        """Give what the server says of the job whenever it changes, until it has ended."""
        with self._svd.open("GET", f"/jobs/{quote(self.id)}/events", timeout=SECONDS) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    self.about = json.loads(line[6:])
                    yield self.about


class Svd:
    """A server: a web UI with this extension, or `python -m lib_svd serve`.

    Args:
        address: such as http://127.0.0.1:7860.
        user, password: where it asks for them: those of `--api-auth`, or of `serve --listen`.
    """

    def __init__(self, address: str, user: str = "", password: str = "") -> None:
        self._root = f"{address.rstrip('/')}/svd/v1"
        known = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._known = {"Authorization": f"Basic {known}"} if user else {}

    def animate(self, picture: Picture, **settings: Any) -> Clip:
        """Animate a picture and wait for the clip.

        Args:
            picture: a file here, or its bytes.
            settings: any of docs/settings.md by its name.

        Raises:
            Refused: the server did not do it.
        """
        return self.submit(picture=picture, **settings).wait()

    def submit(self, kind: str = "animate", picture: Picture | None = None, **order: Any) -> Job:
        """Add a job and do not wait for it.

        Args:
            kind: animate, extend, sweep, folder or finish.
            picture: to animate, where the job takes one; `last_picture` and `mask` may be such, too.
            order: what else it takes: settings, `clip`, `sweep` and `values`, `folder`, what is to be done to a
                clip.

        Raises:
            Refused: the server did not take it.
        """
        sent = {} if picture is None else {"picture": _read_base64(picture)}
        sent |= {name: _read_base64(order.pop(name)) for name in BESIDE if isinstance(order.get(name), (bytes, Path))}
        return Job(self, self.ask("POST", "/jobs", {"kind": kind, **sent, **order}))

    def finish(self, clip: str, **done: Any) -> Clip:
        """Finish a clip of the server's history by its name, and wait for what comes of it.

        Raises:
            Refused: the server did not do it.
        """
        return self.submit("finish", clip=clip, **done).wait()

    def jobs(self) -> list[Job]:
        """List the jobs of the queue: the one that is made, those that wait, those that have ended."""
        return [Job(self, about) for about in self.ask("GET", "/jobs")]

    def models(self) -> list[Mapping[str, Any]]:
        """List the models that can be named."""
        return cast("list[Mapping[str, Any]]", self.ask("GET", "/models"))

    def review(self, clip: str) -> Mapping[str, Any]:
        """Measure a clip of the server's history."""
        return cast("Mapping[str, Any]", self.ask("GET", f"/review?{urlencode({'clip': clip})}"))

    def ask(self, method: str, path: str, order: Mapping[str, Any] | None = None) -> Any:
        """Ask for anything below /svd/v1 that is answered at once; gives the JSON.

        Raises:
            Refused: the server says no, does not answer, or answers with something else.
        """
        body = None if order is None else json.dumps(order).encode()
        with self.open(method, path, body) as answer:
            try:
                return json.loads(answer.read())
            except (ValueError, OSError, HTTPException) as error:
                raise Refused(
                    f"{self._root} gave no answer that can be read ({error}): is it the right address?"
                ) from error

    def load(self, path: str) -> bytes:
        """Load a file below /svd/v1; raises Refused where it is not given whole."""
        with self.open("GET", path) as answer:
            try:
                return answer.read()
            except (OSError, HTTPException) as error:
                raise Refused(f"{self._root}{path} was not given whole ({error}): ask again.") from error

    def open(self, method: str, path: str, body: bytes | None = None, timeout: float = SECONDS) -> HTTPResponse:
        """Open an answer below /svd/v1, to be read and closed; raises Refused where there is none."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            request = urllib.request.Request(f"{self._root}{path}", body, headers, method=method)
            for name, value in self._known.items():
                request.add_unredirected_header(name, value)  # whoever it may lead to is not to have the password
            return cast("HTTPResponse", urllib.request.urlopen(request, timeout=timeout))
        except urllib.error.HTTPError as error:
            with error:
                raise _read_refusal(error) from error
        except (OSError, HTTPException, ValueError) as error:
            raise Refused(
                f"{self._root} does not answer ({error}): is it running, and is the address right?"
            ) from error


def _read_base64(picture: Picture) -> str:
    content = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return base64.b64encode(content).decode("ascii")


def _read_refusal(error: urllib.error.HTTPError) -> Refused:
    """Read what the server said; where that is no JSON of ours, its status alone is told."""
    wait = error.headers.get("Retry-After", "")
    retry = float(wait) if wait.isdigit() else None
    try:
        told = json.loads(error.read())
        message, name = str(told.get("message") or told["detail"]), str(told.get("error", ""))
    except (ValueError, OSError, KeyError, AttributeError, HTTPException):
        message, name = f"The server answered with status {error.code}: is it the right address?", ""
    return Refused(message, error.code, name, retry)
