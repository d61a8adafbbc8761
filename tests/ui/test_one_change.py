"""Where several controls changed since the last clip the tab says so, and offers to keep one."""

from __future__ import annotations

import gradio as gr
import pytest
from PIL import Image

from lib_svd.jobs import history
from lib_svd.review import review
from lib_svd.settings import HARMLESS, SETTINGS, list_names
from lib_svd.ui.controls import Controls
from lib_svd.ui.one_change import CHANGES, OneChange
from tests.requests import complete
from tests.review import clips

pytestmark = pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning")  # gradio's own
MADE_WITH = complete(seed=9, motion_bucket_id=127, checkpoint="svd_xt.safetensors", width=96, height=64)


@pytest.fixture
def panel(studio):
    with gr.Blocks(analytics_enabled=False):
        found = OneChange(studio, "svd_clip", gr.Textbox("", visible=False))
        controls = Controls(studio, "svd_clip")
        found.wire([], [], [], gr.Image(), controls)
    video = studio.host.folders.find_output_dir() / "a.mp4"
    video.write_bytes(b"video")
    history.remember(video, MADE_WITH, "", review(clips.make_pan(1), clips.make_pan(1)[0]))
    found.controls = controls
    return found


def test_a_picture_that_comes_with_its_clip_is_no_new_beginning(panel, studio, tmp_path):
    given, other = (Image.fromarray(clips.make_pan(1)[frame]) for frame in (0, 1))
    given.save(tmp_path / "given.png")
    video = studio.host.folders.find_output_dir() / "b.mp4"
    video.write_bytes(b"video")
    history.remember(video, MADE_WITH, str(tmp_path / "given.png"), None)
    assert panel.begin(given, "b.mp4")[0] == "b.mp4"
    for picture, name in ((other, "b.mp4"), (None, "b.mp4"), (given, "a.mp4"), (given, "gone.mp4"), (given, "")):
        assert panel.begin(picture, name)[0] == ""


@pytest.fixture
def values(panel):
    """The controls as the clip was made, with some of them changed."""

    def list_values(**changed):
        updates = panel.controls.take({**vars(MADE_WITH), **changed})
        given = [each.get("value") if isinstance(each, dict) else each for each in updates]
        shown = dict(zip(panel.controls.names, given, strict=True))
        return list({**shown, "checkpoint": "svd_xt.safetensors", "auto_size": True}.values())

    return list_values


def is_shown(told):
    return told[0]["visible"]


@pytest.mark.parametrize(
    "changed",
    [{}, {"motion_bucket_id": 90}, {"seed": 10}, {"seed": -1}, {"focus_x": 0.2, "zoom": 2.0}, {"decode_chunk": 3}],
)
def test_one_change_is_no_matter(panel, values, changed):
    assert not is_shown(panel.tell("a.mp4", *values(**changed)))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"motion_bucket_id": 90, "fps": 10}, "FPS and Motion"),
        ({"motion_bucket_id": 90, "fps": 10, "seed": 10}, "Seed, FPS and Motion"),
        ({"motion_bucket_id": 90, "zoom": 2.0, "seed": 3}, "Seed, Motion and Crop"),
    ],
)
def test_several_changes_are_said_by_name(panel, values, changed, named):
    told = panel.tell("a.mp4", *values(**changed))
    assert is_shown(told)
    assert f"you changed {named}:" in told[1]
    assert told[2]["choices"] == named.replace(" and ", ", ").split(", ")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"motion_bucket_id": 90}, "you changed Motion, and the seed will be drawn anew:"),
        ({"motion_bucket_id": 90, "fps": 10}, "you changed FPS and Motion, and the seed will be drawn anew:"),
    ],
)
def test_a_seed_that_is_drawn_anew_is_no_change_of_the_users_but_hides_what_one_did(panel, values, changed, said):
    given = values(**changed, seed=-1)
    told = panel.tell("a.mp4", *given)
    assert is_shown(told)
    assert said in told[1]
    assert "Seed" not in told[2]["choices"]
    _, *moved = panel.keep_only("Motion", "a.mp4", *given)
    left = dict(zip(panel.controls.names, moved, strict=True))
    assert (left["motion_bucket_id"], left["seed"], left["fps"]) == (90, MADE_WITH.seed, MADE_WITH.fps)


@pytest.mark.parametrize(
    ("kept", "left"),
    [("Motion", {"motion_bucket_id": 90}), ("Seed", {"seed": 3}), ("Crop", {"focus_x": 0.1, "zoom": 2.0})],
)
def test_one_is_kept_and_the_others_are_as_in_the_clip_again(panel, values, kept, left):
    changed = {"motion_bucket_id": 90, "focus_x": 0.1, "zoom": 2.0, "seed": 3}
    hidden, *moved = panel.keep_only(kept, "a.mp4", *values(**changed))
    assert hidden["visible"] is False
    found = dict(zip(panel.controls.names, moved, strict=True))
    wanted = {**vars(MADE_WITH), **left}
    assert {name: found[name] for name in ("motion_bucket_id", "focus_x", "zoom", "seed", "fps")} == {
        name: wanted[name] for name in ("motion_bucket_id", "focus_x", "zoom", "seed", "fps")
    }


def test_without_a_clip_to_compare_with_nothing_is_said(panel, values):
    changed = values(motion_bucket_id=90, fps=10)
    for name in ("", "none.mp4", "../a.mp4/x"):
        assert not is_shown(panel.tell(name, *changed))


def test_every_setting_that_changes_frames_counts():
    assert SETTINGS.keys() - list_names(HARMLESS) == {name for names in CHANGES.values() for name in names}
