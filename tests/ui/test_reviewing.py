"""What stands beside a clip: its measures in words, the one change to try, and the user's own marks and note."""

from __future__ import annotations

import re
import sys
from html import unescape

import gradio as gr
import pytest

from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from lib_svd.review import MEASURES, advise, can_see_motion, review
from lib_svd.ui.controls import Controls
from lib_svd.ui.measures import render_advice, render_measures
from lib_svd.ui.reviewing import AS_MEASURED, Reviewing
from tests.requests import complete
from tests.review import clips

pytestmark = [
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
    pytest.mark.usefixtures("one_thread"),
]
MADE_WITH = complete(seed=9, motion_bucket_id=127, checkpoint="svd_xt.safetensors", fps=9)


@pytest.fixture
def panel(studio):
    with gr.Blocks(analytics_enabled=False):
        controls = Controls(studio, "svd_clip")
        found = Reviewing(studio, "svd_clip", gr.Textbox("", visible=False))
    found.controls = controls
    return found


@pytest.fixture
def made(studio):
    """The name of a clip of frames that are noted in the history."""

    def make_clip(frames):
        video = studio.host.folders.find_output_dir() / "a.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        video.write_bytes(b"video")
        history.remember(video, MADE_WITH, "", review(frames, frames[0]))
        return video.name

    return make_clip


def test_every_clip_made_in_the_tab_is_noted_with_its_measures(studio, picture):
    order = studio.order(ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=3, seed=4), picture)
    saved = studio.animate(order)
    (entry,) = history.read_entries(studio.host.folders.find_output_dir())
    assert entry.settings["seed"] == 4
    assert entry.picture == str(picture)
    assert {"flow", "ssim", "similarity", "sharpness", "seam"} <= {
        n for n, v in entry.measures.items() if v is not None
    }
    assert len(history.find_entry(saved.video).series["flow"]) == 2
    assert saved.notes == order.notes


def test_a_clip_that_cannot_be_measured_is_there_all_the_same(studio, picture, monkeypatch):
    from lib_svd.errors import OutOfMemory

    def fail(*_):
        raise OutOfMemory("There is no room.")

    monkeypatch.setattr("lib_svd.jobs.noting.review", fail)
    saved = studio.animate(
        studio.order(ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=2), picture)
    )
    assert saved.video.exists()
    assert saved.notes[-1] == "The clip was not measured. There is no room."


def test_whatever_goes_wrong_while_measuring_the_clip_is_not_said_to_have_failed(studio, picture, monkeypatch, caplog):
    def fail(*_):
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr("lib_svd.jobs.noting.review", fail)
    request = ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=2)
    saved = studio.animate(studio.order(request, picture))
    assert saved.video.exists()
    assert saved.notes[-1] == "The clip was not measured (ZeroDivisionError: by 0): the log has more."
    assert caplog.records[-1].exc_info


def test_opencv_that_cannot_be_loaded_counts_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert not can_see_motion()


def test_a_clip_of_one_frame_has_nothing_to_measure(studio, picture):
    studio.animate(studio.order(ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=1), picture))
    (entry,) = history.read_entries(studio.host.folders.find_output_dir())
    assert entry.measures == {}


def test_measures_are_said_in_words_with_number_range_and_a_line_over_the_frames(panel, made):
    html = panel.show(made(clips.make_pan(3)))[1]
    for measure in MEASURES:
        assert f"<td>{measure.title}</td>" in html
        assert f"<dt>{measure.title}</dt><dd>{measure.about}</dd>" in unescape(html)
    assert "most of the picture moves" in html
    assert html.count("<polyline") >= 5
    assert "svd-fault" not in html


@pytest.mark.parametrize(("name", "limits"), [("flow", 0), ("flicker", 1), ("similarity", 1)])
def test_a_line_stands_on_zero_and_shows_where_a_fault_begins(name, limits):
    entry = history.Entry(video=clips.ROOT / "x.mp4", made=0, measures={name: 0.5}, series={name: [0, 0.5, 1]})
    (plot,) = re.findall("<svg.*</svg>", render_measures(entry))
    zero, *faults = (float(y) for y in re.findall(r"M0 ([\d.]+)H", plot))
    first, middle, last = (float(y) for y in re.findall(r",([\d.]+)", plot))
    assert (first, middle) == (zero, (zero + last) / 2)
    assert len(faults) == plot.count('stroke-dasharray="4 3"') == limits


def test_a_line_below_its_limit_stays_below_it():
    entry = history.Entry(video=clips.ROOT / "x.mp4", made=0, series={"flicker": [0, 0.006]}, measures={"flicker": 0})
    plot = render_measures(entry)
    zero, fault = (float(y) for y in re.findall(r"M0 ([\d.]+)H", plot))
    assert float(re.findall(r",([\d.]+)\" fill", plot)[0]) == (zero + fault) / 2  # half of what can be seen


def test_a_fault_stands_out_and_a_frozen_clip_does_not_look_good(panel, made):
    html = panel.show(made(clips.make_pan(0)))[1]
    assert '<td class="svd-fault">frozen</td>' in html
    assert "steady, but nothing moves" in html


def test_the_change_to_try_is_said_and_follows_what_the_user_says(panel, made):
    name = made(clips.make_pan(3))
    assert "Nothing stands out" in panel.advise(name, AS_MEASURED)
    said = panel.advise(name, "too chaotic")
    assert "You said: too chaotic." in said
    assert "<b>Set Motion to 75.</b>" in said
    assert "Measured: too static. <b>Set Motion to 159.</b>" in panel.advise(made(clips.make_pan(0)), AS_MEASURED)


def test_applying_it_brings_back_the_clips_settings_and_seed_with_that_one_change(panel, made):
    controls = panel.controls
    why, *values = panel.apply(controls, made(clips.make_pan(3)), "too chaotic")
    assert why == ""
    pairs = zip(controls.components, values, strict=True)
    shown = [v.get("value", c.value) if isinstance(v, dict) else v for c, v in pairs]
    shown[controls.names.index("checkpoint")] = "svd_xt.safetensors"
    assert ClipRequest.from_mapping(controls.read(shown)) == ClipRequest(**vars(MADE_WITH.replace(motion_bucket_id=75)))


def test_where_nothing_is_wrong_there_is_nothing_to_apply(panel, made):
    why, *moved = panel.apply(panel.controls, made(clips.make_pan(3)), AS_MEASURED)
    assert "There is no change to make: say what is wrong" in why
    assert moved == [gr.update() for _ in panel.controls.components]


def test_marks_and_note_are_kept_beside_the_clip_and_shown_again(panel, made, studio):
    name = made(clips.make_pan(3))
    assert "Kept." in panel.keep(name, "good <tail>", "4", None, "2")
    entry = history.find_entry(studio.host.folders.find_output_dir() / name)
    assert (entry.marks, entry.note) == ({"motion": 4, "consistency": 2}, "good <tail>")
    assert panel.show(name)[4:8] == ["4", None, "2", "good <tail>"]
    assert "There is no clip" in panel.keep("none.mp4", "x", None, None, None)


def test_what_was_written_about_a_clip_is_kept_when_another_one_comes(panel, made, studio):
    name = made(clips.make_pan(3))
    first = studio.host.folders.find_output_dir() / name
    second = first.with_name("b.mp4")
    second.write_bytes(b"video")
    shown = panel.turn("b.mp4", name, "half a sen", None, "3", None)
    assert shown[0] == "b.mp4"
    assert shown[5:9] == [None, None, None, ""]
    entry = history.find_entry(first)
    assert (entry.note, entry.marks) == ("half a sen", {"fidelity": 3})
    assert history.find_entry(second).note == ""


def test_nothing_is_written_where_nothing_was_said(panel, made, studio):
    name = made(clips.make_pan(3))
    kept = (studio.host.folders.find_output_dir() / name).with_suffix(".json")
    before = kept.stat().st_mtime_ns
    panel.turn("", name, "", None, None, None)
    panel.turn(name, "gone.mp4", "a note", None, None, None)
    assert kept.stat().st_mtime_ns == before


def test_a_name_from_the_browser_reaches_no_other_folder(panel, made, studio, tmp_path):
    made(clips.make_pan(3))
    outside = studio.host.folders.find_output_dir().parent / "b.mp4"
    outside.write_bytes(b"video")
    for name in ("../b.mp4", str(outside)):
        assert "There is no clip" in panel.keep(name, "x", None, None, None)


def test_a_clip_of_yesterday_is_reviewed_in_its_own_folder(panel, made, studio, monkeypatch, tmp_path):
    yesterday = studio.host.folders.find_output_dir() / made(clips.make_pan(3))
    monkeypatch.setattr(studio.host.folders, "list_clip_dirs", lambda: [tmp_path / "today", yesterday.parent])
    assert "Kept." in panel.keep(str(yesterday), "good", None, None, None)
    assert history.find_entry(yesterday).note == "good"


def test_the_panel_is_there_while_there_is_a_clip_to_review(panel, made):
    assert panel._panel.visible is False
    for name, is_shown in ((made(clips.make_pan(3)), True), ("", False), ("gone.mp4", False)):
        assert panel.turn(name, "", "", None, None, None)[1] == gr.update(visible=is_shown)


def test_without_a_clip_the_panel_is_empty(panel):
    assert panel.show("")[1] == ""
    assert panel.advise("", "too chaotic") == ""
    assert "No single clip is shown" in panel.keep("", "x", None, None, None)
    assert "No single clip is shown" in panel.apply(panel.controls, "", "too chaotic")[0]


def test_what_a_user_wrote_is_escaped():
    assert "<b>Set" in render_advice(advise({}, MADE_WITH, "static"))
    entry = history.Entry(video=clips.ROOT / "x.mp4", made=0, measures={"flow": 1.0})
    assert "-" in render_measures(entry)
