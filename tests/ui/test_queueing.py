"""The panel of the queue: what it shows of a job, what its buttons do, and that names in it are text and never HTML."""

from __future__ import annotations

import json
import re

import gradio as gr
import pytest

from lib_svd.queue import JobQueue, State
from lib_svd.ui.queueing import Queueing
from tests.conftest import save_picture

pytestmark = [
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
    pytest.mark.usefixtures("one_thread"),
]
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def queue(studio) -> JobQueue:
    return JobQueue(studio)


@pytest.fixture
def panel(studio, queue, noting_page) -> Queueing:
    with gr.Blocks(analytics_enabled=False):
        return Queueing(studio, queue, noting_page, "svd_clip")


def list_ids(html: str) -> list[str]:
    return re.findall(r'class="svd-job" data-job="(\w+)"', html)


def test_the_panel_shows_what_waits_and_its_buttons_act(panel, queue, picture):
    first, second, third = (queue.add("animate", {**SHORT, "seed": n}, picture.read_bytes()) for n in (1, 2, 3))
    shown, _ = panel.act("")
    assert list_ids(shown) == [first.id, second.id, third.id]
    assert "seed 1," in shown
    shown, _ = panel.act(json.dumps([["up", third.id]]))
    assert list_ids(shown) == [first.id, third.id, second.id]
    shown, _ = panel.act(json.dumps([["down", first.id], ["cancel", second.id]]))
    assert list_ids(shown)[:2] == [third.id, first.id]
    assert queue.find(second.id).state is State.CANCELLED
    shown, said = panel.act(json.dumps([["forget", second.id], ["forget", second.id]]))
    assert list_ids(shown) == [third.id, first.id]
    assert said == ""


@pytest.mark.parametrize("asked", ["{", "7", '[["explode", "x"]]', '[["up"]]', '[["up", 7]]', "null", '[["up", "x"]]'])
def test_what_no_button_sends_does_nothing(panel, queue, picture, asked):
    job = queue.add("animate", SHORT, picture.read_bytes())
    shown, _ = panel.act(asked)
    assert list_ids(shown) == [job.id]


def test_titles_are_text(panel, queue, picture):
    queue.add("animate", SHORT, picture.read_bytes(), title='<img src=x onerror="alert(1)">')
    shown, _ = panel.act("")
    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown


def test_an_empty_queue_says_how_to_begin(panel):
    shown, _ = panel.act("")
    assert "press Add to queue" in shown


def test_a_queue_is_saved_beside_the_clips_and_what_cannot_be_is_said(panel, queue, picture, studio):
    assert "No job waits" in panel.save()
    queue.add("animate", SHORT, picture.read_bytes())
    assert "queue-svd-0001.zip" in panel.save()
    assert (studio.find_output_dir() / "queue-svd-0001.zip").is_file()
    assert "was not uploaded here" in panel.load("/etc/hostname")


def test_the_tab_adds_what_its_controls_say(built, picture):
    assert "There is no picture yet" in built.enqueue(None, False, *[c.value for c in built.controls.components])


def test_names_of_a_folders_pictures_are_text(panel, studio):
    folder = studio.find_output_dir() / "pictures of mine"
    folder.mkdir()
    save_picture(folder / "<img src=x onerror=alert(1)>.png", 150, 100)
    shown = panel._folder.look({**SHORT, "folder": str(folder), "recursive": False})
    assert "1 to be made." in shown
    assert "<img" not in shown
    assert "&lt;img src=x" in shown
