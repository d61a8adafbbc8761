"""Settings to begin with: chosen, remembered, and the user's own."""

from __future__ import annotations

from html import unescape

import gradio as gr
import pytest

from lib_svd.presets import Preset
from lib_svd.queue import JobQueue
from lib_svd.request import ClipRequest
from lib_svd.ui import tab
from lib_svd.ui.preset_row import NONE, REMEMBERED

pytestmark = pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning")  # gradio's own
MODEL = "svd_xt.safetensors"


@pytest.fixture
def row(built):
    return built._presets


def choose(built, name, **changed):
    """The request that the controls stand for after a preset was chosen."""
    controls = built.controls
    reason, *updates = built._presets.choose(controls, name, MODEL)
    before = {n: changed.get(n, c.value) for n, c in zip(controls.names, controls.components, strict=True)}
    values = [old if new == gr.update() else new for old, new in zip(before.values(), updates, strict=True)]
    values[controls.names.index("checkpoint")] = MODEL
    return reason, ClipRequest.from_mapping(controls.read(values))


def test_a_preset_moves_the_controls_says_why_and_is_remembered(built, noting_page):
    reason, request = choose(built, "Landscape")
    assert request.motion_bucket_id == 90
    assert "Water, clouds" in reason
    assert noting_page.remembered == {REMEMBERED: "Landscape"}


def test_what_a_preset_leaves_out_goes_to_the_models_own_but_for_the_size(built):
    _, request = choose(built, "Baseline", fps=20, num_steps=50, auto_size=False, width=64, height=64)
    assert (request.fps, request.num_steps, request.num_frames) == (7, 3, 5)
    assert (request.width, request.height) == (64, 64)
    reason, request = choose(built, NONE, motion_bucket_id=200)
    assert request.motion_bucket_id != 200
    assert "as the model's makers have them" in unescape(reason)


def test_the_list_has_those_that_come_along_and_ones_own(row):
    assert row.fill()[0]["choices"][:3] == [NONE, "Baseline", "Portrait"]


def test_the_one_used_last_is_chosen_and_where_a_new_page_begins(studio, noting_page, options):
    options[REMEMBERED] = "Landscape"
    with gr.Blocks(analytics_enabled=False) as blocks:
        built = tab.Tab(studio, noting_page, JobQueue(studio), blocks)
    update, reason = built._presets.fill()
    assert update["value"] == "Landscape"
    assert "Water, clouds" in reason
    controls = built.controls
    values = [controls[name].value for name in list_following()]
    moved = dict(zip(list_following(), controls._follow_shown(MODEL, "", *values)[5:], strict=True))
    assert moved["motion_bucket_id"]["value"] == 90
    assert moved["num_frames"]["value"] == 5


def list_following():
    from lib_svd.ui.choices import FOLLOWING

    return FOLLOWING


def press(built, do, *given):
    """What a button of the row does with the values of its inputs."""
    return built._presets._make_handler(do)(*given)


def test_ones_own_are_saved_from_the_controls_renamed_deleted_and_taken(built, row, noting_page):
    controls = built.controls
    values = dict(zip(controls.names, (component.value for component in controls.components), strict=True))
    values |= {"checkpoint": MODEL, "motion_bucket_id": 33, "seed": 5}
    listed, said = press(built, lambda _, n, *v: row._save_preset(controls, n, v), NONE, "Mine", *values.values())
    assert (listed["choices"][-1], listed["value"]) == ("Mine", "Mine")
    assert "Mine is saved." in said
    assert noting_page.remembered == {REMEMBERED: "Mine"}
    kept = row._presets.find("Mine").settings
    assert kept["motion_bucket_id"] == 33
    assert not {"seed", "checkpoint"} & set(kept)
    listed, said = press(built, row._rename_preset, "Mine", "Cats")
    assert (listed["choices"][-1], listed["value"]) == ("Cats", "Cats")
    assert "Mine is called Cats now." in said
    assert noting_page.remembered == {REMEMBERED: "Cats"}
    shared = row.share()[0]
    listed, said = press(built, row._delete_preset, "Cats")
    assert ("Cats" in listed["choices"], listed["value"]) == (False, NONE)
    assert "Cats is deleted" in said
    assert noting_page.remembered == {REMEMBERED: ""}
    listed, said = press(built, row._take_presets, "Loop", shared)
    assert ("Cats" in listed["choices"], listed["value"]) == (True, "Loop")
    assert "In the list now: Cats." in said


def test_a_damaged_file_of_presets_is_said_when_the_page_loads(built, row, studio):
    path = studio.host.folders.find_output_dir() / "presets.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{torn")
    assert "mend or move that file" in row.fill()[1]
    assert "mend or move that file" in row.share()[1]


def test_what_cannot_be_is_a_sentence(built, row):
    assert "comes with the program" in press(built, row._delete_preset, "Loop")[1]
    assert "no presets" in press(built, row._take_presets, NONE, "{}")[1]
    assert "no preset" in row.choose(built.controls, "Gone", MODEL)[0]


def test_ones_own_are_there_the_next_day_where_each_day_has_its_folder(studio, row, tmp_path, monkeypatch):
    for day in ("2026-11-22", "2026-11-23"):
        folders = [tmp_path / "svd" / day, tmp_path / "svd"]
        monkeypatch.setattr(studio.host.folders, "list_clip_dirs", lambda folders=folders: folders)
        if day == "2026-11-22":
            row._presets.save(Preset(name="Waves", settings={"fps": 12}))
    assert "Waves" in row.fill()[0]["choices"]
