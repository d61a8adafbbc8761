"""The Finish panel: what it says before anything runs, what it does, what it remembers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from lib_svd import video
from lib_svd.clip import Clip
from lib_svd.finish.deliveries import DELIVERIES
from lib_svd.finish.finishing import FINISHINGS, Finishing
from lib_svd.jobs import history
from lib_svd.ui.finishing import NO_CLIP
from tests.requests import complete
from tests.review import clips

pytestmark = [
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
    pytest.mark.usefixtures("one_thread"),
]
SETTINGS = complete(num_frames=10, width=192, height=128, fps=9, seed=5)


@pytest.fixture
def panel(built):
    return built._finishing


@pytest.fixture
def clip(studio) -> str:
    made = Clip(frames=clips.make_pan(2), fps=9, infotext=SETTINGS.write_infotext())
    return str(video.save(made, studio.find_output_dir() / "a.mp4").video)


def list_values(panel, **changed):
    """What stands in the panel's components."""
    return [changed.get(name, component.value) for name, component in panel._by_name.items()]


def test_every_row_of_the_table_has_its_component(panel):
    assert set(panel._by_name) == set(FINISHINGS)
    assert all(component.do_not_save_to_config for component in panel._by_name.values())


def test_it_says_what_will_be_before_anything_runs(panel, clip):
    said = panel.tell(clip, "", [], "", *list_values(panel, loop="Ping-pong", smooth="2x", upscale="lanczos"))
    assert "a.mp4: 10 frames of 192x128 at 9 fps, 1.1 s become 36 frames of 384x256 at 18 fps, 2.0 s." in said
    assert "A loop by ping-pong, smoothed by Motion (ffmpeg), enlarged by lanczos." in said
    assert not list(Path(clip).parent.glob("*finished*"))


def test_flicker_is_removed_by_brightness_or_a_model_that_can(panel, clip, studio):
    update = dict(zip(panel._by_name, panel.fill()[4:], strict=True))["deflicker"]
    assert update["choices"][:2] == ["None", "brightness"]
    assert {"svd_xt.safetensors", "demo.safetensors"} <= set(update["choices"])
    said = panel.tell(clip, "", [], "", *list_values(panel, deflicker="svd_xt.safetensors"))
    assert "Flicker removed by svd_xt.safetensors." in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"smooth": "fast"}, "Smooth to must be 2x, 4x or frames a second such as 28"),
        ({"first": 11}, "The first frame is to be 11, and the clip has 10."),
        ({"size": "large"}, "Size &#39;large&#39; cannot be read"),
        ({"smooth": "2x", "smoother": "RIFE"}, "There is no RIFE model"),
    ],
)
def test_what_cannot_be_is_said_in_its_place(panel, clip, changed, said):
    assert said in panel.tell(clip, "", [], "", *list_values(panel, **changed))


def test_without_a_clip_it_says_where_one_comes_from(panel):
    assert NO_CLIP in panel.tell("", "", [], "", *list_values(panel))


def test_the_button_finishes_the_clip_that_is_shown_and_shows_what_came_of_it(panel, noting_page, clip, studio):
    outputs = noting_page.jobs[-1](clip, "", ["gif"], "", *list_values(panel, reverse=True))
    other, player, gallery, last, made, infotext, status = outputs
    assert other == clip  # it can be finished otherwise, though another one is shown
    assert made == str(studio.find_output_dir() / "a-finished.mp4")
    assert "a-finished.mp4" in player
    assert len(gallery) == 10
    assert "SVD finished: &#34;Backwards: yes&#34;" in infotext or 'SVD finished: "Backwards: yes"' in infotext
    assert "10 frames of 192x128 at 9 fps." in status
    assert last.size == (192, 128)
    assert Path(made).with_suffix(".gif").is_file()
    assert history.find_entry(Path(made)).source == "a.mp4"


def test_where_it_fails_what_was_shown_stays_and_a_sentence_says_why(panel, noting_page, clip):
    *stays, status = noting_page.jobs[-1](clip, "", [], "", *list_values(panel, first=11))
    assert stays == [gr.update()] * 6
    assert "the clip has 10" in status
    assert NO_CLIP in noting_page.jobs[-1]("", "", [], "", *list_values(panel))[-1]


def test_what_was_chosen_is_remembered_and_there_when_the_page_loads(panel, noting_page, clip, studio):
    panel.tell(clip, "", ["gif"], "", *list_values(panel, loop="Best cut", smooth="30", crossfade=9))
    assert noting_page.remembered == {"svd_finishing": "Loop: Best cut, Smooth: 30", "svd_finishing_copies": ["gif"]}
    studio.host.options.maps[0].update(noting_page.remembered, svd_finish_every=True)
    every, copies, how, missing, *rest = panel.fill()
    shown = dict(zip(panel._by_name, rest, strict=True))
    assert (every, copies["value"], how, missing) == (True, ["gif"], "", "")
    assert "gif" in copies["choices"]
    assert (shown["loop"]["value"], shown["smooth"]["value"], shown["upscale"]["value"]) == ("Best cut", "30", "None")


def test_how_formats_are_written_is_remembered_and_a_mistake_is_said(panel, noting_page, clip, tmp_path):
    assert "GIF has nothing that is called" in panel.tell(clip, "", ["gif"], "gif:slow", *list_values(panel))
    panel.tell(clip, "", ["gif"], "gif:bayer, h265:30", *list_values(panel))
    assert noting_page.remembered["svd_formats"] == "gif:bayer, h265:30"


def test_a_format_that_cannot_be_written_here_is_not_offered_and_said(panel, monkeypatch):
    monkeypatch.setattr("lib_svd.video.explain_why_not", lambda name: "It is not there." if name == "av1" else "")
    _, copies, _, missing, *_ = panel.fill()
    assert "av1" not in copies["choices"]
    assert "gif" in copies["choices"]
    assert "av1: It is not there." in missing


def test_a_setting_that_somebody_wrote_by_hand_is_no_reason_to_stop(panel, studio):
    studio.host.options.maps[0]["svd_finishing"] = "Loop: Round, Smooth: fast"
    assert panel.fill()[4]["value"] == "None"


def test_a_delivery_sets_everything(panel):
    copies, *rest = panel.deliver(DELIVERIES["social"].label)
    shown = {name: update["value"] for name, update in zip(panel._by_name, rest, strict=True)}
    assert (copies, shown["loop"], shown["smooth"], shown["size"]) == ([], "Ping-pong", "30", "1080x1920")
    assert panel.deliver(DELIVERIES["editor"].label)[0] == ["prores"]
    assert panel.deliver("As chosen below") == [gr.update()] * (1 + len(FINISHINGS))


def test_a_clip_that_was_uploaded_is_finished_in_place_of_the_one_shown(
    panel, noting_page, clip, tmp_path, monkeypatch
):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "gradio").mkdir()
    other = video.save(Clip(frames=clips.make_pan(3), fps=5, infotext=""), tmp_path / "gradio" / "cat.mp4").video
    for given in (str(other), SimpleNamespace(name=str(other))):  # as gradio 4 and 3 give it
        sent, said = panel.take(given)
        assert (sent, said) == (str(other), "")
    assert "cat.mp4: 10 frames of 192x128 at 5 fps" in panel.tell(clip, sent, [], "", *list_values(panel))
    made = noting_page.jobs[-1](clip, sent, [], "", *list_values(panel, reverse=True))[4]
    assert made.endswith("cat-finished.mp4")


def test_what_is_no_clip_or_was_not_uploaded_is_not_taken(panel, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "gradio").mkdir()
    (tmp_path / "gradio" / "list.mp4").write_bytes(b"#EXTM3U\nfile:///etc/passwd\n")
    for path, why in ((clip, "was not uploaded here"), (tmp_path / "gradio" / "list.mp4", "This is no clip")):
        sent, said = panel.take(str(path))
        assert sent == gr.update()  # what was to be finished stays
        assert why in said
    assert "is not there any more" in panel.take(str(tmp_path / "gradio" / "gone.mp4"))[1]


def test_a_clip_of_the_history_is_shown_where_it_is_finished(built, clip):
    player, *_, status, opened = built.open_finishing(history.find_entry(Path(clip)))
    assert "a.mp4" in player
    assert "10 frames of 192x128 at 9 fps." in status
    assert opened == gr.update(open=True)


def test_a_long_clip_is_shown_by_some_of_its_frames(built, studio):
    frames = clips.make_pan(2).repeat(15, axis=0)
    made = video.save(Clip(frames=frames, fps=30, infotext="SVD finished: nothing"), studio.find_output_dir() / "b.mp4")
    _, gallery, last, *_ = built.open_finishing(history.find_entry(made.video))
    assert len(gallery) == 50
    assert last.size == (192, 128)


def test_after_every_clip_the_finished_one_is_shown_and_the_clip_stays(built, noting_page, studio, picture):
    from PIL import Image

    studio.host.options.maps[0].update(svd_finish_every=True, svd_finishing=Finishing(loop="pingpong").text)
    shown = {name: built.controls[name].value for name in built.controls.names}
    shown |= {"checkpoint": "svd_xt.safetensors", "num_steps": 1, "num_frames": 3}
    with Image.open(picture) as image:
        *_, made, _infotext, status = noting_page.jobs[0](image.copy(), False, *shown.values())
    assert made.endswith("clip-svd-0001-finished.mp4")
    assert "This is clip-svd-0001.mp4, finished; that one stays." in status
    assert video.probe(Path(made)).num_frames == 4
    assert history.find_entry(Path(made)).picture
    assert history.find_entry(studio.find_output_dir() / "clip-svd-0001.mp4").measures


def test_where_a_clip_cannot_be_finished_it_is_there_all_the_same(built, noting_page, studio, picture):
    from PIL import Image

    studio.host.options.maps[0].update(svd_finish_every=True, svd_finishing="Upscaler: gone")
    shown = {name: built.controls[name].value for name in built.controls.names}
    shown |= {"checkpoint": "svd_xt.safetensors", "num_steps": 1, "num_frames": 3}
    with Image.open(picture) as image:
        *_, made, _infotext, status = noting_page.jobs[0](image.copy(), False, *shown.values())
    assert made.endswith("clip-svd-0001.mp4")
    assert "The clip was not finished. There is no upscaler &#39;gone&#39;" in status
