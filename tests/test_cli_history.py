"""`python -m lib_svd history`: what a user sees of their clips."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from lib_svd import cli
from lib_svd.jobs import history

CLI = Path(cli.__file__).parent


@pytest.fixture
def swept(here, checkpoint, picture, lib_svd):
    ran = lib_svd("sweep", picture, "--checkpoint", checkpoint, "--seed", 1, "--values", "30,200", "--out", "m.mp4",
                  "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    return here


def test_clips_are_listed_with_what_was_measured_marked_and_noted(swept, lib_svd, picture):
    assert lib_svd("history", ".", "--note", "m-30.mp4", "calm").code == 0
    assert lib_svd("history", ".", "--mark", "m-30.mp4", "motion", 2).code == 0
    ran = lib_svd("history", ".", "--find", "calm")
    assert "1 clips in ." in ran.out
    assert "m-30.mp4, seed 1, svd_xt.safetensors, 5 frames, " in ran.out
    assert ", motion 30, " in ran.out
    assert ran.out.splitlines()[0].endswith("motion 2 of 5: calm")
    found = {each["path"]: each for each in json.loads(lib_svd("history", ".", "--json").out)}
    assert sorted(found) == ["m-200.mp4", "m-30.mp4", "m.mp4"]
    assert found["m-30.mp4"]["picture"] == str(picture)
    assert found["m-30.mp4"]["marks"] == {"motion": 2}
    assert found["m-200.mp4"]["measures"]["flow"] >= 0
    assert len(found["m-200.mp4"]["series"]["flow"]) == 4  # a number a pair of frames


def test_clips_are_compared_sorted_written_and_thrown_away(swept, lib_svd):
    ran = lib_svd("history", ".", "--find", "m-", "--compare", "--sort", "motion_bucket_id", "--csv", "t.csv")
    assert [line.split()[1] for line in ran.out.splitlines()[:2]] == ["m-200.mp4,", "m-30.mp4,"]
    assert len((swept / "t.csv").read_text().splitlines()) == 3
    assert lib_svd("history", "--trash", "m-30.mp4").code == 0
    assert "2 clips" in lib_svd("history", ".").out
    assert (swept / "trash" / "m-30.mp4").exists()


@pytest.mark.parametrize("option", [["--trash"], ["--note"], ["--mark"]])
def test_no_option_reaches_a_file_outside_the_folders_of_clips(swept, lib_svd, option, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    for name in ("m-30.mp4", "m-30.txt"):
        (outside / name).write_bytes((swept / name).read_bytes())
    more = {"--trash": [], "--note": ["mine"], "--mark": ["motion", 3]}[option[0]]
    (swept / "link").symlink_to(outside)
    for path in (outside / "m-30.mp4", swept / "link" / "m-30.mp4"):
        ran = lib_svd("history", ".", *option, path, *more)
        assert ran.code == 2
        assert f"{path} is not in ." in ran.err
    assert sorted(path.name for path in outside.iterdir()) == ["m-30.mp4", "m-30.txt"]


def test_many_clips_are_compared_at_once(here, lib_svd, monkeypatch):
    """What differs is found once, not once a clip: 10,000 clips would take an hour."""
    for number in range(20):
        (here / f"{number}.mp4").write_bytes(b"")
    asked = []
    monkeypatch.setattr("lib_svd.jobs.history.list_differing", lambda clips: asked.append(len(clips)) or [])
    assert lib_svd("history", ".", "--compare").code == 0
    assert asked == [20]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "There is no folder none"),
        ([".", "--sort", "beauty"], "nothing to sort by"),
        ([".", "--trash", "none.mp4"], "There is no clip none.mp4"),
        ([".", "--mark", "m.mp4", "motion", "9"], "1 to 5"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words, said, here, lib_svd):
    (here / "m.mp4").write_bytes(b"video")
    ran = lib_svd("history", *words)
    assert ran.code == 2
    assert said in ran.err


EVIL = "\x1b[2J\x1b]0;mine\x07 \x9b31m \u202egpj.exe \x7f\r"
SEEN = r"\u001b[2J\u001b]0;mine\u0007 \u009b31m \u202egpj.exe \u007f\u000d"


@pytest.fixture
def noted(here):
    """A clip with a note that a terminal would obey, which a list needs no more of than its sidecar."""
    (here / "clip.mp4").write_bytes(b"")
    history.mark(here / "clip.mp4", note=f"{EVIL}\nbelow")
    return here


def test_nothing_that_is_listed_is_obeyed_by_the_terminal(noted, lib_svd):
    ran = lib_svd("history", ".")
    assert "clip.mp4: " + SEEN.replace(r"\u000d", " below") in ran.out
    assert not set(EVIL) & set(ran.out) - set(SEEN)
    listed = lib_svd("history", ".", "--json")
    assert not set(EVIL) & set(listed.out) - set(SEEN)
    assert json.loads(listed.out)[0]["note"] == f"{EVIL}\nbelow"


def test_nothing_that_is_said_of_a_file_is_obeyed_by_the_terminal(here, lib_svd):
    ran = lib_svd("review", f"{EVIL}.mp4")
    assert SEEN in ran.err
    assert not set(EVIL) & set(ran.err) - set(SEEN)


@pytest.mark.parametrize("note", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", "=cmd|' /C calc'!A0"])
def test_no_note_becomes_a_formula_of_a_table(here, lib_svd, note):
    (here / "=clip.mp4").write_bytes(b"")
    history.mark(here / "=clip.mp4", note=note)
    assert lib_svd("history", ".", "--csv", "t.csv").code == 0
    with (here / "t.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["clip"], row["note"]) == ("'=clip.mp4", f"'{note}")


def test_everything_is_printed_by_the_one_who_looks_at_it():
    printed = [
        path.name for path in CLI.glob("*.py") if re.search(r"\bprint\(|\.echo\(|\.secho\(", path.read_text("utf-8"))
    ]
    assert printed == ["terminal.py"]
