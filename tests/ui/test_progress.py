"""Progress as the page's script asks for it."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lib_svd.ui.progress import Progress

REPORTS = [("Loading svd.safetensors", 9), ("Reading the picture", 2), ("Sampling", 25), ("Decoding", 40)]


def told(progress, task="a", number=-1, wants_picture=True):
    return progress.told(task, number, wants_picture)


def running(task="a"):
    progress = Progress()
    progress.wait(task)
    progress.start(task)
    return progress


def test_a_task_waits_runs_and_ends():
    progress = Progress()
    progress.wait("a")
    progress.wait("b")
    assert told(progress, "b") == {
        "active": False,
        "queued": True,
        "completed": False,
        "id_live_preview": -1,
        "textinfo": "In queue: 2/2",
    }
    progress.start("a")
    assert (told(progress, "a")["active"], told(progress, "b")["textinfo"]) == (True, "In queue: 1/1")
    progress.finish("a")
    assert (told(progress, "a")["active"], told(progress, "a")["completed"]) == (False, True)
    assert not any(told(progress, "unknown")[name] for name in ("active", "queued", "completed"))


def test_a_whole_clip_is_one_bar_from_empty_to_full():
    progress, shares = running(), [0.0]
    for stage, total in REPORTS:
        for done in range(total + 1):
            progress.report(done, total, stage)
            shares.append(told(progress)["progress"])
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert told(progress)["textinfo"] == "Decoding 40/40"


ORDER = [stage for stage, _ in REPORTS]


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.integers(0, 9), st.integers(0, 9))))
def test_the_bar_never_goes_back_while_a_clip_is_made(reports):
    progress, last = running(), 0.0
    for stage, done, total in sorted(reports, key=lambda report: ORDER.index(report[0])):
        progress.report(min(done, total), total, stage)
        found = told(progress)["progress"]
        assert last <= found <= 1
        last = found


def test_half_a_clip_takes_as_long_again(monkeypatch):
    now = 100.0
    monkeypatch.setattr("lib_svd.ui.progress.time.monotonic", lambda: now)
    progress = running()
    assert told(progress)["eta"] is None
    now = 109.0
    progress.report(1, 2, "Sampling")
    assert told(progress)["eta"] == pytest.approx(9 / 0.45 - 9)


def test_a_preview_is_made_only_for_those_who_look_and_sent_once():
    progress, made = running(), []

    def preview():
        made.append(1)
        return Image.new("RGB", (12, 8), "red")

    progress.report(1, 9, "Sampling", preview)
    assert told(progress)["live_preview"] is None
    assert made == []
    progress.report(2, 9, "Sampling", preview)
    found = told(progress, number=0)
    image = Image.open(io.BytesIO(base64.b64decode(found["live_preview"].partition(",")[2])))
    assert image.size == (512, 341)
    assert told(progress, number=found["id_live_preview"])["live_preview"] is None
    assert told(progress, number=0, wants_picture=False)["live_preview"] is None
