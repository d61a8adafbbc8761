"""The controls: complete, explained, read without loss, and restored by pasting."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from lib_svd.companions import NAMED, keep_picture
from lib_svd.errors import BadRequest
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS
from lib_svd.studio import Studio
from lib_svd.ui import accordion, tab
from lib_svd.ui.controls import Controls
from tests.ui.conftest import parse, paste

pytestmark = pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning")  # gradio's own

OTHER = ClipRequest(
    seed=4294967295,
    num_frames=7,
    width=128,
    height=80,
    fps=12,
    motion_bucket_id=90,
    noise_aug_strength=0.0371,
    min_guidance=1.25,
    max_guidance=3.75,
    guidance_ramp="triangle",
    guidance_low=0.5,
    guidance_high=70.5,
    cache_interval=2,
    num_steps=11,
    sampler="dpmpp_2m",
    schedule="align_your_steps",
    longer="segments",
    fit="letterbox",
    focus_x=0.13,
    focus_y=0.87,
    zoom=2.5,
    background="#12abef",
    decode="reference",
    decode_chunk=3,
    ending="loop",
    camera="orbit_left",
    camera_strength=35,
    last_picture="0123456789abcdef0123456789abcdef.png",
    mask="fedcba9876543210fedcba9876543210.png",
    mask_means="stays",
    mask_edge=3,
    window=9,
    lora="fog:0.5",
    elevation=-12.5,
    orbit=90.5,
    cut_out="never",
    object_fill=0.5,
    checkpoint="sv3d_p.safetensors",
)
"""Unlike the defaults in every setting."""


@pytest.fixture
def controls(studio, noting_page):
    with gr.Blocks(analytics_enabled=False):
        return Controls(studio, "svd_clip", noting_page)


@pytest.fixture
def folded(studio):
    with gr.Blocks(analytics_enabled=False):
        return accordion.build(studio, "txt2img")


def list_shown(components):
    return [component.value for component in components]


def list_inside(block):
    """Every component below one."""
    for child in getattr(block, "children", []):
        yield child
        yield from list_inside(child)


def test_every_setting_has_a_control(controls):
    assert SETTINGS.keys() == set(controls.names) - {"auto_size"}


def test_the_settings_used_here_differ_from_the_defaults_everywhere():
    same = [f.name for f in dataclasses.fields(ClipRequest) if getattr(OTHER, f.name) == getattr(ClipRequest(), f.name)]
    assert same == []


def test_every_control_says_what_it_does(controls, folded):
    boxes = [controls[name] for name in NAMED]  # gradio's pictures have no place for it: it stands above them
    for component in (*(each for each in controls.components if each not in boxes), *folded.inputs[1:]):
        assert component.info.endswith("."), component.label
        assert len(component.info) < 100


@pytest.mark.parametrize("build", ["tab", "accordion"])
def test_labels_and_ids_are_unique_and_ids_begin_with_the_part(studio, noting_page, build):
    with gr.Blocks(analytics_enabled=False) as blocks:
        if build == "tab":
            tab.build(studio, noting_page, JobQueue(studio))
        else:
            accordion.build(studio, "txt2img")
    found = list(list_inside(blocks))
    ids = [each.elem_id for each in found if each.elem_id]
    assert len(ids) == len(set(ids))
    part = "svd_clip" if build == "tab" else "txt2img_svd"
    assert [name for name in ids if not name.startswith((part, f"image_buttons_{part}"))] == []
    labels = [each.label for each in found if getattr(each, "label", None)]
    assert len(labels) == len(set(labels))
    if build == "accordion":
        assert all("svd" in label.lower() or label == "Animate the pictures" for label in labels)


def test_untouched_controls_leave_size_and_seed_open_and_say_the_rest(controls):
    found = controls.read(list_shown(controls.components))
    assert not {"seed", "width", "height", "checkpoint"} & found.keys()
    assert found["num_frames"] == 25
    assert found["sampler"] == "euler"
    assert isinstance(found["num_frames"], int)
    ClipRequest.from_mapping(found)


def test_what_is_none_is_left_to_the_model(controls):
    assert controls.read([None] * len(controls.names)) == dict.fromkeys(NAMED, "")


def test_fewer_values_than_controls_can_be_read(controls):
    assert controls.read([None, 90]) == {"motion_bucket_id": 90}


def test_a_size_is_read_when_it_is_not_left_to_the_picture(controls):
    values = dict(zip(controls.names, list_shown(controls.components), strict=True))
    found = controls.read(list({**values, "auto_size": False, "width": 512.0}.values()))
    assert (found["width"], found["height"]) == (512, 576)


@pytest.mark.parametrize(("name", "value"), [("seed", 0.5), ("num_frames", 0), ("sampler", "quick"), ("fps", "fast")])
def test_a_value_that_cannot_be_is_refused_with_a_sentence(controls, name, value):
    values = dict(zip(controls.names, list_shown(controls.components), strict=True))
    with pytest.raises(BadRequest, match=r"must be .*\.$"):
        controls.read(list({**values, name: value}.values()))


def test_pasting_a_clips_infotext_restores_every_control(controls, studio):
    pictures = (Image.new("RGB", (40, 32), colour) for colour in ("red", "white"))
    kept = {n: keep_picture(each, studio.find_output_dir()).name for n, each in zip(NAMED, pictures, strict=True)}
    made_with = OTHER.replace(**kept)

    given = paste(controls.pastes, parse(made_with.write_infotext()))

    values = [given.get(component, component.value) for component in controls.components]
    assert ClipRequest.from_mapping(controls.read(values)) == made_with


def test_pictures_that_are_not_here_any_more_leave_their_places_empty(controls):
    given = paste(controls.pastes, parse(OTHER.write_infotext()))
    assert [given[controls[name]] for name in NAMED] == [None, None]


def test_pasting_a_pictures_infotext_restores_every_control_of_the_accordion(folded):
    given = paste(folded.pastes, parse(", ".join(f"{k}: {v}" for k, v in OTHER.write_parameters().items())))
    is_on, settings, _ = folded.read([given.get(component, component.value) for component in folded.inputs])
    off = {name: SETTINGS[name].default for name in (*NAMED, "mask_means", "mask_edge")}  # each picture is another one
    assert is_on
    assert ClipRequest.from_mapping(settings) == OTHER.replace(**off)


def test_a_picture_without_svd_settings_changes_nothing(controls, folded):
    plain = parse("Steps: 20, Sampler: Euler a, Schedule type: Karras, Seed: 5, Size: 512x512")
    assert paste(controls.pastes, plain) == {}
    assert paste(folded.pastes, plain) == {}


def test_the_accordion_does_not_read_a_clips_own_infotext(folded):
    assert paste(folded.pastes, parse(OTHER.write_infotext())) == {}


def test_a_model_that_is_not_here_is_not_pasted(controls):
    given = paste(controls.pastes, parse(OTHER.replace(checkpoint="elsewhere.safetensors").write_infotext()))
    assert controls["checkpoint"] not in given
    assert given[controls["fps"]] == 12


def test_models_are_listed_when_the_page_loads_and_the_last_choice_comes_first(controls, options):
    listed, line = controls.fill()
    assert len(listed["choices"]) == 4  # three, and the demo
    assert "svd_image_decoder.safetensors" in listed["value"]  # the first in natural order of those for scenes
    assert "Stable Video Diffusion" in line
    options["svd_checkpoint"] = "sv3d_p.safetensors"
    listed, line = controls.fill()
    assert "sv3d_p.safetensors" in listed["value"]
    assert "Stable Video 3D" in line


def test_a_refresh_keeps_the_model_that_is_chosen(controls, options):
    options["svd_checkpoint"] = "svd_xt.safetensors"
    label = next(name for name in controls.fill()[0]["choices"] if "image_decoder" in name)
    assert controls.fill(label)[0]["value"] == label


def test_choosing_a_model_moves_the_controls_and_is_remembered(controls, noting_page):
    label = next(name for name in controls.fill()[0]["choices"] if name.startswith("sv3d_p"))
    moved = [controls[name].value for name in list_following()]
    line, basis, path, placed, chunk, *updates = controls._follow_shown(label, "", *moved)
    assert "Stable Video 3D" in line
    assert (basis, path["visible"], placed["visible"]) == ("sv3d_p.safetensors", True, True)
    assert chunk["maximum"] == 10
    found = dict(zip(list_following(), updates, strict=True))
    assert (found["num_frames"]["value"], found["num_frames"]["maximum"]) == (5, 10)
    assert found["guidance_ramp"]["value"] == "Triangle"
    assert noting_page.remembered == {"svd_checkpoint": "sv3d_p.safetensors"}


def test_a_pasted_model_does_not_undo_the_settings_pasted_with_it(controls):
    given = paste(controls.pastes, parse(OTHER.write_infotext()))
    values = [given[controls[name]] for name in list_following()]
    _, _, _, _, _, *updates = controls._follow_shown(given[controls["checkpoint"]], given[controls._basis], *values)
    assert [update["value"] for update in updates] == values


def test_without_models_the_page_says_where_to_get_one(empty_studio):
    with gr.Blocks(analytics_enabled=False):
        controls = Controls(empty_studio, "svd_clip")
    listed, line = controls.fill()
    assert listed["value"] == "Demo, 64 px: see how it works"
    assert "There is no SVD model yet" in line
    assert "huggingface.co/stabilityai" in line
    assert str(empty_studio.host.folders.list_model_dirs()[0]) in line


def test_a_broken_file_is_said_where_a_model_is_missed_and_folded_away_beside_one(empty_studio, checkpoint_of):
    folder = empty_studio.host.folders.list_model_dirs()[0]
    folder.mkdir()
    (folder / "svd_xt.safetensors").touch()
    with gr.Blocks(analytics_enabled=False):
        controls = Controls(empty_studio, "svd_clip")
    assert re.search(r"<details open>.*svd_xt.safetensors is empty", controls.fill()[1])
    shutil.copy(checkpoint_of("svd_xt"), folder / "another.safetensors")
    assert re.search(r"<details><summary>Files.*svd_xt.safetensors is empty", controls.fill()[1])


def test_where_a_model_goes_is_said_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with gr.Blocks(analytics_enabled=False):
        controls = Controls(Studio(make_standalone_host("cpu", model_dirs=(Path("models"),))), "svd_clip")
    assert f"<code>{tmp_path / 'models'}</code>" in controls.fill()[1]


def test_the_demo_gives_way_to_a_model_that_is_put_there(empty_studio, checkpoint_of, noting_page):
    with gr.Blocks(analytics_enabled=False):
        controls = Controls(empty_studio, "svd_clip", noting_page)
    shown = controls.fill()[0]["value"]
    controls._follow_shown(shown, "", *[controls[name].value for name in list_following()])
    assert noting_page.remembered == {}
    folder = empty_studio.host.folders.list_model_dirs()[0]
    folder.mkdir()
    shutil.copy(checkpoint_of("svd_xt"), folder / "svd_xt.safetensors")
    listed, line = controls.fill(shown)
    assert listed["value"].startswith("svd_xt.safetensors")
    assert listed["choices"][-1] == shown
    assert "There is no SVD model yet" not in line


def test_files_that_cannot_be_used_are_named(studio, models, controls):
    (models / "broken.safetensors").write_bytes(b"nothing")
    assert "broken.safetensors" in controls.fill()[1]


class Blind:
    """A studio that must not be asked for its models."""

    def __init__(self, studio):
        self.host = studio.host

    def list_models(self):
        raise AssertionError("models were looked for while the page was being built")


def test_choosing_a_model_looks_for_models_once(studio, controls, monkeypatch):
    looked, models = [], studio.list_models
    shown = next(model.label for model in models() if "sv3d" in model.name)
    monkeypatch.setattr(studio, "list_models", lambda: looked.append(1) or models())
    line, name, *_ = controls._follow_shown(shown, "", *[controls[name].value for name in list_following()])
    assert (name, len(looked)) == ("sv3d_p.safetensors", 1)
    assert "Stable Video 3D" in line


def test_building_looks_for_no_model(studio, noting_page):
    tab.build(Blind(studio), noting_page, JobQueue(studio))
    with gr.Blocks(analytics_enabled=False):
        accordion.build(Blind(studio), "txt2img")
        accordion.build(Blind(studio), "img2img")


def test_the_accordion_is_off_unless_it_is_ticked(folded):
    assert folded.read(list_shown(folded.inputs)) == (False, {}, False)


def test_the_accordion_reads_a_dict_of_the_api(folded):
    given = {"enabled": True, "motion_bucket_id": 90, "frames": True, "sampler": "heun", "seed": -1}
    assert folded.read([given]) == (True, {"motion_bucket_id": 90, "sampler": "heun"}, True)
    assert folded.read([{"width": 512, "height": 512}])[1] == {"width": 512, "height": 512}
    assert folded.read([{"enabled": False, "fps": 99}]) == (False, {}, False)


@pytest.mark.parametrize("given", [{"enabled": "yes"}, {"frames": 1}, {"fps": 99}])
def test_the_accordion_refuses_a_dict_that_makes_no_sense(folded, given):
    with pytest.raises(BadRequest):
        folded.read([given])


def test_the_accordion_reads_what_an_api_leaves_out(folded):
    assert folded.read([]) == (False, {}, False)
    assert folded.read([True]) == (True, {}, False)
    assert folded.read([True, None, None, 90]) == (True, {"motion_bucket_id": 90}, False)


def list_following():
    from lib_svd.ui.choices import FOLLOWING

    return FOLLOWING


@pytest.mark.parametrize(
    ("speed", "model", "moved"),
    [
        ("best", "svd_xt.safetensors", [3, "Euler", "Karras"]),
        ("draft", "svd_xt.safetensors", [2, "Euler", "Align Your Steps"]),
        ("draft", "The first one found", [6, "Euler", "Align Your Steps"]),
    ],
)
def test_a_speed_moves_steps_sampler_and_schedule(controls, speed, model, moved):
    """The narrow model was made for 3 steps; before one is known, 25 is usual."""
    assert controls.quicken(speed, model) == moved
