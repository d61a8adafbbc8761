"""The history in the tab: which clips are listed, and what is said where something does not fit."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lib_svd import video
from lib_svd.checkpoints import is_made_with
from lib_svd.clip import Clip
from lib_svd.errors import BadRequest
from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from lib_svd.review import review
from lib_svd.ui.browsing import CLIPS, DATE, DIRECTIONS, PAGE, SORTS, THROWN_AWAY, Asked
from lib_svd.ui.choices import FOLLOWING
from lib_svd.ui.controls import FIRST
from tests.requests import complete
from tests.review import clips

pytestmark = [
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture
def panel(built):
    return built._browsing


@pytest.fixture
def clip(studio):
    """Something named like a clip, in the folder of clips, so many seconds old."""

    def write_clip(name, age=0, **settings):
        path = studio.host.folders.find_output_dir() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")
        path.with_suffix(".txt").write_text(complete(**settings).write_infotext(), "utf-8")
        os.utime(path, (1_700_000_000 - age,) * 2)
        return path

    return write_clip


def make_asked(*chosen, seen=None, words="", place=CLIPS, order=DATE, direction=DIRECTIONS[0], page=0):
    paths = [json.dumps(list(map(str, each))) for each in (chosen, chosen if seen is None else seen)]
    return Asked(*paths, words, place, order, direction, page)


def list_names(html):
    return [Path(each.split('"')[0]).name for each in html.split('data-clip="')[1:]]


def test_what_is_passed_over_is_named_above_the_others(panel, clip):
    clip("good.mp4")
    folder = clip("bad-0.mp4").parent
    assert panel.look(make_asked())[0] == ""
    for number in range(5):
        (folder / f"\udcff{number}.mp4").write_bytes(b"video")
    said, html, _ = panel.look(make_asked())
    assert set(list_names(html)) == {"good.mp4", "bad-0.mp4"}
    assert (said.count("is passed over"), "2 more are passed over." in said) == (3, True)
    assert json.dumps(said).encode("utf-8")


def test_the_newest_clips_come_first_a_page_at_a_time(panel, clip):
    for number in range(PAGE + 3):
        clip(f"{number:02d}.mp4", age=number)
    _, html, page = panel.look(make_asked())
    assert list_names(html) == [f"{number:02d}.mp4" for number in range(PAGE)]
    assert (f"Clips 1 to {PAGE} of {PAGE + 3}." in html, page) == (True, 0)
    for wanted in (1, 7):
        _, html, page = panel.list_page(make_asked(page=wanted))
        assert (list_names(html), page) == ([f"{PAGE + i}.mp4" for i in range(3)], 1)
    assert panel.list_page(make_asked(page=-1))[2] == 0


def test_the_first_page_of_many_clips_does_not_read_them_all(panel, clip, monkeypatch):
    read = []
    read_note = history.read_note
    monkeypatch.setattr(history, "read_note", lambda path, *given: read.append(path) or read_note(path, *given))
    for number in range(PAGE + 20):
        history.mark(clip(f"{number:02d}.mp4", age=number), note="x")
    read.clear()
    panel.look(make_asked())
    assert len(read) <= PAGE + 1
    assert len(list_names(panel.list_page(make_asked(words="x", page=1))[1])) == 20


def test_a_clip_is_read_once_until_a_file_of_its_changes(panel, clip, monkeypatch):
    read = []
    reading = history.read_entry
    monkeypatch.setattr(
        history, "read_entry", lambda each, **given: read.append(each.video.name) or reading(each, **given)
    )
    first, second = clip("a.mp4"), clip("b.mp4", age=1)
    panel.look(make_asked(order="Name"))
    panel.look(make_asked(order="Name"))
    assert sorted(read) == ["a.mp4", "b.mp4"]
    history.mark(second, note="a mark")
    read.clear()
    (cards,) = panel.look(make_asked(order="Name"))[1:2]
    assert read == ["b.mp4"]
    assert "a mark" in cards
    assert first.name in cards


def test_clips_are_found_by_words_and_settings_and_sorted_by_what_is_known_of_them(panel, clip):
    for name, fps in (("a.mp4", 7), ("b.mp4", 12), ("c.mp4", 9)):
        clip(name, fps=fps)
    history.mark(clip("d.mp4", fps=9), marks={"motion": 5}, note="the cat")
    panel.look(make_asked())
    assert list_names(panel.list_page(make_asked(words="CAT"))[1]) == ["d.mp4"]
    assert list_names(panel.list_page(make_asked(words="fps=12"))[1]) == ["b.mp4"]
    assert list_names(panel.list_page(make_asked(order="Setting: FPS"))[1])[0] == "b.mp4"
    assert list_names(panel.list_page(make_asked(order="Mark: motion"))[1])[0] == "d.mp4"
    assert list_names(panel.list_page(make_asked(order="Name", direction="Ascending"))[1]) == [
        f"{x}.mp4" for x in "abcd"
    ]
    assert "No clip has all of these words." in panel.list_page(make_asked(words="dog"))[1]


def test_clips_can_be_sorted_by_all_that_is_known_of_them(panel, clip):
    assert set(SORTS.values()) >= {"made", "clip", "flow", "seam", "mark_motion", "motion_bucket_id", "seed"}
    clip("a.mp4")
    panel.look(make_asked())
    for order in SORTS:
        assert list_names(panel.list_page(make_asked(order=order))[1]) == ["a.mp4"]


def test_a_new_user_and_a_clip_that_came_since_are_both_served(panel, clip):
    assert "There are no clips yet" in panel.look(make_asked())[1]
    clip("a.mp4")
    assert list_names(panel.look(make_asked())[1]) == ["a.mp4"]


def test_a_card_says_what_the_clip_is_and_escapes_what_a_user_wrote(panel, clip):
    path = clip("a.mp4")
    history.remember(path, complete(seed=77, motion_bucket_id=127, fps=9), "", review(clips.make_pan(0)))
    history.mark(path, marks={"motion": 4}, note="<b>tail</b>")
    html = panel.look(make_asked())[1]
    for said in ("9 fps", "motion 127", "seed 77", "motion 4 of 5", "&lt;b&gt;tail", "2023-11-1"):
        assert said in html
    assert '<span class="svd-fault" title="Speed: 0 %' in html
    assert f'src="file={path.as_posix()}"' in html


def test_what_is_chosen_stays_chosen_on_other_pages_and_names_that_are_gone_do_not(panel, clip):
    one, two = clip("a.mp4"), clip("b.mp4")
    html = panel.look(make_asked(two, two.parent / "gone.mp4", words="a.mp4"))[1]
    assert f'data-paths="[&#34;{two}&#34;]" data-count="1"' in html
    assert (list_names(html), html.count('aria-pressed="true"')) == ([one.name], 0)
    assert panel.look(make_asked(two))[1].count('aria-pressed="true"') == 1


@pytest.mark.parametrize("count", [0, 1, 4])
def test_two_or_three_clips_are_compared_and_no_other_number(panel, clip, count):
    found = [clip(f"{number}.mp4") for number in range(count)]
    panel.look(make_asked())
    with pytest.raises(BadRequest, match=r"^Two or three clips can be compared: (none|only one|4)"):
        panel.compare(make_asked(*found))


def test_settings_that_differ_stand_out_and_the_order_is_the_users(panel, clip):
    one, two = clip("a.mp4", fps=7, seed=5), clip("b.mp4", fps=12, seed=5)
    panel.look(make_asked())
    _, html = panel.compare(make_asked(two, one))
    assert html.count("svd-differs") == 1
    assert '<tr class="svd-differs"><td>FPS</td><td>12</td><td>7</td></tr>' in html
    assert '<tr class=""><td>Seed</td><td>5</td></tr>' in html
    assert html.index("<th>b.mp4</th>") < html.index("<th>a.mp4</th>")


def test_what_is_thrown_away_is_in_the_trash_with_all_that_belongs_to_it(panel, clip):
    kept, one, two = (clip(f"{name}.mp4") for name in "abc")
    panel.look(make_asked())
    said, html, _, compared, *_ = panel.trash(make_asked(one, two))
    assert f"2 clips are in {one.parent / 'trash'} now." in said
    assert (list_names(html), 'data-paths="[]"' in html, compared) == ([kept.name], True, "")
    assert sorted(path.name for path in (one.parent / "trash").iterdir()) == ["b.mp4", "b.txt", "c.mp4", "c.txt"]
    with pytest.raises(BadRequest, match="none is chosen"):
        panel.trash(make_asked())


def test_a_clip_that_is_gone_already_does_not_keep_the_list_as_it_was(panel, clip):
    paths = [clip(f"{name}.mp4") for name in "abc"]
    panel.look(make_asked())
    paths[1].unlink()
    said, html, *_ = panel.trash(make_asked(*paths))
    assert 'class="error">There is no clip' in said
    assert list_names(html) == ["c.mp4"]


def test_a_name_from_the_browser_reaches_no_other_folder(panel, clip, studio, tmp_path):
    clip("a.mp4")
    outside = studio.host.folders.find_output_dir().parent / "b.mp4"
    outside.write_bytes(b"video")
    panel.look(make_asked())
    for name in (outside.parent / "out" / "../b.mp4", outside):
        with pytest.raises(BadRequest, match="none is chosen"):
            panel.trash(make_asked(name))
    assert outside.exists()


def test_clips_of_other_days_are_there_and_told_apart_where_they_have_one_name(panel, clip, studio, monkeypatch):
    new, old = clip("a.mp4", fps=7), clip("../2020-01-01/a.mp4", fps=12, age=9)
    old = old.parent.resolve() / old.name
    monkeypatch.setattr(studio.host.folders, "list_clip_dirs", lambda: [new.parent, old.parent])
    assert list_names(panel.look(make_asked())[1]) == ["a.mp4", "a.mp4"]
    assert panel._find_one(make_asked(old)).settings["fps"] == 12
    assert f"<td>{12}</td><td>{7}</td>" in panel.compare(make_asked(old, new))[1]
    assert f"{old.parent / 'trash'} and {new.parent / 'trash'} now" in panel.trash(make_asked(old, new))[0]


def test_a_table_of_what_was_found_is_written_under_a_free_name(panel, clip, studio):
    for name in ("a.mp4", "b.mp4"):
        clip(name)
    panel.look(make_asked())
    for number in (1, 2):
        (said,) = panel.write_table(make_asked(words="a.mp4"))
        written = studio.host.folders.find_output_dir() / f"history-svd-000{number}.csv"
        assert f'href="file={written}" download' in said
        assert len(written.read_text("utf-8").splitlines()) == 2
    with pytest.raises(BadRequest, match="no clip was found"):
        panel.write_table(make_asked(words="dog"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(BadRequest("Choose <one>."), "Choose &lt;one&gt;."), (ZeroDivisionError("by 0"), "(ZeroDivisionError: by 0)")],
)
def test_whatever_goes_wrong_is_one_sentence_and_nothing_else_changes(panel, error, sentence, caplog):
    def fail(_):
        raise error

    handled = panel._bind(lambda fn, **_: fn, fail, ["said", "cards", "number"])
    with caplog.at_level(logging.ERROR):
        said, *others = handled(*make_asked())
    assert said.startswith('<div class="error">')
    assert sentence in said
    assert others == [gr.update(), gr.update()]
    assert len(caplog.records) == isinstance(error, ZeroDivisionError)


def test_a_folder_that_cannot_be_read_is_said(panel, clip, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied", "clips")

    clip("a.mp4")
    monkeypatch.setattr(history.os, "scandir", refuse)
    said, cards, _ = panel.look(make_asked())
    assert "is passed over (Permission denied): allow reading it." in said
    assert list_names(cards) == []


def test_restoring_brings_picture_settings_frames_and_text_back(built, studio, picture):
    request = ClipRequest(checkpoint="svd_xt.safetensors", num_steps=2, num_frames=3, seed=4, fps=11)
    saved = studio.animate(studio.order(request, picture))
    shown, *rest = built.restore(history.find_entry(saved.video))
    with Image.open(picture) as original:
        assert np.array_equal(np.asarray(shown), np.asarray(original))
    controls = built.controls
    values, (basis, clip, gallery, frame, name, infotext, status) = rest[:-7], rest[-7:]
    given = [each["value"] if isinstance(each, dict) else each for each in values]
    again = ClipRequest.from_mapping(controls.read(given))
    called = ClipRequest.from_infotext(infotext).checkpoint
    assert is_made_with(called, studio.find_checkpoint(again.checkpoint))
    assert again.replace(checkpoint=called).write_infotext() == infotext == saved.clip.infotext
    assert (basis, name) == ("svd_xt.safetensors", str(saved.video))
    assert f'src="file={saved.video}"' in clip
    assert len(gallery) == 3
    assert frame == gallery[-1]
    assert "3 frames of 96x64 at 11 fps.</p>" in status


def test_numbers_of_a_clip_stay_its_own_where_it_brings_another_model(built, studio):
    """25 frames are the first model's own: they would else go to the other one's, as when a model is chosen."""
    controls = built.controls
    numbers = {name: FIRST[name] for name in FOLLOWING}
    settings = {**numbers, "num_frames": 7, "fps": 3, "checkpoint": "svd_image_decoder.safetensors"}
    *values, basis = controls.restore(settings)
    following = [values[controls.names.index(name)] for name in FOLLOWING]
    moved = controls._follow_shown("svd_image_decoder.safetensors", basis, *following)[5:]
    assert [each["value"] for each in moved] == following


def test_a_model_that_is_gone_is_said(built, studio):
    frames = np.zeros((3, 64, 96, 3), np.uint8)
    infotext = complete(checkpoint="gone.safetensors").write_infotext()
    made = video.save(
        Clip(frames=frames, fps=7, infotext=infotext), studio.host.folders.find_output_dir() / "a.mp4"
    ).video
    assert "The model gone.safetensors is not there" in built.restore(history.find_entry(made))[-1]


def test_one_clip_is_restored_and_no_other_number(panel, clip):
    paths = [clip(name) for name in ("a.mp4", "b.mp4")]
    panel.look(make_asked())
    for chosen, why in (((), "none is chosen"), (paths, "2 are chosen")):
        with pytest.raises(BadRequest, match=f"^One clip can be restored: {why}"):
            panel._find_one(make_asked(*chosen))


def test_only_what_is_in_view_is_thrown_away_and_the_rest_stays_chosen(panel, clip):
    one, two, three = (clip(f"{name}.mp4") for name in "abc")
    panel.look(make_asked())
    said, html, *_ = panel.trash(make_asked(one, two, seen=[two, three]))
    assert "b.mp4 is in" in said
    assert "Of those chosen 1 stay, which are not in view." in said
    assert [each.exists() for each in (one, two, three)] == [True, False, True]
    assert f'data-paths="[&#34;{one}&#34;]"' in html
    with pytest.raises(BadRequest, match="No clip that is chosen is in view, so all stay"):
        panel.trash(make_asked(one, seen=[three]))
    assert one.exists()


def test_what_was_thrown_away_last_comes_back_by_undo_and_is_chosen_again(panel, clip):
    one, two = clip("a.mp4"), clip("b.mp4")
    panel.look(make_asked())
    *_, gone, undo = panel.trash(make_asked(one, two))
    assert undo["visible"]
    said, html, _, undo = panel.undo(make_asked()._replace(chosen=gone, seen=""))
    assert "2 clips are back." in said
    assert set(list_names(html)) == {"a.mp4", "b.mp4"}
    assert 'data-count="2"' in html
    assert not undo["visible"]
    assert one.with_suffix(".txt").exists()


def test_the_trash_is_looked_through_and_clips_come_back_from_it(panel, clip):
    one, two = clip("a.mp4"), clip("b.mp4", motion_bucket_id=33)
    panel.look(make_asked())
    assert "There is nothing in the trash." in panel.turn_to(make_asked(place=THROWN_AWAY))[1]
    panel.trash(make_asked(one, two))
    said, html, _, _, trash, back, undo = panel.turn_to(make_asked(place=THROWN_AWAY))
    assert (said, set(list_names(html))) == ("", {"a.mp4", "b.mp4"})
    assert (trash["visible"], back["visible"], undo["visible"]) == (False, True, False)
    assert list_names(panel.list_page(make_asked(words="motion=33", place=THROWN_AWAY))[1]) == ["b.mp4"]
    thrown = two.parent / "trash" / "b.mp4"
    with pytest.raises(BadRequest, match="bring it back first"):
        panel._find_one(make_asked(thrown, place=THROWN_AWAY))
    said, html, *_ = panel.bring_back(make_asked(thrown, place=THROWN_AWAY))
    assert "b.mp4 is back." in said
    assert list_names(html) == ["a.mp4"]
    assert (two.exists(), one.exists()) == (True, False)
    with pytest.raises(BadRequest, match="none is chosen"):
        panel.bring_back(make_asked(place=THROWN_AWAY))
