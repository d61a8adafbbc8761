"""Progress as the page's script asks for it."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lib_svd.progress import Progress, Stage
from lib_svd.ui.tasks import Tasks

REPORTS = [(Stage.LOADING, 9), (Stage.READING, 2), (Stage.SAMPLING, 25), (Stage.DECODING, 40)]


def told(tasks, task="a", number=-1, wants_picture=True):
    return tasks.told(task, number, wants_picture)


def running(task="a"):
    tasks = Tasks()
    tasks.wait(task)
    tasks.start(task)
    return tasks


def test_a_task_waits_runs_and_ends():
    tasks = Tasks()
    tasks.wait("a")
    tasks.wait("b")
    assert told(tasks, "b") == {
        "active": False,
        "queued": True,
        "completed": False,
        "id_live_preview": -1,
        "textinfo": "In queue: 2/2",
    }
    tasks.start("a")
    assert (told(tasks, "a")["active"], told(tasks, "b")["textinfo"]) == (True, "In queue: 1/1")
    tasks.finish("a")
    assert (told(tasks, "a")["active"], told(tasks, "a")["completed"]) == (False, True)
    assert not any(told(tasks, "unknown")[name] for name in ("active", "queued", "completed"))


def test_a_whole_clip_is_one_bar_from_empty_to_full():
    tasks, shares = running(), [0.0]
    for stage, total in REPORTS:
        for done in range(total + 1):
            tasks.report(Progress(stage, done, total))
            shares.append(told(tasks)["progress"])
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert told(tasks)["textinfo"] == "Decoding 40/40"


ORDER = [stage for stage, _ in REPORTS]


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.integers(0, 9), st.integers(0, 9))))
def test_the_bar_never_goes_back_while_a_clip_is_made(reports):
    tasks, last = running(), 0.0
    for stage, done, total in sorted(reports, key=lambda report: ORDER.index(report[0])):
        tasks.report(Progress(stage, min(done, total), total))
        found = told(tasks)["progress"]
        assert last <= found <= 1
        last = found


def test_half_a_clip_takes_as_long_again(monkeypatch):
    now = 100.0
    monkeypatch.setattr("lib_svd.ui.tasks.time.monotonic", lambda: now)
    tasks = running()
    assert told(tasks)["eta"] is None
    now = 109.0
    tasks.report(Progress(Stage.SAMPLING, 1, 2))
    assert told(tasks)["eta"] == pytest.approx(9 / 0.45 - 9)


def test_a_preview_is_made_only_for_those_who_look_and_sent_once():
    tasks, made = running(), []

    def preview():
        made.append(1)
        return Image.new("RGB", (12, 8), "red")

    tasks.report(Progress(Stage.SAMPLING, 1, 9), preview)
    assert told(tasks)["live_preview"] is None
    assert made == []
    tasks.report(Progress(Stage.SAMPLING, 2, 9), preview)
    found = told(tasks, number=0)
    image = Image.open(io.BytesIO(base64.b64decode(found["live_preview"].partition(",")[2])))
    assert image.size == (512, 341)
    assert told(tasks, number=found["id_live_preview"])["live_preview"] is None
    assert told(tasks, number=0, wants_picture=False)["live_preview"] is None
