"""Batches as programs of their own: two at once, one that watches, one that is stopped or killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import save_picture, snapshot, start

HANG = """
import sys, time
from pathlib import Path
import lib_svd.animate as recipe
sample = recipe.sample_in_segments
def hanging(run, *given):
    Path("sampling").touch()
    while Path("hang").exists():
        if run.host.queue.is_interrupted():
            raise KeyboardInterrupt
        time.sleep(0.01)
    return sample(run, *given)
recipe.sample_in_segments = hanging
"""
"""A batch that samples nothing as long as there is a file `hang`."""


@pytest.fixture
def begin(here, checkpoint):
    """Start a batch of the folder `in`; none outlives its test."""
    (here / "in").mkdir()
    begun: list[subprocess.Popen[str]] = []

    def begin_batch(*words: object, first: str = "") -> subprocess.Popen[str]:
        small = ("--checkpoint", checkpoint, "--steps", 1, "--frames", 3, "--out-dir", "out", "--json")
        begun.append(start("batch", "in", *small, *words, cwd=here, first=first))
        return begun[-1]

    yield begin_batch
    for running in begun:
        running.kill()
        running.communicate()


def wait_until(there) -> None:
    """Wait until a function says so."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def told(said: str) -> tuple[dict[str, str], dict[str, int]]:
    """What became of each picture in the end, and the counts."""
    *outcomes, end = map(json.loads, said.splitlines())
    return {each["picture"]: each["state"] for each in outcomes}, end["counts"]


def clips(here: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (here / "out").glob("*.mp4"))


def assert_clean(here: Path) -> None:
    """Nothing half, and nothing that is there to go on from."""
    left = [name for name in snapshot(here / "out") if name.startswith(".") or "latents" in name]
    assert left == []


def begin_hanging(here, begin) -> subprocess.Popen[str]:
    """Start a batch of two pictures that stands still in its first clip until `hang` is removed."""
    for number in range(2):
        save_picture(here / "in" / f"{number}.png", 150 + number, 100)
    (here / "hang").touch()
    running = begin(first=HANG)
    wait_until((here / "sampling").exists)
    return running


def test_two_batches_into_one_folder_share_the_work(here, begin):
    names = [f"{number}.png" for number in range(6)]
    for number, name in enumerate(names):
        save_picture(here / "in" / name, 150 + number, 100)
    said = [running.communicate(timeout=120) for running in [begin(), begin()]]
    assert [err for _, err in said] == ["", ""]
    states = [told(out)[0] for out, _ in said]
    assert all(sorted(each) == names for each in states)
    made = Counter(name for each in states for name, state in each.items() if state == "made")
    assert made == dict.fromkeys(names, 1)
    assert clips(here) == [str(number) for number in range(6)]
    assert_clean(here)
    assert (here / "out" / "report.html").read_text("utf-8").count("<article") == 6


def test_what_another_batch_was_killed_at_is_made_by_the_one_that_waited(here, begin):
    save_picture(here / "in" / "1.png", 150, 100)
    (here / "hang").touch()
    first = begin(first=HANG)
    wait_until((here / "sampling").exists)
    second = begin()
    time.sleep(1)  # it looks, finds the clip being made, and waits
    first.kill()
    first.communicate()
    out, _ = second.communicate(timeout=120)
    assert (second.returncode, told(out)) == (0, ({"1.png": "made"}, {"made": 1}))
    assert clips(here) == ["1"]
    assert_clean(here)


def test_ctrl_c_keeps_what_was_made_and_says_what_is_left(here, begin):
    for number in range(3):
        save_picture(here / "in" / f"{number}.png", 150 + number, 100)
    running = begin(first=HANG)
    assert json.loads(running.stdout.readline())["state"] == "made"
    (here / "sampling").unlink(missing_ok=True)
    (here / "hang").touch()
    wait_until((here / "sampling").exists)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (130, "Stopped.\n")
    counts = json.loads(out.splitlines()[-1])["counts"]
    assert counts["made"] >= 1
    assert counts["to be made"] == 3 - counts["made"]
    assert_clean(here)
    assert "Not made yet" in (here / "out" / "report.html").read_text("utf-8")
    (here / "hang").unlink()
    again = begin()
    _, counts_again = told(again.communicate(timeout=120)[0])
    assert counts_again == {"there already": counts["made"], "made": counts["to be made"]}
    assert again.returncode == 0


def test_a_folder_that_is_watched_takes_each_picture_when_it_is_whole(here, begin, picture):
    save_picture(here / "in" / "first.png", 140, 100)
    running = begin("--watch")
    assert json.loads(running.stdout.readline())["picture"] == "first.png"
    whole = picture.read_bytes()
    with (here / "in" / "slow.png").open("wb", buffering=0) as file:
        step = len(whole) // 5
        for begins in range(0, len(whole), step):
            file.write(whole[begins : begins + step])
            time.sleep(0.7)
    (here / "in" / "notes.txt").write_text("no picture")
    outcome = json.loads(running.stdout.readline())
    assert (outcome["picture"], outcome["state"]) == ("slow.png", "made")
    wait_until(lambda: "slow.png" in report(here))  # it is up to date while nothing is to be made
    save_picture(here / "in" / "first.png", 120, 160)  # another picture of that name
    outcome = json.loads(running.stdout.readline())
    assert (outcome["picture"], outcome["state"]) == ("first.png", "made")
    wait_until(lambda: Path(outcome["path"]).name in report(here))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert json.loads(out)["counts"] == {"made": 2}
    assert clips(here) == ["first", "first", "slow"]
    assert_clean(here)


def report(here: Path) -> str:
    path = here / "out" / "report.html"
    return path.read_text("utf-8") if path.exists() else ""


def test_a_watched_picture_that_stalled_half_way_is_made_when_it_is_whole(here, begin, picture):
    whole = picture.read_bytes()
    (here / "in" / "slow.png").write_bytes(whole[: len(whole) // 2])
    running = begin("--watch")
    assert json.loads(running.stdout.readline())["state"] == "passed over"
    with (here / "in" / "slow.png").open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    assert json.loads(running.stdout.readline())["state"] == "made"
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert (running.returncode, json.loads(out)["counts"]) == (0, {"made": 1})


def test_a_picture_that_changes_after_it_was_looked_at_is_said(here, begin):
    running = begin_hanging(here, begin)
    save_picture(here / "in" / "1.png", 100, 150)
    (here / "hang").unlink()
    out, _ = running.communicate(timeout=120)
    assert (running.returncode, told(out)[0]) == (1, {"0.png": "made", "1.png": "failed"})
    assert "in/1.png was changed after it had been looked at: start again." in out


def test_a_folder_of_clips_that_goes_costs_no_more_than_what_was_in_it(here, begin):
    running = begin_hanging(here, begin)
    (here / "out").rename(here / "gone")
    (here / "hang").unlink()
    _, err = running.communicate(timeout=120)
    assert "Traceback" not in err
    assert running.returncode == 2
    assert "out/report.csv cannot be written (No such file or directory)" in err
