"""Settings: what they may be, what they default to, and that infotext keeps every one of them."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_svd.checkpoints import FAMILIES
from lib_svd.cli import animate
from lib_svd.cli.options import ELSEWHERE
from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest, CompleteRequest, add_source, pick_settings, read_size
from lib_svd.settings import CONTROL, MAX_SEED, SETTINGS, Setting, list_names
from tests.requests import complete

OTHERS = (
    'a cat, (fluffy:1.2), "quoted: yes", Steps of a dancer\n'
    "Negative prompt: blurry, low quality: 3\n"
    'CFG scale: 7, Model hash: 6ce0161689, Model: v1-5, ControlNet 0: "Module: depth, Weight: 0.8, Steps: 99", '
    'Lora hashes: "a: 1, b: 2", Clip skip: 2, '
)


def draw_values(field: Setting) -> st.SearchStrategy[object]:
    """Everything that a setting may be, None where it may be left to the model."""
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
    colours = st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True)
    if field.choices is not None:
        drawn: st.SearchStrategy[object] = st.sampled_from(sorted(field.choices))
    elif field.kind is str:
        drawn = colours if field.is_colour else texts
    elif field.kind is int:
        drawn = st.integers(int(field.low), int(field.high))
    else:
        drawn = st.floats(field.low, field.high, allow_nan=False)
    return st.none() | drawn if field.is_open else drawn


@st.composite
def draw_requests(draw: st.DrawFn) -> ClipRequest:
    settings = {name: draw(draw_values(setting)) for name, setting in SETTINGS.items()}
    if settings["width"] is None or settings["height"] is None:
        settings["width"] = settings["height"] = None
    low, high = settings["min_guidance"], settings["max_guidance"]
    if low is not None and high is not None and low > high:
        settings["min_guidance"], settings["max_guidance"] = high, low
    sigmas = sorted((settings["guidance_low"], settings["guidance_high"]))
    settings["guidance_low"], settings["guidance_high"] = sigmas
    return ClipRequest(**settings)


@given(draw_requests())
def test_infotext_keeps_every_setting(request_):
    text = request_.write_infotext()
    assert "\n" not in text
    assert ClipRequest.from_infotext(text) == request_


@given(draw_requests())
def test_settings_are_found_among_those_of_other_tools(request_):
    pasted = f"{OTHERS}{request_.write_infotext()}, Version: v1.10.1\nTemplate: a {{cat|dog}}"
    assert ClipRequest.from_infotext(pasted) == request_


@given(draw_requests())
def test_a_mapping_keeps_every_setting(request_):
    assert ClipRequest.from_mapping(dataclasses.asdict(request_)) == request_


@pytest.mark.parametrize("ending", ["", "\r\n", ", ", ",", "\n\n", "  "])
def test_line_endings_do_not_become_part_of_a_value(ending):
    asked = ClipRequest(seed=7, checkpoint="svd xt.safetensors", orbit=-90.5)
    assert ClipRequest.from_infotext(asked.write_infotext() + ending) == asked


def test_a_text_without_settings_gives_the_defaults():
    assert ClipRequest.from_infotext("a cat in the rain") == ClipRequest()


def test_infotext_reads_as_people_know_it():
    asked = ClipRequest(
        seed=5,
        num_steps=25,
        sampler="dpmpp_2m",
        schedule="align_your_steps",
        width=1024,
        height=576,
        motion_bucket_id=75,
    )
    start = "Steps: 25, Sampler: DPM++ 2M, Schedule type: Align Your Steps, Seed: 5, Size: 1024x576, SVD motion: 75"
    assert asked.write_infotext().startswith(start)


def test_defaults_are_those_of_the_table_in_the_design():
    request_, svd, xt = ClipRequest(), FAMILIES["svd"], FAMILIES["svd_xt"]
    assert (request_.decode_chunk, request_.seed, request_.fit) == (0, 0, "crop")
    left_to_the_model = [name for name, setting in SETTINGS.items() if setting.is_open]
    assert all(getattr(request_, name) is None for name in left_to_the_model)
    assert (svd.num_frames, xt.num_frames) == (14, 25)
    assert (svd.min_guidance, svd.max_guidance) == (1.0, 2.5)
    assert (xt.min_guidance, xt.max_guidance) == (1.5, 3.0)
    for family in (svd, xt):
        assert (family.fps, family.motion_bucket_id, family.noise_aug_strength, family.num_steps) == (7, 75, 0.02, 25)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("fps", 1, 30),
        ("motion_bucket_id", 1, 255),
        ("noise_aug_strength", 0, 1),
        ("seed", 0, MAX_SEED),
        ("num_steps", 1, 100),
        ("elevation", -90, 90),
    ],
)
def test_ranges_are_those_of_the_table_in_the_design(name, low, high):
    assert getattr(ClipRequest(**{name: low}), name) == low
    assert getattr(ClipRequest(**{name: high}), name) == high
    for beyond in (low - 1, high + 1):
        with pytest.raises(BadRequest, match=rf"{SETTINGS[name].label} must be from {low} to {high}"):
            ClipRequest(**{name: beyond})


def test_every_setting_is_called_by_names_of_its_own():
    for names in ("label", "word", "infotext", "flags"):
        assert len({getattr(setting, names) for setting in SETTINGS.values()}) == len(SETTINGS)
    for setting in SETTINGS.values():
        assert re.fullmatch(r"[A-Z][A-Za-z0-9 ]*", setting.infotext)
        assert re.fullmatch(r"[A-Z][A-Za-z ,]*[a-zA-Z]", setting.label)


def test_a_setting_is_what_its_field_of_a_request_is():
    request_ = ClipRequest()
    for name, setting in SETTINGS.items():
        assert setting.name == name
        assert getattr(request_, name) == setting.default
        assert type(setting.default) in (setting.kind, type(None))


def test_choices_can_be_told_apart_by_name_and_by_label():
    for field in SETTINGS.values():
        if field.choices:
            assert len(set(field.choices.values())) == len(field.choices)
            for name, label in field.choices.items():
                assert (field.read(name), field.read(label)) == (name, name)


def test_every_setting_is_an_option_of_the_command_line_under_its_own_name():
    options = {option.name: option.opts for option in animate.params}
    for name, setting in SETTINGS.items():
        if name not in ELSEWHERE:
            assert f"--{name.replace('_', '-')}" in options[name]
            assert set(setting.flags) == set(options[name])
    assert {"--size", "--checkpoint"} <= {name for names in options.values() for name in names}


@pytest.mark.parametrize("value", [True, "7", [7], float("nan"), float("inf"), 7.5, object()])
def test_a_whole_number_is_nothing_else(value):
    with pytest.raises(BadRequest, match=r"FPS must be (a whole number|from 1 to 30)"):
        ClipRequest(fps=value)


def test_a_number_is_taken_in_its_own_type():
    request_ = ClipRequest(motion_bucket_id=60.0, min_guidance=2)
    assert isinstance(request_.motion_bucket_id, int)
    assert isinstance(request_.min_guidance, float)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("10", 10.0),
        ([10], 10.0),
        ("0,30 ; 0.5", "0, 30, 0.5"),
        ([0, 30.5, -0.25], "0, 30.5, -0.25"),
        (" 1\n2 ", "1, 2"),
    ],
)
def test_a_camera_has_one_angle_or_several_along_the_clip(given, kept):
    asked = ClipRequest(elevation=given, orbit="Dynamic")
    assert (asked.elevation, asked.orbit) == (kept, "dynamic")
    assert ClipRequest.from_infotext(asked.write_infotext()) == asked


@pytest.mark.parametrize(
    "given", ["", "1,,2", "1 up", "dynamic", [], [1, None], [[1, 2]], {"a": 1}, "0 " * 101, f"1, {'9' * 41}"]
)
def test_what_is_no_angle_is_refused(given):
    with pytest.raises(BadRequest, match=r"^Elevation must be a number"):
        ClipRequest(elevation=given)


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if not setting.is_open])
def test_what_is_not_left_to_the_model_may_not_be_none(name):
    with pytest.raises(BadRequest, match=rf"^{SETTINGS[name].label} must be"):
        ClipRequest(**{name: None})


def test_guidance_may_stay_but_not_fall():
    assert ClipRequest(min_guidance=2, max_guidance=2).max_guidance == 2
    with pytest.raises(BadRequest, match="must not fall from the first to the last frame: 3 is above 2"):
        ClipRequest(min_guidance=3, max_guidance=2)
    with pytest.raises(BadRequest, match="must not fall"):
        ClipRequest(min_guidance=3).replace(max_guidance=2)


@pytest.mark.parametrize("size", [{"width": 512}, {"height": 512}])
def test_a_size_has_two_sides(size):
    with pytest.raises(BadRequest, match="width and height together"):
        ClipRequest(**size)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1024x576", (1024, 576)), (" 64 × 64 ", (64, 64)), ("auto", (None, None)), ("AUTO ", (None, None))],
)
def test_sizes_that_can_be_read(text, size):
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "1024", "1024x", "1024*576", "-1x5", "1e3x2", "123456x64", "1024x576x3"])
def test_sizes_that_cannot_be_read(text):
    with pytest.raises(BadRequest, match="write width x height, such as 1024x576, or auto"):
        read_size(text)


def test_a_name_that_is_no_setting_is_refused_with_those_that_are():
    with pytest.raises(BadRequest, match=r"'motion' is not a setting; the settings are .*motion_bucket_id"):
        ClipRequest.from_mapping({"motion": 75})


def test_a_complete_request_leaves_nothing_open():
    asked = ClipRequest(seed=3, fit="stretch", checkpoint="xt.safetensors")
    with pytest.raises(BadRequest, match=r"Settings are missing: Steps; Sampler; Schedule; Width; Height"):
        CompleteRequest.of(asked)
    filled, _ = FAMILIES["svd_xt"].complete(asked, grid=64)
    complete = CompleteRequest.of(filled)
    assert None not in dataclasses.asdict(complete).values()
    assert (complete.seed, complete.fit, complete.num_frames, complete.width) == (3, "stretch", 25, 1024)
    assert CompleteRequest.from_infotext(complete.write_infotext()) == complete


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.is_open])
def test_a_complete_request_takes_no_none(name):
    with pytest.raises(BadRequest, match=rf"Settings are missing: {SETTINGS[name].label}\."):
        complete(**{name: None})


def test_a_request_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ClipRequest().seed = 1
    with pytest.raises(TypeError):
        ClipRequest(5)


def test_the_page_of_settings_is_the_one_that_the_table_gives():
    path = Path(__file__).parents[1] / "docs" / "settings.py"
    page = runpy.run_path(str(path))["write_page"]()
    assert path.with_suffix(".md").read_text("utf-8") == page, "run: python docs/settings.py"
    assert all(f"| {setting.label} |" in page for setting in SETTINGS.values())


def test_every_setting_is_described_for_users():
    root = Path(__file__).parents[1]
    pages = [*root.glob("README.md"), *root.glob("docs/**/*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    options = {name: setting.flags[-1] for name, setting in SETTINGS.items()}
    options |= {"width": "--size", "height": "--size"}
    assert {name for name, option in options.items() if not re.search(rf"{option}\b", text)} == set()


def split_as_a_host(infotext: str) -> dict[str, str]:
    """Labels and values as web UIs parse them: sizes in two."""
    found = dict(part.split(": ", 1) for part in infotext.split(", "))
    return {
        split: text
        for label, whole in found.items()
        for split, text in (
            [(f"{label}-{i}", side) for i, side in enumerate(whole.split("x"), 1)]
            if label.lower().endswith("size")
            else [(label, whole)]
        )
    }


COMPLETE = complete(seed=7, num_frames=9, width=256, height=128, sampler="heun", fit="letterbox")


def test_settings_travel_in_a_pictures_infotext_beside_its_own():
    pictures_own = {"Steps": "20", "Sampler": "DDIM", "Seed": "99", "Size-1": "512", "Size-2": "512"}
    parameters = split_as_a_host(", ".join(f"{label}: {text}" for label, text in COMPLETE.write_parameters().items()))
    assert parameters.keys().isdisjoint(pictures_own)
    assert ClipRequest(**pick_settings(pictures_own | parameters)) == ClipRequest(**asdict(COMPLETE))


def test_settings_are_found_in_a_clips_own_infotext_as_a_host_splits_it():
    assert ClipRequest(**pick_settings(split_as_a_host(COMPLETE.write_infotext()))) == ClipRequest(**asdict(COMPLETE))


@pytest.mark.parametrize("seed", [5, 2**32 + 5])
def test_of_two_settings_in_a_pictures_text_those_of_the_clip_are_read(seed):
    own = f"a cat\nSteps: 20, Sampler: DDIM, CFG scale: 7, Seed: {seed}, Size: 512x640"
    text = ", ".join([own, *(f"{label}: {value}" for label, value in COMPLETE.write_parameters().items())])
    assert ClipRequest.from_infotext(text) == ClipRequest(**asdict(COMPLETE))
    followed = ClipRequest.from_infotext(f"{own}, SVD steps: 25, SVD frames: 9")
    assert (followed.num_steps, followed.num_frames, followed.seed, followed.width) == (25, 9, 5, None)


def test_a_picture_that_was_never_animated_has_no_settings_of_a_clip():
    assert pick_settings({"Steps": "20", "Sampler": "DDIM", "Seed": "99", "Size-1": "512", "Size-2": "512"}) == {}


def test_values_that_cannot_be_read_are_left_out_of_a_paste():
    off = {name: SETTINGS[name].default for name in list_names(CONTROL)}
    assert pick_settings({"SVD steps": "many", "SVD motion": "900", "SVD fps": "8"}) == {**off, "fps": 8}


def test_controls_that_are_off_are_not_told_and_are_off_where_nothing_is_told():
    text = ClipRequest(seed=5).write_infotext()

    assert not any(SETTINGS[name].infotext in text for name in list_names(CONTROL))
    assert pick_settings({"SVD motion": "75"})["ending"] == "open"
    assert "SVD ending: Seamless loop" in ClipRequest(ending="loop").write_infotext()
    assert pick_settings({"SVD motion": "75", "SVD ending": "Seamless loop"})["ending"] == "loop"
    assert ClipRequest(ending="loop").write_parameters()["SVD ending"] == "Seamless loop"
    assert ClipRequest.from_infotext(ClipRequest(ending="loop", window=9).write_infotext()).window == 9


def test_a_clip_carries_its_pictures_infotext_and_reads_its_own_settings_back():
    source = 'a dog, "barking"\nNegative prompt: cat\nSteps: 20, Seed: 5, Size: 512x512, SVD motion: 3'
    text = add_source(COMPLETE.write_infotext(), source)
    assert json.loads(text.partition("SVD picture: ")[2]) == source
    assert ClipRequest.from_infotext(text) == ClipRequest(**asdict(COMPLETE))
    assert add_source("Steps: 25", "") == "Steps: 25"


OF_0_2 = (
    "Steps: 25, Sampler: Heun, Schedule type: Karras, Seed: 5, Size: 1024x576, "
    'SVD checkpoint: "svd, xt.safetensors", SVD frames: 14, SVD fps: 7, SVD motion: 75, SVD augmentation: 0.02, '
    "SVD guidance first: 1.0, SVD guidance last: 2.5, SVD guidance ramp: Linear, SVD guidance low: 2.5, "
    "SVD guidance high: 1000.0, SVD cache interval: 3, SVD fit: Letterbox, SVD focus x: 0.25, SVD focus y: 0.5, "
    "SVD zoom: 1.25, SVD background: #12abef, SVD decode: Reference, SVD decode chunk: 3, SVD elevation: -12.5, "
    "SVD orbit: 360.0"
)
"""A clip's infotext as version 0.2 writes it; what is read from it may never change."""
MADE_BY_0_2 = ClipRequest(
    num_steps=25,
    sampler="heun",
    schedule="karras",
    seed=5,
    width=1024,
    height=576,
    checkpoint="svd, xt.safetensors",
    num_frames=14,
    fps=7,
    motion_bucket_id=75,
    noise_aug_strength=0.02,
    min_guidance=1.0,
    max_guidance=2.5,
    guidance_ramp="linear",
    guidance_low=2.5,
    cache_interval=3,
    fit="letterbox",
    focus_x=0.25,
    zoom=1.25,
    background="#12abef",
    decode="reference",
    decode_chunk=3,
    elevation=-12.5,
)


def test_infotext_of_clips_made_before_reads_as_before():
    assert ClipRequest.from_infotext(OF_0_2) == MADE_BY_0_2
    assert MADE_BY_0_2.write_infotext() == OF_0_2


def test_infotext_of_pictures_made_before_reads_as_before():
    of_0_2 = ", ".join(
        part if part.startswith("SVD ") else f"SVD {part[0].lower()}{part[1:]}"
        for part in OF_0_2.replace('"svd, xt.safetensors"', "svd_xt.safetensors").split(", ")
    )
    parameters = split_as_a_host(of_0_2)
    assert {"SVD steps", "SVD schedule type", "SVD size-1", "SVD guidance first"} <= parameters.keys()
    made = MADE_BY_0_2.replace(checkpoint="svd_xt.safetensors")
    assert ClipRequest(**pick_settings(parameters)) == made
    assert sorted(f"{label}: {text}" for label, text in made.write_parameters().items()) == sorted(of_0_2.split(", "))
