"""Nothing is lost when a page closes: what is known of a clip stands beside it."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lib_svd.clip import Clip
from lib_svd.errors import BadInput, BadOutput, BadRequest
from lib_svd.files import find_free_name, publish
from lib_svd.jobs import history, reopen_clip, searching, trash
from lib_svd.request import CompleteRequest
from lib_svd.review import review
from lib_svd.video import Encoding, save
from tests.conftest import snapshot
from tests.requests import complete
from tests.review import clips

pytestmark = pytest.mark.usefixtures("one_thread")
MOVING = review(clips.make_pan(3))


def write_clip(path: Path, age=0, **settings) -> Path:
    """Something that is named like a clip, with its `.txt`, so many seconds old."""
    path.write_bytes(b"video")
    path.with_suffix(".txt").write_text(complete(**settings).write_infotext(), "utf-8")
    os.utime(path, (1_700_000_000 - age,) * 2)
    return path


def test_what_is_remembered_is_there_again_when_the_folder_is_opened(tmp_path):
    settings = complete(seed=5, motion_bucket_id=90, checkpoint="svd_xt.safetensors")
    video = write_clip(tmp_path / "a.mp4")
    history.remember(video, settings, "/pictures/cat.png", MOVING)
    history.mark(video, marks={"motion": 4}, note="the tail, schön")
    history.mark(video, marks={"fidelity": 2})
    (found,) = history.read_entries(tmp_path)
    assert CompleteRequest(**found.settings) == settings
    assert (found.picture, found.note) == ("/pictures/cat.png", "the tail, schön")
    assert found.marks == {"motion": 4, "fidelity": 2}
    assert found.measures["flow"] == pytest.approx(3, rel=0.1)


def test_a_list_has_all_of_a_clip_but_its_series_and_another_clip_once_its_note_changes(tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    history.remember(clip, complete(seed=5), "", MOVING)
    listed = history.read_entries(tmp_path)
    assert listed == [replace(history.find_entry(clip), series={})]
    assert history.find_entry(clip).series

    before = history.list_clips(tmp_path)
    assert history.list_clips(tmp_path) == before
    history.mark(clip, note="another")
    assert history.list_clips(tmp_path) != before
    assert history.read_entries(tmp_path)[0].note == "another"


def test_how_long_each_stage_took_is_remembered(tmp_path):
    video = write_clip(tmp_path / "a.mp4")
    history.remember(video, complete(), "", None, seconds={"sample": 1.23456, "decode": 2})
    assert history.find_entry(video).seconds == {"sample": 1.235, "decode": 2}
    note = json.loads(video.with_suffix(".json").read_text())
    video.with_suffix(".json").write_text(json.dumps({name: note[name] for name in note if name != "seconds"}))
    assert history.find_entry(video).seconds == {}  # a note of an earlier version


def test_measuring_again_keeps_marks_and_note(tmp_path):
    video = write_clip(tmp_path / "a.mp4")
    history.mark(video, marks={"motion": 4}, note="mine")
    found = history.remember(video, complete(), "", MOVING)
    assert (found.marks, found.note) == ({"motion": 4}, "mine")


def test_clips_without_a_note_are_there_with_the_settings_of_their_text_newest_first(tmp_path):
    write_clip(tmp_path / "old.mp4", age=100, fps=12)
    write_clip(tmp_path / "new.mp4")
    (tmp_path / "bare.mp4").write_bytes(b"video")
    os.utime(tmp_path / "bare.mp4", (1, 1))
    (tmp_path / ".svd-unfinished.mp4").write_bytes(b"")
    (tmp_path / "photo.png").write_bytes(b"")
    found = history.read_entries(tmp_path)
    assert [each.video.name for each in found] == ["new.mp4", "old.mp4", "bare.mp4"]
    assert found[1].settings["fps"] == 12
    assert found[2].settings == {}


def test_the_newest_come_first_where_files_were_copied_in_another_order_too(tmp_path):
    for number in range(6):
        history.mark(write_clip(tmp_path / f"{number}.mp4", age=number), note="x")
    for number in (0, 4, 2):
        os.utime(tmp_path / f"{number}.mp4", (1_750_000_000 + number,) * 2)
    assert [each.video.stem for each in history.read_entries(tmp_path)] == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"mine": 1}', '"text"', "null"])
def test_a_damaged_note_costs_nothing_but_itself_and_somebody_elses_is_never_overwritten(damage, tmp_path):
    video = write_clip(tmp_path / "a.mp4", fps=12)
    (tmp_path / "a.json").write_text(damage)
    (found,) = history.read_entries(tmp_path)
    assert found.settings["fps"] == 12
    with pytest.raises(BadOutput, match="not ours"):
        history.mark(video, note="x")
    assert (tmp_path / "a.json").read_text() == damage


def read_kept(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("made", "yesterday"),
        ("made", float("nan")),
        ("made", 1e300),
        ("settings", []),
        ("settings", {"fps": "fast"}),
        ("settings", {"sampler": 3}),
        ("picture", None),
        ("measures", [1, 2]),
        ("measures", {"flow": "much"}),
        ("measures", {"flow": float("inf")}),
        ("series", {"flow": 3}),
        ("series", {"flow": ["a"]}),
        ("marks", {"motion": "good"}),
        ("marks", {"motion": 9}),
        ("note", 5),
    ],
)
def test_values_of_the_wrong_type_count_as_damage_and_the_list_can_still_be_sorted(name, value, tmp_path):
    for stem in ("good", "bad"):
        history.remember(write_clip(tmp_path / f"{stem}.mp4", fps=12), complete(fps=9), "", MOVING)
    (tmp_path / "bad.json").write_text(json.dumps({**read_kept(tmp_path / "bad.json"), name: value}))
    found = history.read_entries(tmp_path)
    assert {each.video.stem: each.settings["fps"] for each in found} == {"good": 9, "bad": 12}
    for column in history.COLUMNS:
        assert len(searching.sort_clips(found, column)) == 2


MANY = 10**400
ODD = {
    "a number of 400 digits in its text": lambda clip: clip.with_suffix(".txt").write_text(f"SVD frames: {MANY}"),
    "a text that is none": lambda clip: clip.with_suffix(".txt").write_bytes(b"\xff\xfe"),
    "a pipe for a text": lambda clip: os.mkfifo(clip.with_suffix(".txt")),
    "a pipe for a note": lambda clip: os.mkfifo(clip.with_suffix(".json")),
    "a folder for a note": lambda clip: clip.with_suffix(".json").mkdir(),
    "a ring of links for a note": lambda clip: clip.with_suffix(".json").symlink_to(clip.with_suffix(".json").name),
    "a note that is nested deeply": lambda clip: clip.with_suffix(".json").write_text("[" * 100_000),
    "a note with a number of 5000 digits": lambda clip: clip.with_suffix(".json").write_text("9" * 5000),
}


@pytest.mark.parametrize("odd", ODD)
def test_whatever_lies_beside_a_clip_it_is_listed_with_the_others(odd, tmp_path):
    (tmp_path / "odd.mp4").write_bytes(b"video")
    ODD[odd](tmp_path / "odd.mp4")
    write_clip(tmp_path / "good.mp4", fps=12)
    found = {each.video.name: each.settings for each in history.read_entries(tmp_path)}
    assert (found["odd.mp4"], found["good.mp4"]["fps"]) == ({}, 12)


def test_a_clip_that_cannot_be_named_is_passed_over_and_said_to_be(tmp_path):
    (tmp_path / "\udcff.mp4").write_bytes(b"video")
    (tmp_path / "ring.mp4").symlink_to("ring.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    write_clip(tmp_path / "good.mp4")
    clips, passed_over = history.list_clips(tmp_path)
    assert [each.video.name for each in clips] == ["good.mp4"]
    (sentence,) = passed_over
    assert r"'\udcff.mp4' in" in sentence


def test_a_folder_that_cannot_be_read_is_passed_over_and_the_others_are_listed(tmp_path):
    write_clip(tmp_path / "good.mp4")
    no_folder = tmp_path / "file"
    no_folder.write_bytes(b"")
    clips, passed_over = history.list_clips(no_folder, tmp_path)
    assert [each.video.name for each in clips] == ["good.mp4"]
    assert passed_over == [f"'{no_folder}' is passed over (Not a directory): allow reading it."]


@pytest.mark.parametrize("changed", [-(10**10), 2**40])
def test_a_clip_of_no_year_that_can_be_shown_is_listed(changed, tmp_path):
    clip = history.Unread(tmp_path / "a.mp4", changed, "")
    (found,) = history.sort_newest([clip])
    assert found.flatten()["made"][:4] in ("1970", "9999")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", {"zoom": float("nan")}),
        ("settings", {"zoom": float("inf")}),
        ("settings", {"num_steps": MANY}),
        ("measures", {"flow": MANY}),
        ("series", {"flow": [float("nan")]}),
        ("note", "\ud800"),
        ("picture", "\udcff"),
        ("measures", {"\ud800": 1.0}),
    ],
)
def test_what_could_be_neither_shown_nor_sent_counts_as_damage(name, value, tmp_path):
    video = write_clip(tmp_path / "a.mp4", fps=12)
    history.remember(video, complete(), "", MOVING)
    kept = json.loads(video.with_suffix(".json").read_text("utf-8"))
    kept[name] = {**kept[name], **value} if isinstance(value, dict) else value
    video.with_suffix(".json").write_text(json.dumps(kept), "utf-8")
    (found,) = history.read_entries(tmp_path)
    assert (found.settings["fps"], found.measures) == (12, {})  # of its text


def test_words_find_names_notes_pictures_models_and_settings(tmp_path):
    for name, fps, note in (("cat", 7, "good tail"), ("dog", 12, "too fast"), ("cow", 12, "")):
        video = write_clip(tmp_path / f"{name}.mp4", fps=fps)
        history.remember(video, complete(fps=fps, checkpoint="svd_xt.safetensors"), f"/p/{name}.png", MOVING)
        history.mark(video, note=note)

    def list_names(words):
        return sorted(each.video.stem for each in searching.find_clips(history.read_entries(tmp_path), words))

    assert list_names("") == ["cat", "cow", "dog"]
    assert list_names("TAIL") == ["cat"]
    assert list_names("dog.png") == ["dog"]
    assert list_names("svd_xt fps=12") == ["cow", "dog"]
    assert list_names("fps=12 fast") == ["dog"]
    assert list_names("motion=75 fps=7") == list_names("motion_bucket_id=75 fps=7") == ["cat"]
    assert list_names("focus-across=0.5") == list_names("focus-x=0.5") == ["cat", "cow", "dog"]
    assert list_names("motion=7") == []
    assert list_names("nothing") == []


@pytest.mark.parametrize(
    "words",
    [
        *("max_guidance=3", "guidance-last=3", "guidance-last=3.0", "MAX-GUIDANCE=3.00"),
        *('sampler="DPM++ 2M"', "sampler=dpmpp_2m", "sampler=DPMPP_2M"),
        *(
            "checkpoint=svd_xt.safetensors",
            "Model=svd_xt",
            'checkpoint="svd_xt.safetensors [1a2b3c4d5e]"',
            "1a2b3c4d5e",
        ),
        *("caf\u00e9", "cafe\u0301", "CAFE\u0301", '"two words"', "two words"),
    ],
)
def test_a_clip_is_found_as_people_write(tmp_path, words):
    settings = complete(max_guidance=3.0, sampler="dpmpp_2m", checkpoint="svd_xt.safetensors [1a2b3c4d5e]")
    history.remember(write_clip(tmp_path / "cafe\u0301.mp4"), settings, "", None)
    history.mark(tmp_path / "cafe\u0301.mp4", note="of two words")
    history.remember(write_clip(tmp_path / "tea.mp4"), complete(max_guidance=2.0), "", None)
    assert [each.video.stem for each in searching.find_clips(history.read_entries(tmp_path), words)] == ["cafe\u0301"]


def test_sorted_by_a_measure_the_highest_comes_first_and_the_unmeasured_last(tmp_path):
    for name, flow in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        moved = replace(MOVING, motion=replace(MOVING.motion, flow=flow))
        history.remember(write_clip(tmp_path / f"{name}.mp4"), complete(), "", moved)
    write_clip(tmp_path / "d.mp4")
    found = searching.sort_clips(history.read_entries(tmp_path), "flow")
    assert [each.video.stem for each in found] == ["b", "c", "a", "d"]
    assert [each.video.stem for each in searching.sort_clips(found, "flow", ascending=True)] == ["a", "c", "b", "d"]
    settings = [replace(each, settings={**each.settings, "motion_bucket_id": 7 * n}) for n, each in enumerate(found, 1)]
    assert {
        searching.sort_clips(settings, name)[0].video.stem for name in ("motion_bucket_id", "Motion", "motion")
    } == {"d"}
    with pytest.raises(BadRequest, match="flow"):
        searching.sort_clips(found, "beauty")


def test_clips_that_are_compared_tell_what_differs(tmp_path):
    one, two = write_clip(tmp_path / "a.mp4", fps=7, seed=1), write_clip(tmp_path / "b.mp4", fps=12, seed=1)
    assert history.list_differing([history.find_entry(one), history.find_entry(two)]) == ["fps"]


def test_trash_takes_all_that_belongs_to_a_clip_and_nothing_else(tmp_path):
    video = write_clip(tmp_path / "cat-svd-0001.mp4")
    write_clip(tmp_path / "cat-svd-00010.mp4")
    frame, gif = tmp_path / "cat-svd-0001" / "00000.png", tmp_path / "cat-svd-0001.gif"
    frame.parent.mkdir()
    theirs = ["cat-svd-0001.psd", "cat-svd-0001.jpg", "cat-svd-0001/photo.png"]
    for path in (frame, gif, *(tmp_path / name for name in theirs)):
        path.write_bytes(b"")
    history.remember(video, complete(), "", None, [video, video.with_suffix(".txt"), gif, frame])
    history.mark(video, note="bad")
    trash.move_to_trash(video)
    left = ["cat-svd-0001", *theirs, "cat-svd-00010.mp4", "cat-svd-00010.txt"]
    assert sorted(path for path in snapshot(tmp_path) if not path.startswith("trash")) == sorted(left)
    assert (tmp_path / "trash" / "cat-svd-0001" / "00000.png").exists()
    assert len(list((tmp_path / "trash").iterdir())) == 5
    trash.move_to_trash(write_clip(tmp_path / "cat-svd-0001.mp4"))
    assert (tmp_path / "trash" / "cat-svd-0001 (2).mp4").exists()
    with pytest.raises(BadInput, match="no clip"):
        trash.move_to_trash(video)


def test_what_comes_back_from_the_trash_is_as_it_was_and_overwrites_nothing(tmp_path):
    video = write_clip(tmp_path / "cat-svd-0001.mp4")
    frame = tmp_path / "cat-svd-0001" / "00000.png"
    frame.parent.mkdir()
    frame.write_bytes(b"frame")
    history.remember(video, complete(), "", None, [video, video.with_suffix(".txt"), frame])
    noted = write_clip(tmp_path / "dog.mp4")
    history.mark(noted, note="mine")  # its files are not listed
    before = snapshot(tmp_path)
    for each in (video, noted):
        trash.move_to_trash(each)
        assert trash.restore_from_trash(each.parent / "trash" / each.name) == each
    (tmp_path / "trash").rmdir()
    assert snapshot(tmp_path) == before
    trash.move_to_trash(noted)
    other = write_clip(noted)
    back = trash.restore_from_trash(tmp_path / "trash" / "dog.mp4")
    assert (back.name, history.find_entry(back).note, history.find_entry(other).note) == ("dog (2).mp4", "mine", "")
    with pytest.raises(BadInput, match="not in the trash"):
        trash.restore_from_trash(other)


def test_the_number_of_a_clip_that_was_thrown_away_is_not_given_out_again(tmp_path):
    video = write_clip(tmp_path / "cat-svd-0007.mp4")
    trash.move_to_trash(video)
    assert find_free_name(tmp_path, "cat", ".mp4").name == "cat-svd-0008.mp4"


def test_a_clip_whose_files_are_not_listed_gives_those_that_carry_its_settings(tmp_path):
    video = tmp_path / "cat.mp4"
    frames = clips.make_pan(3)
    clip = Clip(frames=frames, fps=7, infotext=complete().write_infotext())
    saved = save(clip, video, tmp_path / "cat", [Encoding.read("gif")])
    trash.move_to_trash(video)
    assert sorted(snapshot(tmp_path)) == sorted(
        ["cat.gif", "trash", "trash/cat", "trash/cat.mp4", "trash/cat.txt"]
        + [f"trash/cat/{path.name}" for path in saved.frames]
    )


@pytest.mark.parametrize(
    "sidecar",
    [
        {},
        {"photo.txt": b"Holidays, with the neighbours' dog"},
        {"photo.json": b"{}"},
        {"photo.json": b'{"files": [".mp4", ".jpg", "/../../x.mp4"]}'},
    ],
)
def test_a_video_that_was_not_made_here_stays_with_all_that_is_named_like_it(tmp_path, sidecar):
    files = {"photo.mp4": b"1", "photo.jpg": b"2", "photo.psd": b"3", "photo/00000.png": b"4", **sidecar}
    (tmp_path / "photo").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    before = snapshot(tmp_path)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"photo\.mp4 is not known as a clip that was made here"):
            trash.move_to_trash(tmp_path / "photo.mp4")
        assert snapshot(tmp_path) == before
        if sidecar.keys() & {"photo.json"}:
            return
        history.mark(tmp_path / "photo.mp4", note="a note makes it no clip of ours")
        before = snapshot(tmp_path)


def test_names_in_a_note_that_are_not_the_clips_own_are_passed_over(tmp_path):
    (tmp_path / "clips").mkdir()
    video = write_clip(tmp_path / "clips" / "a.mp4")
    (tmp_path / "out.txt").write_bytes(b"theirs")
    history.remember(video, complete(), "", None, [video])
    note = json.loads(video.with_suffix(".json").read_text())
    video.with_suffix(".json").write_text(json.dumps({**note, "files": [".mp4", "/../../out.txt", "../out.txt"]}))
    moved = trash.move_to_trash(video)
    assert sorted(path.name for path in moved) == ["a.json", "a.mp4"]
    assert (tmp_path / "out.txt").read_bytes() == b"theirs"


def test_a_trash_that_cannot_be_filled_leaves_the_clip_whole(tmp_path, monkeypatch):
    video = write_clip(tmp_path / "a.mp4")
    before = snapshot(tmp_path)

    def fill_up(path, target):
        if path.name == "a.txt":
            raise OSError(28, "No space left on device")
        publish(path, target)

    monkeypatch.setattr("lib_svd.jobs.trash.publish", fill_up)
    with pytest.raises(BadInput, match="No space left"):
        trash.move_to_trash(video)
    (tmp_path / "trash").rmdir()
    assert snapshot(tmp_path) == before


def test_links_in_the_clips_folder_are_not_followed(tmp_path):
    (tmp_path / "else").mkdir()
    (tmp_path / "clips").mkdir()
    theirs = write_clip(tmp_path / "else" / "theirs.mp4")
    mine = write_clip(tmp_path / "clips" / "mine.mp4")
    (tmp_path / "clips" / "link.mp4").symlink_to(theirs)
    (tmp_path / "clips" / "link.txt").symlink_to(theirs.with_suffix(".txt"))
    (tmp_path / "clips" / "mine").symlink_to(tmp_path / "else")
    (tmp_path / "else" / "00000.png").write_bytes(b"theirs")
    history.remember(mine, complete(), "", None, [mine, tmp_path / "clips" / "mine" / "00000.png"])
    assert [each.video.name for each in history.read_entries(tmp_path / "clips")] == ["mine.mp4"]
    for do in (history.find_entry, trash.move_to_trash, lambda path: history.mark(path, note="x")):
        with pytest.raises(BadInput, match=r"There is no clip .*link\.mp4"):
            do(tmp_path / "clips" / "link.mp4")
    with pytest.raises(BadInput, match="is a link"):
        reopen_clip(tmp_path / "clips" / "link.mp4")
    trash.move_to_trash(mine)
    assert sorted(path.name for path in (tmp_path / "else").iterdir()) == ["00000.png", "theirs.mp4", "theirs.txt"]
    again = write_clip(tmp_path / "clips" / "again.mp4")
    (tmp_path / "clips" / "trash").rename(tmp_path / "old trash")
    (tmp_path / "clips" / "trash").symlink_to(tmp_path / "else")
    with pytest.raises(BadInput, match="trash is a link"):
        trash.move_to_trash(again)
    assert again.is_file()


@pytest.mark.parametrize("marks", [{"motion": 0}, {"motion": 6}, {"beauty": 3}])
def test_marks_are_one_to_five(marks, tmp_path):
    with pytest.raises(BadRequest, match="1 to 5"):
        history.mark(write_clip(tmp_path / "a.mp4"), marks=marks)


def test_a_table_has_every_setting_measure_mark_and_note(tmp_path):
    video = write_clip(tmp_path / "a.mp4")
    history.remember(video, complete(seed=5), "", MOVING)
    history.mark(video, marks={"motion": 4}, note='says "good", twice')
    history.write_csv(history.read_entries(tmp_path), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["clip"], row["seed"], row["mark_motion"], row["note"]) == ("a.mp4", "5", "4", 'says "good", twice')
    assert float(row["flow"]) == pytest.approx(3, rel=0.1)
    with pytest.raises(BadOutput, match="already"):
        history.write_csv([], tmp_path / "t.csv")
