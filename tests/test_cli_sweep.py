"""`python -m lib_svd sweep`: what a user gets."""

from __future__ import annotations

import json

import pytest

from lib_svd.files import hold_name
from lib_svd.video import probe


def test_a_sweep_makes_a_clip_a_value_and_one_of_all(here, checkpoint, picture, lib_svd):
    ran = lib_svd("sweep", picture, "--checkpoint", checkpoint, "--seed", 1, "--values", "30,200", "--out", "m.mp4",
                  "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in here.iterdir()) == [
        *("m-200.json", "m-200.mp4", "m-200.txt", "m-30.json", "m-30.mp4", "m-30.txt", "m.mp4", "m.txt")
    ]
    assert "m-30.mp4: Motion 30. Speed" in ran.out
    assert "All of them: m.mp4" in ran.out
    assert probe(here / "m.mp4").height > probe(here / "m-30.mp4").height


def test_in_json_each_clip_is_a_line_with_its_measures(here, checkpoint, picture, lib_svd):
    ran = lib_svd("sweep", picture, "--checkpoint", checkpoint, "--seed", 1, "--setting", "seed", "--values", "4,5",
                  "--out", "m.mp4", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    *clips, whole = map(json.loads, ran.out.splitlines())
    assert [(clip["path"], clip["value"]) for clip in clips] == [("m-4.mp4", 4), ("m-5.mp4", 5)]
    assert all(clip["review"]["motion"]["flow"] >= 0 for clip in clips)
    assert whole == {"path": "m.mp4"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--values", "60"], "2 to 36 different values"),
        (["--setting", "width", "--values", "64,96"], "cannot be swept"),
        (["--values", "60,900"], "from 1 to 255"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_a_sentence_and_nothing_is_written(
    words, said, here, checkpoint, picture, lib_svd
):
    ran = lib_svd("sweep", picture, "--checkpoint", checkpoint, *words)
    assert ran.code == 2
    assert said in ran.err
    assert list(here.iterdir()) == []


def test_a_clip_that_is_there_is_never_overwritten(here, checkpoint, picture, lib_svd):
    (here / "m-75.mp4").write_text("mine")
    ran = lib_svd("sweep", picture, "--checkpoint", checkpoint, "--out", "m.mp4")
    assert ran.code == 2
    assert (here / "m-75.mp4").read_text() == "mine"


def test_sweeps_of_one_picture_in_two_programs_keep_their_clips_apart(here, checkpoint, picture, lib_svd):
    (here / "output").mkdir()
    with hold_name(here / "output", picture.stem, ".mp4") as theirs:
        ran = lib_svd("sweep", picture, "--checkpoint", checkpoint, "--values", "30,200", "--quiet")
    assert ran.code == 0, ran.err
    name = theirs.stem.replace("0001", "0002")
    videos = sorted(path.name for path in (here / "output").glob("*.mp4"))
    assert videos == [f"{name}-200.mp4", f"{name}-30.mp4", f"{name}.mp4"]
