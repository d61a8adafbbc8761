"""A studio with narrow models, and a page that only notes what it is asked."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():  # what gradio's own imports warn of is not ours to mend
    warnings.simplefilter("ignore")
    import gradio as gr

from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue
from lib_svd.studio import Studio
from lib_svd.ui import tab

_PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')  # as web UIs split infotext


class NotingPage:
    """A page without a host."""

    problem = ""
    targets = ("img2img",)
    opens_folders = True

    def __init__(self) -> None:
        self.remembered: dict[str, Any] = {}
        self.jobs: list[Any] = []
        self.received: list[tuple[str, Any, Any]] = []
        self.sent: list[tuple[str, str]] = []
        self.opened: list[Path] = []
        self.running = ""

    def add_generate_buttons(self, part):
        return gr.Button("Generate", elem_id=f"{part}_generate")

    def queue_job(self, job, extra_outputs):
        self.jobs.append(job)

        async def handle(task, *values):
            return job(*values)

        return handle

    async def stop_job(self, task):
        return task != self.running

    def find_url(self, path):
        return f"file={path.as_posix()}"

    def receive(self, part, picture, fields):
        self.received.append((part, picture, fields))

    def send(self, button, target, picture):
        self.sent.append((button.elem_id, target))

    def open_folder(self, folder):
        self.opened.append(folder)

    def remember(self, name, value):
        self.remembered[name] = value


@pytest.fixture
def noting_page():
    return NotingPage()


@pytest.fixture
def models(tmp_path, checkpoint_of):
    """A folder with three kinds of model."""
    folder = tmp_path / "models"
    folder.mkdir()
    for family in ("svd_xt", "svd_image_decoder", "sv3d_p"):
        shutil.copy(checkpoint_of(family), folder)
    return folder


@pytest.fixture
def options():
    """The host's settings."""
    return {}


@pytest.fixture
def studio(models, tmp_path, options, one_thread):
    return Studio(make_standalone_host("cpu", model_dirs=(models,), output_dir=tmp_path / "out", options=options))


@pytest.fixture
def empty_studio(tmp_path):
    return Studio(make_standalone_host("cpu", model_dirs=(tmp_path / "none",), output_dir=tmp_path / "out"))


def parse(infotext: str) -> dict[str, str]:
    """What a web UI makes of infotext: labels and values, sizes in two."""
    found = {}
    for label, value in _PARAMETER.findall(infotext):
        text = value.strip('"')
        size = re.fullmatch(r"(\d+)x(\d+)", text)
        found |= {f"{label}-1": size[1], f"{label}-2": size[2]} if size else {label: text}
    return found


def paste(pastes, parameters: dict[str, str]) -> dict[Any, Any]:
    """The value that each component gets, as a web UI hands them out: converted to the type of the first one."""
    given = {}
    for component, settle in pastes:
        value = settle(parameters)
        if isinstance(value, dict):
            given[component] = value["value"]
        elif value is not None:
            given[component] = type(component.value)(value)
    return given


@pytest.fixture
def built(studio: Studio, noting_page: NotingPage) -> tab.Tab:
    """The tab's parts; gradio keeps the whole of it behind the blocks."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        return tab.Tab(studio, noting_page, JobQueue(studio), blocks)
