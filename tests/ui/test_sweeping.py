"""A sweep in the tab: clips, one video of them all, a table, and each of them shown again."""

from __future__ import annotations

import re

import gradio as gr
import pytest
from PIL import Image

from lib_svd.errors import Interrupted, OutOfMemory
from lib_svd.jobs import history, trash
from lib_svd.request import ClipRequest
from lib_svd.ui.sweeping import ALL
from lib_svd.video import probe

pytestmark = [
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
    pytest.mark.usefixtures("one_thread"),
]
OUTPUTS = ("panel", "table", "choice", "name", "clip", "gallery", "frame", "made", "infotext", "status")


@pytest.fixture
def sweep(built, noting_page, picture):
    """Press "Make them all"; gives the outputs by name."""

    def press(label="Motion", values="30, 200", **changed):
        shown = {name: built.controls[name].value for name in built.controls.names}
        shown |= {"checkpoint": "svd_xt.safetensors", "num_steps": 1, "num_frames": 3, **changed}
        with Image.open(picture) as image:
            given = noting_page.jobs[1](image.copy(), False, *shown.values(), label, values)
        return dict(zip(OUTPUTS, given, strict=True))

    return press


def test_every_value_has_its_clip_and_all_have_one_seed_and_one_video(sweep, studio):
    found = sweep()
    folder = studio.host.folders.find_output_dir()
    assert sorted(path.name for path in folder.glob("*.mp4")) == [
        *("sweep-svd-0001-200.mp4", "sweep-svd-0001-30.mp4", "sweep-svd-0001.mp4")
    ]
    settings = [history.find_entry(folder / f"sweep-svd-0001-{value}.mp4").settings for value in (30, 200)]
    assert [each["motion_bucket_id"] for each in settings] == [30, 200]
    assert settings[0]["seed"] == settings[1]["seed"]
    assert "sweep-svd-0001.mp4" in found["clip"]
    assert probe(folder / "sweep-svd-0001.mp4").height > 2 * 64  # the wide ones stand one above the other
    assert found["panel"] == gr.update(visible=True)
    assert found["choice"]["choices"] == ["All side by side", "30", "200"]


def test_the_table_has_a_column_a_clip_and_links_to_each(sweep, studio):
    table = sweep(seed=5)["table"]
    assert "Motion, seed 5" in table
    assert re.findall(r'href="file=[^"]*?-(\d+)\.mp4" target="_blank">(\d+)<', table) == [("30", "30"), ("200", "200")]
    flow = re.search(r"<td>First frame</td><td[^>]*>(\S+)</td><td[^>]*>(\S+)</td>", table)
    entry = history.find_entry(studio.host.folders.find_output_dir() / "sweep-svd-0001-30.mp4")
    assert float(flow[1]) == pytest.approx(entry.measures["ssim"], rel=0.01)


def test_each_clip_of_it_is_shown_when_it_is_chosen(sweep, built, studio):
    name = sweep(seed=5)["name"]
    shown = dict(zip(OUTPUTS[4:], built.show_swept("200", name, "", "Steps: 1"), strict=True))
    assert "sweep-svd-0001-200.mp4" in shown["clip"]
    assert shown["made"] == str(studio.host.folders.find_output_dir() / "sweep-svd-0001-200.mp4")
    assert ClipRequest.from_infotext(shown["infotext"]).motion_bucket_id == 200
    assert len(shown["gallery"]) == 3
    given = built.show_swept(ALL, name, shown["made"], shown["infotext"])
    together = dict(zip(OUTPUTS[4:], given, strict=True))
    assert "sweep-svd-0001.mp4" in together["clip"]
    assert (together["made"], together["frame"]) == ("", None)  # no clip to review, no frame to go on from
    assert "is not there" in built.show_swept("75", name, "", "Steps: 1")[-1]


def test_what_was_said_of_a_sweep_stays_where_its_own_clip_is_chosen_again(sweep, built):
    found = sweep(seed=5)
    for choice, made in (("All side by side", ""), ("200", f"{found['name']}-200.mp4")):
        assert built.show_swept(choice, found["name"], made, found["infotext"]) == [gr.update()] * 6


def test_all_side_by_side_can_be_shown_after_one_of_them_was_thrown_away(sweep, built, studio):
    name = sweep()["name"]
    trash.move_to_trash(studio.find_clip(f"{name}-200.mp4"))
    nothing = dict(zip(OUTPUTS[4:], built.clear_trashed(f"{name}-200.mp4", name), strict=True))
    shown = dict(zip(OUTPUTS[4:], built.show_swept(ALL, name, nothing["made"], nothing["infotext"]), strict=True))
    assert "sweep-svd-0001.mp4" in shown["clip"]


def test_what_is_chosen_is_the_clip_that_is_shown(sweep, built, studio):
    name = sweep()["name"]
    chosen_for = [f"{name}-200.mp4", "", str(studio.host.folders.find_output_dir() / "clip-svd-0001.mp4")]
    chosen = [built._sweeping.update_choice(clip, name)["value"] for clip in chosen_for]
    assert chosen == ["200", "All side by side", None]


def test_nothing_is_shown_of_all_side_by_side_once_it_was_thrown_away(sweep, built, studio):
    found = sweep()
    assert built.clear_trashed(found["made"], found["name"]) == [gr.update()] * 6
    trash.move_to_trash(studio.find_clip(f"{found['name']}.mp4"))
    *nothing, said = built.clear_trashed(found["made"], found["name"])
    assert nothing == ["", [], None, "", ""]
    assert "sweep-svd-0001.mp4 is in the trash." in said
    assert built.clear_trashed(f"{found['name']}-30.mp4", found["name"]) == [gr.update()] * 6


def test_seeds_are_swept_to_choose_the_best(sweep, studio):
    found = sweep("Seed", "7-9")
    assert found["choice"]["choices"] == ["All side by side", "7", "8", "9"]


def test_stopped_it_keeps_and_shows_what_is_done(sweep, studio, monkeypatch):
    stop_after(monkeypatch, studio, 1, Interrupted("The clip was stopped."))
    found = sweep(values="30, 75, 200")
    assert "The clip was stopped. 1 of 3 clips are there." in found["status"]
    assert found["choice"]["choices"] == ["30"]
    assert "sweep-svd-0001-30.mp4" in found["clip"]
    assert sweep(values="30, 75, 200")["name"].endswith("sweep-svd-0002")  # names are not used twice


def test_one_that_fails_leaves_those_before_it(sweep, studio, monkeypatch):
    stop_after(monkeypatch, studio, 2, OutOfMemory("There is no room."))
    found = sweep(values="30, 75, 200")
    assert "There is no room. 2 of 3 clips are there." in found["status"]
    assert found["choice"]["choices"] == ["All side by side", "30", "75"]


def test_where_there_is_no_clip_at_all_nothing_changes_but_the_sentence(sweep, studio, monkeypatch):
    stop_after(monkeypatch, studio, 0, Interrupted("The clip was stopped."))
    found = sweep()
    assert "The clip was stopped." in found["status"]
    assert [found[name] for name in OUTPUTS[:-1]] == [gr.update()] * 9


@pytest.mark.parametrize(
    ("label", "values", "said"),
    [
        ("Motion", "60", "2 to 36 different values"),
        ("Motion", "60, 900", "from 1 to 255"),
        ("Guidance, last frame", "0.5, 2", "from 1 to 20"),
    ],
)
def test_values_that_cannot_be_are_refused_in_a_sentence(sweep, studio, label, values, said):
    assert said in sweep(label, values)["status"]
    assert list(studio.host.folders.find_output_dir().glob("*")) == []


def stop_after(monkeypatch, studio, count, error):
    original = studio.sweep

    def sweep(orders, setting):
        yield from original(orders[:count], setting)
        raise error

    monkeypatch.setattr(studio, "sweep", sweep)
