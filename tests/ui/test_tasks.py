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


def ask(tasks, task="a", number=-1, wants_picture=True):
    return tasks.tell(task, number, wants_picture)


def start(task="a"):
    tasks = Tasks()
    tasks.wait(task)
    tasks.start(task)
    return tasks


def test_a_task_waits_runs_and_ends():
    tasks = Tasks()
    tasks.wait("a")
    tasks.wait("b")
    assert ask(tasks, "b") == {
        "active": False,
        "queued": True,
        "completed": False,
        "id_live_preview": -1,
        "textinfo": "In queue: 2/2",
    }
    tasks.start("a")
    assert (ask(tasks, "a")["active"], ask(tasks, "b")["textinfo"]) == (True, "In queue: 1/1")
    tasks.finish("a")
    assert (ask(tasks, "a")["active"], ask(tasks, "a")["completed"]) == (False, True)
    assert not any(ask(tasks, "unknown")[name] for name in ("active", "queued", "completed"))


def test_a_whole_clip_is_one_bar_from_empty_to_full():
    tasks, shares = start(), [0.0]
    for stage, total in REPORTS:
        for done in range(total + 1):
            tasks.report(Progress(stage, done, total))
            shares.append(ask(tasks)["progress"])
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert ask(tasks)["textinfo"] == "Decoding 40/40"


ORDER = [stage for stage, _ in REPORTS]


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.integers(0, 9), st.integers(0, 9))))
def test_the_bar_never_goes_back_while_a_clip_is_made(reports):
    tasks, last = start(), 0.0
    for stage, done, total in sorted(reports, key=lambda report: ORDER.index(report[0])):
        tasks.report(Progress(stage, min(done, total), total))
        found = ask(tasks)["progress"]
        assert last <= found <= 1
        last = found


def test_half_a_clip_takes_as_long_again(monkeypatch):
    now = 100.0
    monkeypatch.setattr("lib_svd.ui.tasks.time.monotonic", lambda: now)
    tasks = start()
    assert ask(tasks)["eta"] is None
    now = 109.0
    tasks.report(Progress(Stage.SAMPLING, 1, 2))
    assert ask(tasks)["eta"] == pytest.approx(9 / 0.45 - 9)


def test_a_preview_is_made_only_for_those_who_look_and_sent_once():
    tasks, made = start(), []

    def make_preview():
        made.append(1)
        return Image.new("RGB", (12, 8), "red")

    tasks.report(Progress(Stage.SAMPLING, 1, 9), make_preview)
    assert ask(tasks)["live_preview"] is None
    assert made == []
    tasks.report(Progress(Stage.SAMPLING, 2, 9), make_preview)
    found = ask(tasks, number=0)
    image = Image.open(io.BytesIO(base64.b64decode(found["live_preview"].partition(",")[2])))
    assert image.size == (512, 341)
    assert ask(tasks, number=found["id_live_preview"])["live_preview"] is None
    assert ask(tasks, number=0, wants_picture=False)["live_preview"] is None
