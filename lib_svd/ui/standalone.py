"""The tab as a page of its own: `python -m lib_svd serve`."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from lib_svd.api import add_routes
from lib_svd.door import MOST_BYTES, Door
from lib_svd.errors import BadRequest, Busy, Interrupted
from lib_svd.files import is_left, make_hidden_names, mark
from lib_svd.line import Line
from lib_svd.pages import Job, Queued, count_bytes
from lib_svd.queue import JobQueue
from lib_svd.strangers import decode_text, read_json
from lib_svd.studio import Studio
from lib_svd.ui import tab
from lib_svd.ui.clips import render_error, render_remark
from lib_svd.ui.compat import FILES, make_html, make_js, make_page, mount
from lib_svd.ui.own_only import OwnOnly
from lib_svd.ui.tasks import Tasks

TITLE = "SVD for Forge"
ADDRESS, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # this machine only, where there is no password
CHOICES = "page.json"
SECONDS_TO_END = 3  # open pages keep their connections as long as they are let
PACKAGE = Path(__file__).parents[1]
# In a wheel they are in the package, in a checkout where web UIs want them.
FOLDER = next(folder for folder in (PACKAGE, PACKAGE.parent) if (folder / "javascript").is_dir())
SCRIPTS = (Path(__file__).with_name("page.js"), *sorted((FOLDER / "javascript").glob("*.js")))
STYLE = FOLDER / "style.css"

log = logging.getLogger("svd")


class Choices(dict[str, Any]):
    """Choices that a page remembers, in a file; one that cannot be read or written is no reason to stop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(self._read())

    def keep(self, name: str, value: Any) -> None:
        """Remember a choice."""
        self[name] = value
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with make_hidden_names(self._path.parent) as hidden:
                unfinished = hidden(".json")
                unfinished.write_text(json.dumps(self, indent=2), "utf-8")
                unfinished.replace(self._path)
        except OSError as error:
            log.warning("The choice of %s is not remembered: %s", name, error)

    def _read(self) -> dict[str, Any]:
        try:
            found = read_json(decode_text(self._path.read_bytes()))
        except (OSError, ValueError):
            return {}
        given = found.items() if isinstance(found, dict) else ()
        return {name: value for name, value in given if isinstance(value, str)}  # choices are names


class StandalonePage:
    """See `pages.Page`: our own buttons, one clip after the other, progress as the web UIs tell it.

    Args:
        folder: where clips are; nothing else is served.

    Attributes:
        choices: what is remembered, for the host's options.
        tasks: the clips that wait and the one that is made, for the host to report progress to.
        stop: set when the clip that is being made shall stop.
    """

    problem = ""
    targets: Sequence[str] = ()
    opens_folders = True  # the browser and the server are on the same machine

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.choices, self.tasks, self.stop = Choices(folder / CHOICES), Tasks(), threading.Event()
        self._line = Line("svd")
        self._queue: JobQueue | None = None
        self._exclusively: Callable[[str, Callable[[], list[Any]]], list[Any]] = lambda _, work: work()
        self._turning = threading.Lock()  # while one job follows another, so that a stop meets the one it is for

    def add_generate_buttons(self, part: str) -> Any:
        """Show Generate, and Interrupt in its place while a clip waits or is being made; Skip would do the same."""
        with gr.Row(elem_id=f"{part}_generate_box"):
            generate = gr.Button("Generate", variant="primary", elem_id=f"{part}_generate")
            gr.Button("Interrupt", variant="stop", elem_id=f"{part}_interrupt")
        return generate

    def queue_job(self, job: Job, extra_outputs: Sequence[Any]) -> Queued:
        """Make a handler that waits in this page's line; how long the job took is said below what the job says."""

        async def handle(task: str, *values: Any) -> list[Any]:
            self.tasks.wait(task)
            try:
                with self._line.hold_place(count_bytes(values)):
                    return await self._line.take_turn(lambda: self._run(task, job, values), task)
            except Busy:
                self.tasks.leave(task)  # else the page that follows it would wait for a sign of it
                raise
            except Interrupted:
                raise
            except Exception as error:
                log.exception("A job failed")
                return [*extra_outputs, render_error(f"{type(error).__name__}: the log has more.")]

        return handle

    async def stop_job(self, task: str) -> bool:
        """Stop a job. All of it is done here, and not on one of the threads that a page is answered on: they may be
        taken.
        """
        with self._turning:
            if self._line.leave(task):
                self.tasks.leave(task)
            elif self.tasks.is_running(task):
                self.stop.set()
        return True

    def find_url(self, path: Path) -> str:
        """Say where gradio serves a file of the folder of the clips, and parts of a file too."""
        return f"{FILES}{quote(path.absolute().as_posix())}"

    def receive(self, part: str, picture: Any, fields: Sequence[tuple[Any, Callable[[dict[str, str]], Any]]]) -> None:
        """Do nothing: there is no other tab."""

    def send(self, button: Any, target: str, picture: Any) -> None:
        """Do nothing: there are no targets."""

    def open_folder(self, folder: Path) -> None:
        """Open a folder with what the system opens folders with."""
        if sys.platform == "win32":
            os.startfile(folder)
            return
        try:
            subprocess.Popen(["open" if sys.platform == "darwin" else "xdg-open", str(folder)])
        except OSError as error:
            log.warning("%s cannot be opened on this machine: %s", folder, error)

    def remember(self, name: str, value: Any) -> None:
        """Keep a choice in the folder of the clips."""
        self.choices.keep(name, value)

    def close(self) -> None:
        """Stop the clip that is being made, and begin no other."""
        self._line.close()
        if self._queue is not None:
            self._queue.close()
        self.stop.set()

    def make_app(self, studio: Studio, names: Sequence[str] = (), password: str = "") -> Door:
        """Make the page a web application, behind a door that keeps other sites out.

        Args:
            studio: does the work.
            names: other names that the page is reached by.
        """
        fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # none from the net
        self._queue = queue = JobQueue(studio)
        theme = gr.themes.Default(**fonts)
        with make_page(TITLE, theme) as blocks:
            make_html(f"<style>{STYLE.read_text('utf-8')}</style>", elem_classes=["svd-hidden"])
            tab.build(studio, self, queue)  # takes its place here by itself
            blocks.load(
                fn=None, inputs=[], outputs=[], **make_js(_write_loader([path.read_text("utf-8") for path in SCRIPTS]))
            )
        app = FastAPI(title=TITLE, redoc_url=None)
        app.add_api_route("/internal/progress", self._answer, methods=["POST"], include_in_schema=False)
        self._exclusively = studio.host.queue.run_exclusively  # in turn with the jobs of the queue
        add_routes(app, studio, queue, [])
        return Door(OwnOnly(mount(app, blocks, self._folder, theme)), names, password)

    async def _answer(self, request: Request) -> JSONResponse:
        try:
            asked = await request.json()
            task, number = asked.get("id_task", ""), asked.get("id_live_preview", -1)
        except (AttributeError, ValueError, RecursionError):
            return JSONResponse({"error": "BadRequest", "message": 'Ask with {"id_task": "..."}.'}, 422)
        return JSONResponse(self.tasks.tell(task, number, bool(asked.get("live_preview", True))))

    def _run(self, task: str, job: Job, values: Sequence[Any]) -> list[Any]:
        """Run a job when it is its turn among those of the queue too, which no stop of this page is for."""
        return self._exclusively("svd", lambda: self._run_alone(task, job, values))

    def _run_alone(self, task: str, job: Job, values: Sequence[Any]) -> list[Any]:
        with self._turning:
            if not self._line.begins(task):
                return []  # nobody waits for it any more
            self.stop.clear()
            self.tasks.start(task)
        began = time.perf_counter()
        try:
            *outputs, said = job(*values)
        finally:
            with self._turning:
                self.tasks.finish(task)
                self.stop.clear()
        took = render_remark(f"Time taken: {time.perf_counter() - began:.1f} s. {_describe_memory()}")
        return [*outputs, said + took]


def serve(
    studio: Studio,
    page: StandalonePage,
    port: int,
    *,
    names: Sequence[str] = (),
    opens_browser: bool = False,
    password: str = "",
) -> None:
    """Serve the page until Ctrl-C: to this machine, or to every one that can reach it and has the password.

    Args:
        studio: does the work.
        page: what is served.
        port: where; 0: anywhere.
        names: other names that the page is reached by, such as a proxy's.
        opens_browser: whether to open it in a browser.
        password: `name:password`; "": it is served to this machine alone.

    Raises:
        BadRequest: the port is taken.
    """
    with socket.socket() as listening, use_own_cache():
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((EVERYWHERE if password else ADDRESS, port))
        except OSError as error:
            raise BadRequest(f"Port {port} cannot be used ({error.strerror}): choose another with --port.") from error
        address = f"http://{ADDRESS}:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            page.make_app(studio, names, password),
            log_level="warning",
            timeout_graceful_shutdown=SECONDS_TO_END,
            ws_max_size=MOST_BYTES,  # gradio 3 sends pictures that way
        )
        server = uvicorn.Server(config)
        # A connection that is cut off at the end is logged as an error.
        logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)
        others = ", and for others by this machine's name" if password else ""
        print(f"SVD is at {address}{others} (Ctrl-C ends it).", flush=True)
        if opens_browser:
            webbrowser.open(address)
        try:
            server.run(sockets=[listening])
        finally:
            page.close()


@contextmanager
def use_own_cache() -> Iterator[None]:
    """Keep what gradio copies for the browser in a folder of this page's own, which goes with it; one that a page which
    was killed left goes now.

    In the folder that gradio shares between all its servers, one of them reads a picture while another writes it.
    """
    chosen = os.environ.get("GRADIO_TEMP_DIR")
    place = Path(chosen or tempfile.gettempdir())
    place.mkdir(parents=True, exist_ok=True)
    for left in place.glob("page-svd-*"):
        with suppress(OSError):
            if is_left(left):
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"page-{mark()}", dir=place, ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield
        finally:
            if chosen is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = chosen


def _write_loader(scripts: Sequence[str]) -> str:
    """Write a function for gradio's load event that runs scripts as the page's own, in either version."""
    return (
        "() => { for (const text of "
        + json.dumps(scripts)
        + ") { const script = document.createElement('script'); script.textContent = text;"
        + " document.head.append(script); } }"
    )


def _describe_memory() -> str:
    """Say the most memory that was taken so far."""
    import torch

    if torch.cuda.is_available():
        return f"Peak GPU memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GB."
    import psutil

    return f"Memory in use: {psutil.Process().memory_info().rss / 2**30:.1f} GB."
