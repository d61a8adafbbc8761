"""What the tab does when its buttons are used, without a browser."""

from __future__ import annotations

import logging

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lib_svd.checkpoints import is_made_with
from lib_svd.errors import BadPicture, Busy, Interrupted, OutOfMemory
from lib_svd.infotext import read_infotext
from lib_svd.jobs import trash
from lib_svd.options import DEFAULTS
from lib_svd.request import ClipRequest
from lib_svd.ui import clips, tab
from lib_svd.ui.framing import ASKED
from tests.conftest import await_result
from tests.ui.conftest import parse, paste

pytestmark = pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning")  # gradio's own


def open_path(path):
    with Image.open(path) as image:
        return image.copy()


@pytest.fixture
def generate(built, noting_page, picture):
    """Press Generate, with some settings changed; gives the outputs by name."""

    def press(source="", with_frames=False, **changed):
        image = open_path(picture) if source == "" else source
        values = {
            name: component.value
            for name, component in zip(built.controls.names, built.controls.components, strict=True)
        }
        values |= {"checkpoint": "svd_xt.safetensors", "num_steps": 2, "num_frames": 3, **changed}
        given = noting_page.jobs[0](image, with_frames, *values.values())
        return dict(zip(("clip", "gallery", "frame", "made", "infotext", "status"), given, strict=True))

    return press


def test_a_clip_is_made_shown_and_described(generate, studio):
    found = generate()
    (video,) = studio.host.folders.find_output_dir().glob("*.mp4")
    assert f'src="file={video}"' in found["clip"]
    assert found["infotext"] == read_infotext(video)
    assert len(found["gallery"]) == 3
    assert np.array_equal(np.asarray(found["frame"]), np.asarray(found["gallery"][-1]))
    assert "3 frames of 96x64 at 7 fps" in found["status"]


def test_a_seed_is_drawn_where_none_is_given(generate):
    seeds = {ClipRequest.from_infotext(generate()["infotext"]).seed for _ in range(2)}
    assert len(seeds) == 2
    assert ClipRequest.from_infotext(generate(seed=7)["infotext"]).seed == 7


def test_frames_are_saved_where_they_are_asked_for(generate, studio):
    found = generate(with_frames=True)
    assert [path.endswith(f"0000{i}.png") for i, path in enumerate(found["gallery"])] == [True] * 3


def test_what_the_tab_writes_into_a_clip_can_be_pasted_back(generate, built, noting_page, studio):
    wanted = ClipRequest.from_infotext(generate(seed=5, fit="Stretch", focus_x=0.25)["infotext"])
    ((part, picture, fields),) = noting_page.received
    assert (part, picture) == ("svd_clip", built.framing.picture)
    given = paste(fields, parse(wanted.write_infotext()))
    values = [given.get(component, component.value) for component in built.controls.components]
    again = ClipRequest.from_mapping(built.controls.read(values))
    assert is_made_with(wanted.checkpoint, studio.find_checkpoint(again.checkpoint))
    assert again.replace(checkpoint=wanted.checkpoint) == wanted


def test_a_generated_picture_hands_its_own_infotext_on(generate, picture):
    image = open_path(picture)
    image.info["parameters"] = "a dog\nSteps: 20, Seed: 3"
    assert '"a dog\\nSteps: 20, Seed: 3"' in generate(image)["infotext"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"source": None}, "There is no picture yet"),
        ({"num_frames": 0}, "must be from 1"),
        ({"min_guidance": 9}, "Guidance must not fall"),
        ({"checkpoint": "<none>"}, "No model is called &#39;&lt;none&gt;&#39;"),
        ({"num_frames": 500, "window": 500}, "cannot make 500 at a time"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_the_clip_before_stays(generate, studio, changed, sentence):
    found = generate(**changed)
    assert sentence in found.pop("status")
    assert all(update == gr.update() for update in found.values())
    assert studio.loaded is None


def test_a_picture_that_cannot_be_read_is_said_wherever_it_is_used(generate, built):
    bad = BadPicture("dog.png is damaged: save it anew.")
    values = [built.controls[name].value for name in ASKED]
    assert generate(bad)["status"] == '<div class="error">dog.png is damaged: save it anew.</div>'
    assert (
        built.framing.preview(bad, *values)[1] == built.framing.move_closer(bad, *values)[0] == generate(bad)["status"]
    )
    assert built._one_change.begin(bad, "a clip")[0] == ""


def test_errors_of_ours_are_said_and_others_are_logged_too(generate, studio, monkeypatch, caplog):
    def fail(error):
        def animate(order):
            raise error

        monkeypatch.setattr(studio, "animate", animate)
        with caplog.at_level(logging.ERROR):
            return generate()["status"]

    assert "no room" in fail(OutOfMemory("The device has no room."))
    assert caplog.records == []
    assert "ZeroDivisionError: by &lt;0&gt;" in fail(ZeroDivisionError("by <0>"))
    assert caplog.records[0].exc_info


def test_frames_of_the_last_clips_are_at_hand_to_go_on_from(generate, built):
    found = generate()
    chosen = gr.SelectData(None, {"index": 1, "value": None})
    assert built.select(found["made"], chosen) == found["gallery"][1]
    for _ in range(tab.SHELF):
        generate()
    assert built.select(found["made"], chosen) == gr.update()


def test_nothing_is_shown_of_a_clip_that_was_thrown_away(generate, built, studio):
    name = generate()["made"]
    assert built.clear_trashed(name, "") == built.clear_trashed("", "") == [gr.update()] * 6
    trash.move_to_trash(studio.find_clip(name))
    *nothing, said = built.clear_trashed(name, "")
    assert nothing == ["", [], None, "", ""]
    assert "is in the trash" in said


def test_a_page_that_was_loaded_again_gets_what_its_own_job_showed_though_another_ended_since(built):
    async def run_queued(task, *shown):
        return [gr.update(), *shown]

    handle = built._keep_outputs(run_queued, 7)
    assert built.show_ended("a") == built.show_ended("") == [gr.update()] * 6
    for task in "abcd":
        await_result(handle(task, *f"clip {task}"))
    assert built.show_ended("a") == [*"clip a"]
    await_result(handle("e", *"clip e"))
    assert built.show_ended("e") == [*"clip e"]
    assert built.show_ended("a") == [gr.update()] * 6


def test_a_job_that_was_taken_out_of_the_queue_is_told_so_and_the_clip_before_stays(built):
    async def leave(task):
        raise Interrupted("The clip was taken out of the queue.")

    *stays, said = await_result(built._keep_outputs(leave, 6)("a"))
    assert stays == [gr.update()] * 5
    assert said == '<p class="svd-said">The clip was taken out of the queue.</p>'


def test_the_hosts_own_button_is_pressed_for_what_runs_in_its_queue_alone(built, noting_page):
    noting_page.running = "a"
    assert [await_result(built.stop(task)) for task in ("a", "b", "")] == ["a", "", ""]


def test_a_job_too_many_is_told_so_and_the_clip_before_stays(built):
    async def refuse(task):
        raise Busy("32 clips are waiting already: ask again when some are done.")

    *stays, said = await_result(built._keep_outputs(refuse, 6)("a"))
    assert stays == [gr.update()] * 5
    assert said == '<div class="error">32 clips are waiting already: ask again when some are done.</div>'


def test_the_preview_is_the_picture_that_the_model_gets(built, picture):
    shown, note = built.framing.preview(
        open_path(picture), False, 64, 64, "svd_xt.safetensors", 3, 1, "Crop", 0.0, 0.5, 1.0, "#000000"
    )
    assert shown.size == (64, 64)
    assert "Cropped 33 % from the right" in note
    assert built.framing.preview(None, *[None] * len(ASKED)) == (None, "")


def test_what_may_go_wrong_with_a_picture_is_said_below_it_with_a_remedy(built, picture):
    dark = open_path(picture).point(lambda level: level // 8)
    _, note = built.framing.preview(dark, True, 96, 64, "svd_xt.safetensors", 3, 1, "Crop", 0.5, 0.5, 1.0, "#000000")
    assert "It is very dark. Brighten it first" in note


def test_the_preview_says_what_is_wrong(built, picture):
    shown, note = built.framing.preview(
        open_path(picture), False, 65, 64, "svd_xt.safetensors", 3, 1, "Crop", 0.5, 0.5, 1.0, "#000000"
    )
    assert shown is None
    assert "multiples of 16" in note


def test_targets_have_buttons_and_the_folder_opens(built, noting_page, studio):
    assert noting_page.sent == [("svd_clip_send_to_img2img", "img2img")]
    built.open_folder()
    assert noting_page.opened == [studio.host.folders.find_output_dir()]


def test_a_clip_plays_over_and_over_unless_the_settings_for_videos_say_no():
    assert clips.describe_playing(DEFAULTS) == "autoplay loop"
    assert clips.describe_playing({"video_player_auto": True, "video_player_loop": False}) == "autoplay"
    assert clips.describe_playing({"video_player_auto": False, "video_player_loop": True}) == "loop"
    assert " autoplay muted" in clips.render_clip("file=/x.mp4", (1024, 576), plays="autoplay")


def test_html_of_a_clip_escapes_what_it_says():
    found = clips.render_clip("file=/a&b/'x'.mp4", (1024, 576), "<b>", ["<i>"])
    assert "<b>" not in found
    assert "<i>" not in found
    assert "file=/a&amp;b/&#39;x&#39;.mp4" in found
    assert "x&#39;.txt" in found
