"""`python -m lib_svd batch`: what a user gets."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from lib_svd import studio
from lib_svd.errors import OutOfMemory
from lib_svd.infotext import read_infotext
from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from lib_svd.video import probe
from tests.conftest import save_picture, snapshot

SMALL = ("--steps", 1, "--frames", 3)


@pytest.fixture
def pictures(here) -> Path:
    """Two pictures in a folder, a third one in a folder of it, and what is none."""
    (here / "in" / "more").mkdir(parents=True)
    for number, name in enumerate(("cat 10.png", "cat 9.PNG", "more/dog.png")):
        save_picture(here / "in" / name, 150 + number, 100)
    for name in ("notes.txt", "clip.mp4", ".hidden.png"):
        (here / "in" / name).write_text("no picture")
    return here / "in"


@pytest.fixture
def run(pictures, checkpoint, lib_svd):
    """A batch of the pictures into `out`, in JSON: the exit code, and what became of each picture."""

    def batch(*words):
        ran = lib_svd("batch", "in", "--checkpoint", checkpoint, "--out-dir", "out", *SMALL, *words, "--json")
        *outcomes, end = map(json.loads, ran.out.splitlines())
        return ran.code, outcomes, end

    return batch


def states(outcomes):
    return [(each["picture"], each["state"]) for each in outcomes]


def made_in(folder: Path) -> list[ClipRequest]:
    """The settings of each clip there."""
    return [ClipRequest.from_infotext(read_infotext(path)) for path in sorted(folder.glob("*.mp4"))]


def table(**cells: str) -> None:
    """Write a table of one row a picture or setting: columns by name, the cells of each below one another."""
    columns = [text.split("|") for text in cells.values()]
    lines = [",".join(cells), *(",".join(row) for row in zip(*columns, strict=True))]
    Path("s.csv").write_text("\n".join(lines))


def test_each_picture_becomes_a_clip_in_natural_order(run, here):
    code, outcomes, end = run("--recursive")
    assert code == 0
    assert states(outcomes) == [("cat 9.PNG", "made"), ("cat 10.png", "made"), ("more/dog.png", "made")]
    assert end == {"counts": {"made": 3}, "report": "out/report.html"}
    for each in outcomes:
        assert probe(here / each["path"]).num_frames == 3
        entry = history.find_entry(Path(each["path"]))
        assert entry.picture == str(here / "in" / each["picture"])
        assert entry.measures["flow"] is not None
        assert entry.seconds["sample"] > 0


def test_folders_in_the_folder_are_left_alone_unless_asked_for(run):
    assert states(run()[1]) == [("cat 9.PNG", "made"), ("cat 10.png", "made")]


def test_clips_below_the_pictures_are_not_taken_for_pictures(run, here, lib_svd, checkpoint):
    words = ("batch", "in", "--checkpoint", checkpoint, "--recursive", *SMALL, "--out-dir", "in/out", "--also", "gif")
    assert lib_svd(*words).code == 0
    assert len(list((here / "in" / "out").glob("*.gif"))) == 3
    assert "3 there already." in lib_svd(*words).out


def test_the_model_is_loaded_once_and_nothing_is_made_twice(run, monkeypatch):
    loads = []
    load = studio.load_rest
    monkeypatch.setattr(studio, "load_rest", lambda *given: loads.append(given) or load(*given))
    first = run()[1]
    after = snapshot(Path("out"))
    code, second, _ = run()
    assert (code, len(loads)) == (0, 1)
    assert [(each["path"], each["settings"]) for each in second] == [(each["path"], each["settings"]) for each in first]
    assert {state for _, state in states(second)} == {"there already"}
    assert {name: after[name] for name in after if "report" not in name} == {
        name: content for name, content in snapshot(Path("out")).items() if "report" not in name
    }


def test_what_is_done_is_told_by_content_and_settings(run, pictures):
    before = {each["picture"]: each["path"] for each in run()[1]}
    (pictures / "cat 9.PNG").rename(pictures / "renamed.png")
    save_picture(pictures / "cat 10.png", 200, 120)
    code, outcomes, _ = run()
    assert code == 0
    assert states(outcomes) == [("renamed.png", "there already"), ("cat 10.png", "made")]
    assert outcomes[0]["path"] == before["cat 9.PNG"]
    assert outcomes[1]["path"] != before["cat 10.png"]
    assert {state for _, state in states(run("--motion", 90)[1])} == {"made"}
    assert {state for _, state in states(run("--decode-chunk", 1)[1])} == {"there already"}  # it changes no frame
    assert {state for _, state in states(run("--motion", 75)[1])} == {"there already"}  # as the model has it


def test_a_copy_of_a_picture_is_the_same_clip(run, pictures):
    (pictures / "a copy.png").write_bytes((pictures / "cat 9.PNG").read_bytes())
    _, outcomes, _ = run()
    assert Counter(state for _, state in states(outcomes)) == {"made": 2, "there already": 1}
    assert len({each["path"] for each in outcomes}) == 2


def test_a_seed_that_is_not_given_is_the_pictures_own(run):
    seeds = [each["settings"]["seed"] for each in run()[1]]
    assert len(set(seeds)) == 2
    assert [each["settings"]["seed"] for each in run("--motion", 90)[1]] == seeds
    assert [each["settings"]["seed"] for each in run("--seed", -1)[1]] == seeds
    assert [each["settings"]["seed"] for each in run("--seed", 5)[1]] == [5, 5]


def test_a_table_sets_what_differs_from_picture_to_picture(run, here):
    columns = {"picture": "cat 9.PNG|cat 9.PNG|./cat 9.PNG|more\\dog.png", "Motion": "60||90|", "seed": "|7|-1|"}
    table(**columns, size="|64x96||", **{"Guidance ramp": "Triangle|||"})
    code, outcomes, _ = run("--csv", "s.csv", "--recursive", "--fps", 5, "--seed", 3)
    assert code == 0
    told = [
        (each["picture"], *(each["settings"][name] for name in ("motion_bucket_id", "fps", "height", "guidance_ramp")))
        for each in outcomes
    ]
    assert told == [
        ("cat 9.PNG", 60, 5, 64, "triangle"),
        ("cat 9.PNG", 75, 5, 96, "linear"),
        ("cat 9.PNG", 90, 5, 64, "linear"),
        ("cat 10.png", 75, 5, 64, "linear"),
        ("more/dog.png", 75, 5, 64, "linear"),
    ]
    seeds = [each["settings"]["seed"] for each in outcomes]
    assert (seeds[:2], seeds[3:]) == ([3, 7], [3, 3])
    assert seeds[2] not in (3, 7)
    assert len(made_in(here / "out")) == 5


def test_rows_that_are_alike_are_several_clips_with_seeds_of_their_own(run):
    table(picture="cat 9.PNG|cat 9.PNG|cat 9.PNG", motion="60|60|60")
    _, outcomes, _ = run("--csv", "s.csv")
    assert states(outcomes)[:3] == [("cat 9.PNG", "made")] * 3
    assert len({each["settings"]["seed"] for each in outcomes[:3]}) == 3
    assert {state for _, state in states(run("--csv", "s.csv")[1])} == {"there already"}


def test_every_mistake_of_a_table_is_said_before_anything_is_loaded(pictures, checkpoint, lib_svd, monkeypatch):
    monkeypatch.setattr("lib_svd.batch.item.images.read_picture", lambda *_: pytest.fail("a picture was read"))
    table(
        picture="cat 9.PNG|none.png|cat 10.png|cat 10.png",
        Motion="900|||",
        haste="||1|",
        Frames="|||500",
        Window="|||500",
    )
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, "--csv", "s.csv", "--out-dir", "out")
    assert ran.code == 2
    said = ran.err.splitlines()
    assert len(said) == 4
    for line, words in zip(
        said,
        (
            ("s.csv, row 1, column 'haste': ", "docs/settings.md"),
            ("s.csv, row 2, column 'Motion': --motion must be from 1 to 255, not 900",),
            ("s.csv, row 3, column 'picture': ", "no picture 'none.png'"),
            ("s.csv, row 5: ", "cannot make 500"),
        ),
        strict=True,
    ):
        assert all(each in line for each in words), line
    assert sorted(path.name for path in Path().iterdir()) == ["in", "s.csv"]


def test_a_bad_picture_is_reported_and_passed_over(run, pictures):
    whole = (pictures / "cat 9.PNG").read_bytes()
    (pictures / "broken.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "letter.jpg").write_text("Dear Sir")
    save_picture(pictures / "icon.gif", 16, 16)
    Image.new("1", (9000, 9000)).save(pictures / "poster.png")
    code, outcomes, end = run()
    assert (code, end["counts"]) == (1, {"passed over": 4, "made": 2})
    said = {each["picture"]: each["notes"][0] for each in outcomes if each["state"] == "passed over"}
    assert "incomplete or damaged" in said["broken.png"]
    assert "a text file, not a picture" in said["letter.jpg"]
    assert "at least 32 pixels" in said["icon.gif"]
    assert "at most 70 megapixels" in said["poster.png"]
    with Path("out/report.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["picture"]: row for row in csv.DictReader(file)}
    assert rows["broken.png"]["said"] == said["broken.png"]
    assert rows["cat 9.PNG"]["state"] == "made"


def test_a_picture_without_room_is_noted_and_the_next_one_is_made(run, monkeypatch):
    sampled = []

    def sample(*given):
        sampled.append(given)
        if len(sampled) == 1:
            raise OutOfMemory.on("cuda")
        return real(*given)

    real = studio.animate.__globals__["sample_in_segments"]
    with monkeypatch.context() as patched:
        patched.setattr("lib_svd.animate.sample_in_segments", sample)
        code, outcomes, _ = run()
    assert (code, states(outcomes)) == (1, [("cat 9.PNG", "failed"), ("cat 10.png", "made")])
    assert "cuda has no room for this clip" in outcomes[0]["notes"][0]
    code, outcomes, _ = run()
    assert (code, states(outcomes)) == (0, [("cat 10.png", "there already"), ("cat 9.PNG", "made")])


def test_a_fault_that_nobody_foresaw_costs_one_clip(run, monkeypatch, caplog):
    monkeypatch.setattr("lib_svd.batch.local.LocalWorker._make_order", lambda *_: 1 / 0)
    code, outcomes, _ = run()
    assert (code, states(outcomes)) == (1, [("cat 9.PNG", "failed"), ("cat 10.png", "failed")])
    assert outcomes[0]["notes"] == [
        "The clip could not be made (ZeroDivisionError: division by zero): the log has more."
    ]
    assert "Traceback" in caplog.text


def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(run, pictures, checkpoint, lib_svd):
    (pictures / "broken.png").write_text("")
    words = ("batch", "in", "--checkpoint", checkpoint, "--out-dir", "out", *SMALL, "--dry-run")
    before = snapshot(Path())
    ran = lib_svd(*words)
    assert ran.code == 1
    assert snapshot(Path()) == before
    lines = ran.out.splitlines()
    assert lines[0] == "broken.png: passed over. in/broken.png is empty (0 bytes): copy or download it again."
    assert lines[1].startswith("cat 9.PNG: to be made. seed ")
    assert "3 frames, 7 fps, motion 75" in lines[1]
    assert "Memory: about " in ran.err
    run()
    save_picture(pictures / "new.png", 90, 90)
    ran = lib_svd(*words)
    assert "cat 9.PNG: there already, out/cat 9-" in ran.out
    assert "Time: about 00:0" in ran.err


def test_a_line_a_clip_has_its_number_and_the_time_that_is_left(pictures, checkpoint, lib_svd):
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, "--out-dir", "out", *SMALL)
    first, second, end = ran.out.splitlines()
    assert first.startswith("[1 of 2] cat 9.PNG: out/cat 9-")
    assert first.endswith(" left")
    assert second.startswith("[2 of 2] cat 10.png: out/cat 10-")
    assert end == "2 made. Report: out/report.html"
    assert "Clip 2 of 2: Sampling" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "none cannot be looked into (No such file or directory): name a folder"),
        (["in/notes.txt"], "in/notes.txt cannot be looked into (Not a directory)"),
        (["in", "--out-dir", "in"], "in cannot hold both pictures and clips: name another folder with --out-dir"),
        (["in", "--out-dir", "in/notes.txt/x"], "choose another place with --out-dir"),
        (["in", "--out-dir", "taken"], "taken/report.csv is there already and is no report of a batch: rename it"),
        (["in", "--motion", "900"], "--motion must be from 1 to 255"),
        (["in", "--csv", "none.csv"], "none.csv cannot be read as a table (No such file or directory)"),
        (["in", "--csv", "in/notes.txt"], "no column is called picture"),
        (["in", "--dry-run", "--watch"], "leave --watch out"),
        (["in", "--checkpoint", "none"], "No model is called 'none'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_is_written(
    words, said, pictures, checkpoint, lib_svd, here
):
    (here / "taken").mkdir()
    (here / "taken" / "report.csv").write_text("mine")
    before = snapshot(here)
    ran = lib_svd("batch", "--checkpoint", checkpoint, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert snapshot(here) == before


def test_a_folder_that_may_not_be_read_is_a_sentence(pictures, checkpoint, lib_svd, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    ran = lib_svd("batch", "in", "--recursive", "--checkpoint", checkpoint)
    assert (ran.code, ran.out) == (2, "")
    assert "in/more cannot be looked into (Permission denied): name a folder of pictures that you may read." in ran.err


def test_a_folder_without_pictures_is_no_failure(here, checkpoint, lib_svd):
    (here / "in").mkdir()
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, "--out-dir", "out")
    assert (ran.code, ran.out) == (0, "Nothing to do. Report: out/report.html\n")
    assert "There are no pictures in in." in ran.err


def test_a_picture_with_any_name_becomes_a_clip_with_one_that_fits(run, pictures):
    for name in ("x" * 240 + ".png", "\udcff.png", "=1+1.png", "-o.png", "<b>&amp;'\".png", "a:b?#%41.png"):
        Image.open(pictures / "cat 9.PNG").rotate(len(list(pictures.iterdir()))).save(os.fsencode(pictures / name))
    code, outcomes, _ = run("--enlarge", 2)
    assert (code, len(outcomes)) == (0, 8)
    assert all(Path(each["path"]).is_file() for each in outcomes)
