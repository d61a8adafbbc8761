"""Which family a file is, what that family fills in, and what a file may say of itself."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from lib_svd.checkpoints import CONDITIONING, DEMO, FAMILIES, Checkpoint, Family, describe, recognise
from lib_svd.checkpoints.metadata import OVERRIDDEN
from lib_svd.engine import schedule as engine
from lib_svd.engine.config import DecoderConfig, NetworkConfigs
from lib_svd.errors import BadCheckpoint, BadRequest
from lib_svd.request import ClipRequest
from lib_svd.settings import SAMPLERS, SCHEDULES
from tests.checkpoints.files import NARROW, PLAIN, UNET, keep_keys, list_native_keys, set_vector, write_narrow
from tests.tiny import write_tiny

SV3D = replace(NARROW, decoder=DecoderConfig(channels=(32, 64), num_res_blocks=2, temporal=False))


def recognise_written(folder: Path, name: str, configs: NetworkConfigs = NARROW, **metadata: str) -> Checkpoint:
    return recognise(write_narrow(folder / name, configs, metadata=metadata))


@pytest.mark.parametrize(
    ("name", "configs", "family"),
    [
        ("svd.safetensors", NARROW, "svd"),
        ("SVD-fp16.safetensors", NARROW, "svd"),
        ("stable-video-diffusion-img2vid.safetensors", NARROW, "svd"),
        ("svd_xt.safetensors", NARROW, "svd_xt"),
        ("SVD XT fp16.safetensors", NARROW, "svd_xt"),
        ("img2vid-xt.safetensors", NARROW, "svd_xt"),
        ("svdxt.safetensors", NARROW, "svd_xt"),
        ("svd_text.safetensors", NARROW, "svd"),
        ("svd_xt_1100.safetensors", NARROW, "svd_xt"),
        ("svd_xt_1_1.safetensors", NARROW, "svd_xt_1_1"),
        ("svd-xt-1-1-fp16.safetensors", NARROW, "svd_xt_1_1"),
        ("svd_xt 1.1.safetensors", NARROW, "svd_xt_1_1"),
        ("svd_xt_v1.1.safetensors", NARROW, "svd_xt_1_1"),
        ("AnimateLCM-SVD-xt-1.1.safetensors", NARROW, "animatelcm_svd_xt"),
        (
            "models--stabilityai--stable-video-diffusion-img2vid-xt-1-1/snapshots/0a1/m.safetensors",
            NARROW,
            "svd_xt_1_1",
        ),
        ("svd_xt/model.safetensors", NARROW, "svd_xt"),
        ("svd_image_decoder.safetensors", PLAIN, "svd_image_decoder"),
        ("svd_xt_image_decoder.safetensors", PLAIN, "svd_xt_image_decoder"),
        ("svd_xt.safetensors", PLAIN, "svd_xt_image_decoder"),
        ("svd_xt_image_decoder.safetensors", NARROW, "svd_xt"),
        ("anything.safetensors", set_vector(SV3D, 256), "sv3d_u"),
        ("svd_xt.safetensors", set_vector(SV3D, 1280), "sv3d_p"),
    ],
)
def test_family_by_keys_then_name(tmp_path: Path, name: str, configs: NetworkConfigs, family: str) -> None:
    found = recognise_written(tmp_path, name, configs)

    assert found.family.name == family
    assert found.notes == ()


def test_a_name_that_tells_nothing_is_assumed_to_be_xt_and_said(tmp_path: Path) -> None:
    found = recognise_written(tmp_path, "svd/model.safetensors")

    assert found.family.name == "svd_xt"
    assert found.notes == (
        "model.safetensors: svd, svd_xt and svd_xt_1_1 cannot be told apart by the file; "
        "assumed svd_xt; if it is another, name the file so.",
    )


def test_the_user_goes_before_metadata_and_metadata_before_the_name(tmp_path: Path) -> None:
    path = write_narrow(tmp_path / "svd_xt_1_1.safetensors", metadata={"svd.family": "svd_xt"})

    assert recognise(path).family.name == "svd_xt"
    assert recognise(path, variant="svd").family.name == "svd"


def test_comfyui_s_title_helps_where_the_name_does_not(tmp_path: Path) -> None:
    comfyui = {"modelspec.architecture": "stable-video-diffusion-img2vid-v1", "modelspec.title": "svd_xt merge 1"}

    assert recognise_written(tmp_path, "a.safetensors", **comfyui).family.name == "svd_xt"


@pytest.mark.parametrize(("lender", "family"), [("svd", "animatelcm_svd"), ("svd_xt", "animatelcm_svd_xt")])
def test_frames_of_animatelcm_come_from_its_lender(tmp_path: Path, lender: str, family: str) -> None:
    write_narrow(tmp_path / f"{lender}.safetensors")
    unet = write_tiny(tmp_path / "animatelcm.safetensors", keep_keys(list_native_keys(), UNET), 2)

    found = recognise(unet, companion=tmp_path / f"{lender}.safetensors")

    assert found.family.name == family
    assert (found.family.sampler, found.family.schedule, found.family.num_steps) == ("lcm", "lcm", 4)
    assert (found.family.min_guidance, found.family.max_guidance) == (1.0, 1.2)


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    said = {
        "title": "Demo", "licence": "Apache-2.0", "commercial_use": "Yes.", "num_frames": "6", "width": "128",
        "height": "64", "fps": "12", "motion_bucket_id": "90", "min_guidance": "1", "max_guidance": "1.5",
        "num_steps": "10", "noise_aug_strength": "0.01", "guidance_ramp": "triangle", "sampler": "heun",
        "schedule": "align_your_steps", "lowest_motion": "20", "highest_motion": "230",
        "background": "#ffffff",
    }  # fmt: skip
    given = {**said, "latent_rgb": "1 2 3 4 5 6 7 8 9 0 1 -2.5"}
    found = recognise_written(tmp_path, "svd.safetensors", **{f"svd.{name}": text for name, text in given.items()})

    assert {name: str(getattr(found.family, name)) for name in said} == said | {"min_guidance": "1.0"}
    assert found.family.latent_rgb == ((1, 2, 3), (4, 5, 6), (7, 8, 9), (0, 1, -2.5))
    assert set(given) == {f.name for f in fields(found.family)} - {"name", "conditioning"}
    assert set(OVERRIDDEN) <= set(said)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("key", "text", "what"),
    [
        ("svd.family", "svd_2", "none of svd, svd_xt"),
        ("svd.num_frames", "many", "Frames must be a number"),
        ("svd.num_frames", "0", "from 1 to 1024"),
        ("svd.fps", "7.5", "FPS must be a whole number"),
        ("svd.max_guidance", "99", "from 1 to 20"),
        ("svd.sampler", "ddim", "must be one of euler"),
        ("svd.width", "130", "off its own grid of 4 pixels"),
        ("svd.lowest_motion", "0", "from 1 to 255"),
        ("svd.lowest_motion", "100", "motion 75 outside its range of 100 to 255"),
        ("svd.highest_motion", "60", "motion 75 outside its range of 1 to 60"),
        ("svd.latent_rgb", "1 2 3", "not twelve numbers"),
        ("svd.latent_rgb", "0 0 0 0 0 0 0 0 0 0 0 nan", "not twelve numbers"),
        ("svd.latent_rgb", "0 0 0 0 0 0 0 0 0 0 0 red", "not twelve numbers"),
        ("svd.min_guidance", "5", "falls from 5 to 2.5"),
    ],
)
def test_nonsense_in_the_metadata_is_refused(tmp_path: Path, key: str, text: str, what: str) -> None:
    with pytest.raises(BadCheckpoint, match=rf"^svd\.safetensors .*{what}.*: correct the metadata or take it out\.$"):
        recognise_written(tmp_path, "svd.safetensors", **{key: text})


def test_an_unknown_key_in_the_metadata_is_a_note(tmp_path: Path) -> None:
    notes = recognise_written(tmp_path, "svd.safetensors", **{"svd.colour": "red", "format": "pt"}).notes

    assert notes == ("svd.safetensors has svd.colour in its metadata, which means nothing here.",)


def test_every_family_is_complete() -> None:
    for name, family in FAMILIES.items():
        assert name == family.name
        assert family.vector_dim == sum(width for _, width in CONDITIONING[family.conditioning])
        request, notes = family.complete(ClipRequest(), grid=64)
        assert notes == ()
        assert None not in [getattr(request, f.name) for f in fields(request)]
        assert (request.width, request.height) == family.native_size


def test_settings_of_the_user_are_kept() -> None:
    asked = ClipRequest(num_frames=8, width=512, height=320, fps=6, num_steps=3, sampler="heun", noise_aug_strength=0.0)

    request, _ = FAMILIES["svd"].complete(asked, grid=64, auto_size=(640, 640))

    assert {f.name: getattr(request, f.name) for f in fields(asked) if getattr(asked, f.name) is not None} == {
        f.name: getattr(asked, f.name) for f in fields(asked) if getattr(asked, f.name) is not None
    }
    assert (request.schedule, request.guidance_ramp) == ("karras", "linear")


def test_auto_size_is_taken_where_none_was_asked() -> None:
    request, _ = FAMILIES["svd_xt"].complete(ClipRequest(), grid=64, auto_size=(640, 960))

    assert (request.width, request.height) == (640, 960)


@pytest.mark.parametrize(
    ("asked", "guidance"),
    [({"min_guidance": 5.0}, (5.0, 5.0)), ({"max_guidance": 1.2}, (1.2, 1.2)), ({"max_guidance": 4.0}, (1.5, 4.0))],
)
def test_one_end_of_the_guidance_carries_the_other(asked: dict[str, float], guidance: tuple[float, float]) -> None:
    request, _ = FAMILIES["svd_xt"].complete(ClipRequest(**asked), grid=64)

    assert (request.min_guidance, request.max_guidance) == guidance


def test_a_sentence_calls_the_demo_by_its_name_alone() -> None:
    demo = recognise(DEMO).family
    (note,) = demo.complete(ClipRequest(num_frames=9, window=9), grid=16)[1]
    assert note == "Demo, 64 px was trained on 8 frames; with 9 at a time the motion may fall apart."


def test_more_frames_than_trained_on_are_made_in_windows() -> None:
    svd = FAMILIES["svd"]

    assert svd.complete(ClipRequest(num_frames=14), grid=64)[1] == ()
    request, (note,) = svd.complete(ClipRequest(num_frames=100), grid=64)
    assert svd.choose_window(request) == 14
    assert note == "100 frames are made in 14 windows of 14: sampling takes as long as 14 clips of 14 frames."


def test_more_frames_at_a_time_than_trained_on_are_noted_and_far_more_refused() -> None:
    svd, wide = FAMILIES["svd"], ClipRequest(num_frames=56, window=1024)

    assert "trained on 14 frames; with 56 at a time" in svd.complete(wide, grid=64)[1][0]
    with pytest.raises(BadRequest, match="cannot make 57 at a time: set Window to 0, and it will make the clip in w"):
        svd.complete(wide.replace(num_frames=57), grid=64)


def test_an_orbit_is_made_in_one_piece() -> None:
    sv3d = FAMILIES["sv3d_p"]
    request, _ = sv3d.complete(ClipRequest(num_frames=40), grid=64)

    assert sv3d.choose_window(request) == 40
    with pytest.raises(BadRequest, match="makes 21 frames and cannot make 85 at a time: set Frames to 84 at most"):
        sv3d.complete(ClipRequest(num_frames=85), grid=64)


def test_a_camera_has_no_more_angles_than_there_are_frames_and_fewer_are_told_of() -> None:
    sv3d, many = FAMILIES["sv3d_p"], ClipRequest(elevation="1, 2, 3", orbit="10, 20, 30, 40")

    assert sv3d.complete(many.replace(num_frames=4), grid=64)[1] == (
        "Elevation: 3 numbers are spread evenly over 4 frames.",
    )
    with pytest.raises(BadRequest, match="Orbit has 4 numbers, and the clip 3 frames: give one for each fr"):
        sv3d.complete(many.replace(num_frames=3), grid=64)
    assert FAMILIES["sv3d_u"].complete(many.replace(num_frames=3), grid=64)[1] == ()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_are_refused_just_where_the_schedule_has_no_levels(family: Family, sampler: str, schedule: str) -> None:
    for num_steps in range(1, 101):
        asked = ClipRequest(sampler=sampler, schedule=schedule, num_steps=num_steps)
        if schedule == "lcm" and num_steps > 40:
            with pytest.raises(
                BadRequest, match=f"LCM has 40 levels, too few for {num_steps} steps: set Steps to 40 at most"
            ):
                family.complete(asked, grid=64)
        else:
            request, _ = family.complete(asked, grid=64)
            assert len(engine.SCHEDULES[request.schedule](request.num_steps)) == num_steps + 1


def test_a_distilled_model_keeps_its_schedule_when_steps_are_asked_for() -> None:
    with pytest.raises(BadRequest, match="LCM has 40 levels"):
        FAMILIES["animatelcm_svd_xt"].complete(ClipRequest(num_steps=50), grid=64)


def test_sizes_off_the_grid_are_refused_with_the_nearest_ones() -> None:
    svd = FAMILIES["svd"]

    with pytest.raises(BadRequest, match="multiples of 64 for this model: 960x576, 1024x576 come nearest"):
        svd.complete(ClipRequest(width=1000, height=576), grid=64)
    with pytest.raises(BadRequest, match="64x64, 64x128, 128x64, 128x128 come nearest"):
        svd.complete(ClipRequest(width=100, height=100), grid=64)
    with pytest.raises(BadRequest, match=r"3072x1536 is more than 4 times the 1024x576 .*upscale"):
        svd.complete(ClipRequest(width=3072, height=1536), grid=64)


def test_describe_is_fit_for_json_and_counts_parameters(tmp_path: Path) -> None:
    import json

    found = describe(recognise_written(tmp_path, "svd_xt_1_1.safetensors", **{"svd.num_frames": "6"}))

    assert json.loads(json.dumps(found)) == found | {"networks": json.loads(json.dumps(found["networks"]))}
    assert (found["family"], found["num_frames"], found["size_grid"]) == ("svd_xt_1_1", 6, 4)
    assert found["total_parameters"] == sum(found["parameters"].values())
    assert set(found["parameters"]) == {"vision", "encoder", "unet", "decoder"}
    assert found["dtypes"]["unet"] == ["F16"]
    assert found["files"][0]["bytes"] == (tmp_path / "svd_xt_1_1.safetensors").stat().st_size
    assert "Stability AI Community License" in found["licence"]
    assert "US$1M" in found["commercial_use"]


def test_motion_beyond_what_the_file_says_it_was_trained_on_is_noted(tmp_path: Path) -> None:
    reach = {"svd.motion_bucket_id": "40", "svd.lowest_motion": "20", "svd.highest_motion": "60"}
    checkpoint = recognise_written(tmp_path, "svd.safetensors", **reach)

    def list_notes(motion: int | None) -> tuple[str, ...]:
        request = ClipRequest(motion_bucket_id=motion)
        return checkpoint.family.complete(request, grid=checkpoint.size_grid)[1]

    assert list_notes(None) == list_notes(20) == list_notes(60) == ()
    (note,) = list_notes(61)
    assert note.endswith("was trained on Motion 20 to 60; with 61 it may fall apart.")
    assert len(list_notes(19)) == 1


@pytest.mark.parametrize(
    ("name", "frames", "family"),
    [
        *(("svd", "25", "svd_xt"), ("svd", "14", "svd"), ("svd_xt", "14", "svd"), ("svd_xt_1_1", "25", "svd_xt_1_1")),
        *(("animatelcm_svd_xt", "14", "animatelcm_svd"), ("svd", "9", "svd")),
    ],
)
def test_what_a_file_says_of_its_frames_goes_before_its_name(tmp_path, name, frames, family):
    found = recognise_written(tmp_path, f"{name}.safetensors", **{"diffusers.num_frames": frames})
    assert found.family.name == family
