"""Which models a studio offers, what they are called, and that each file is looked at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_svd.checkpoints import DEMO, sources
from lib_svd.checkpoints.diffusers_layout import UNET
from lib_svd.checkpoints.header import read_header
from lib_svd.errors import BadCheckpoint
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[1]


def write_broken(folder: Path) -> Path:
    path = folder / "broken.safetensors"
    path.write_bytes(b"no model at all, but long enough to be looked at")
    return path


def test_models_are_listed_with_what_a_user_chooses_by(studio):
    assert [model.name for model in studio.list_models()] == ["svd_xt.safetensors", "sv3d_p.safetensors", DEMO.name]
    label = studio.list_models()[0].label
    for word in ("svd_xt.safetensors", "Stable Video Diffusion XT", "5 frames", "Stability AI Community License"):
        assert word in label


def test_the_model_for_those_who_choose_none_animates_a_scene(studio):
    assert studio.find_checkpoint().family.name == "svd_xt"


def test_files_that_are_no_svd_models_are_not_offered_and_the_svd_folder_says_why(models, tmp_path):
    write_broken(models)
    images = tmp_path / "Stable-diffusion"
    images.mkdir()
    write_broken(images)
    studio = Studio(make_fake_host(tmp_path, models, images))
    assert [model.name for model in studio.list_models()] == ["svd_xt.safetensors", "sv3d_p.safetensors", DEMO.name]
    (reason,) = studio.list_refusals()
    assert reason.startswith("broken.safetensors")
    assert reason.endswith(".")


def test_a_name_that_is_none_is_answered_with_models_that_would_be_taken(models, tmp_path):
    images = tmp_path / "Stable-diffusion"
    images.mkdir()
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)}, images / "a.safetensors")
    studio = Studio(make_standalone_host("cpu", model_dirs=(images, models), output_dir=tmp_path / "out"))
    with pytest.raises(BadCheckpoint, match="No model is called 'gone'") as caught:
        studio.find_checkpoint("gone")
    offered = str(caught.value).partition(" and found ")[2].partition(";")[0].split(", ")
    assert len(offered) == len(studio.list_models())
    assert all(studio.find_checkpoint(name) for name in offered)


def test_models_of_one_name_are_told_apart_by_their_folder(models, checkpoint_of, studio):
    (models / "old").mkdir()
    shutil.copy(checkpoint_of("svd_xt"), models / "old" / "svd_xt.safetensors")
    names = [model.name for model in studio.list_models()][:-1]  # the last is the demo
    assert names == ["old/svd_xt.safetensors", "svd_xt.safetensors", "sv3d_p.safetensors"]
    assert [studio.find_checkpoint(name).path for name in names] == [models / name for name in names]


def test_models_of_one_name_in_two_folders_are_told_apart_too(models, checkpoint_of, tmp_path):
    other = tmp_path / "Stable-diffusion"
    other.mkdir()
    shutil.copy(checkpoint_of("svd_xt"), other / "svd_xt.safetensors")
    studio = Studio(make_fake_host(tmp_path, models, other))
    found = {studio.find_checkpoint(model.name).path for model in studio.list_models()}
    assert found - {DEMO} == {
        models / "sv3d_p.safetensors",
        models / "svd_xt.safetensors",
        other / "svd_xt.safetensors",
    }


@pytest.fixture
def headers(monkeypatch):
    """Names of the files whose headers are read."""
    read: list[str] = []
    monkeypatch.setattr(sources, "read_header", lambda path: read.append(path.name) or read_header(path))
    return read


def test_a_header_is_read_once_and_again_when_the_file_changed(models, studio, headers):
    studio.list_models(), studio.list_models(), studio.list_refusals()
    assert sorted(headers) == ["sv3d_p.safetensors", "svd_xt.safetensors"]  # the demo's was read by other tests
    before = len(headers)
    shutil.copy(models / "sv3d_p.safetensors", models / "svd_xt.safetensors")
    assert {model.checkpoint.family.name for model in studio.list_models()} == {"sv3d_p", "svd"}
    assert headers[before:] == ["svd_xt.safetensors"]


def test_thousands_of_other_models_are_not_looked_at_one_by_one(models, tmp_path, headers):
    images = tmp_path / "Lora"
    images.mkdir()
    for key in ("lora_unet_down_blocks_0.lora_up.weight", "model.diffusion_model.input_blocks.0.0.weight"):
        save_file({key: torch.zeros(4, 4)}, images / f"{key}.safetensors")
    studio = Studio(make_fake_host(tmp_path, models, images))
    assert [model.name for model in studio.list_models()] == ["svd_xt.safetensors", "sv3d_p.safetensors", DEMO.name]
    assert {"svd_xt.safetensors", "sv3d_p.safetensors"} >= set(headers)
    with pytest.raises(BadCheckpoint, match="is a LoRA: use a complete SVD checkpoint"):
        studio.find_checkpoint("lora_unet_down_blocks_0.lora_up.weight")


def test_no_header_is_read_for_a_model_that_is_known_however_it_is_asked_for(models, studio, headers):
    named = {model.name: model.checkpoint for model in studio.list_models()}
    headers.clear()
    for name, checkpoint in named.items():
        assert studio.find_checkpoint(name).sources is checkpoint.sources
    request = ClipRequest(checkpoint="svd_xt.safetensors")
    studio.plan_memory(studio.complete_request(request, (640, 360)))
    assert headers == []


def test_a_folder_is_looked_at_again_when_one_of_its_files_changed(tmp_path, checkpoint_of, headers):
    folder = tmp_path / "svd" / "mine"
    (folder / "unet").mkdir(parents=True)
    config, weights = folder / "unet" / "config.json", folder / "unet" / "diffusion_pytorch_model.safetensors"
    config.write_text("{}")
    shutil.copy(checkpoint_of("svd_xt"), weights)
    studio = Studio(make_fake_host(tmp_path, tmp_path / "svd"))
    (said,) = studio.list_refusals()
    assert studio.list_refusals() == [said]
    assert headers == [weights.name]
    config.write_text('{"num_attention_heads": [2], "block_out_channels": [64]}')
    assert studio.list_refusals() == [
        "mine has 2 attention heads over 64 channels, not 64 each: use an SVD checkpoint such as svd_xt.safetensors."
    ]


def test_a_model_that_lacks_networks_is_taken_once_another_can_lend_them(tmp_path, checkpoint_of, headers):
    mine = tmp_path / "svd"
    mine.mkdir()
    tensors = load_file(checkpoint_of("svd_xt"))
    save_file({key: tensor for key, tensor in tensors.items() if key.startswith(UNET)}, mine / "alone.safetensors")
    studio = Studio(make_fake_host(tmp_path, mine))
    assert [model.name for model in studio.list_models()] == [DEMO.name]
    shutil.copy(checkpoint_of("svd_xt"), mine / "svd_xt.safetensors")
    assert [model.name for model in studio.list_models()] == ["alone.safetensors", "svd_xt.safetensors", DEMO.name]
    assert sorted(headers) == ["alone.safetensors", "svd_xt.safetensors"]
    (mine / "svd_xt.safetensors").unlink()
    assert [model.name for model in studio.list_models()] == [DEMO.name]


def test_without_any_model_the_error_says_where_to_put_one(tmp_path):
    studio = Studio(make_fake_host(tmp_path, tmp_path / "svd"))
    with pytest.raises(
        BadCheckpoint, match=rf"^There is no SVD model yet: get .* into {tmp_path / 'svd'}, or name demo"
    ):
        studio.find_checkpoint()


def test_the_demo_is_listed_last_and_never_taken_for_a_model_of_the_users(tmp_path, checkpoint_of):
    studio = Studio(make_fake_host(tmp_path, tmp_path / "svd"))
    (demo,) = studio.list_models()
    assert (demo.label, demo.is_demo) == ("Demo, 64 px: see how it works", True)
    assert studio.find_checkpoint(demo.name).path == DEMO
    (tmp_path / "svd").mkdir()
    shutil.copy(checkpoint_of("sv3d_p"), tmp_path / "svd" / "zz.safetensors")
    assert [model.is_demo for model in studio.list_models()] == [False, True]
    assert studio.find_checkpoint().family.name == "sv3d_p"


def test_a_file_of_the_users_that_is_called_like_the_demo_is_another_model(tmp_path, checkpoint_of):
    (tmp_path / "svd").mkdir()
    shutil.copy(checkpoint_of("svd_xt"), tmp_path / "svd" / DEMO.name)
    studio = Studio(make_fake_host(tmp_path, tmp_path / "svd"))
    mine, demo = studio.list_models()
    assert [studio.find_checkpoint(model.name).path for model in (mine, demo)] == [tmp_path / "svd" / DEMO.name, DEMO]
    assert studio.find_checkpoint(DEMO.name).path == tmp_path / "svd" / DEMO.name


def test_the_demo_lends_no_other_file_its_networks(tmp_path, checkpoint_of):
    """A UNet alone beside nothing but the demo is refused, not completed from a toy."""
    from safetensors.torch import load_file, save_file

    (tmp_path / "svd").mkdir()
    unet = {name: w for name, w in load_file(checkpoint_of("svd_xt")).items() if name.startswith("model.")}
    save_file(unet, tmp_path / "svd" / "alone.safetensors")
    studio = Studio(make_fake_host(tmp_path, tmp_path / "svd"))
    with pytest.raises(BadCheckpoint, match=r"^alone\.safetensors has no "):
        studio.find_checkpoint("alone.safetensors")


OUTSIDE = {
    "a model": "elsewhere/svd_xt.safetensors",
    "a text": "elsewhere/notes.txt",
    "a pickle": "elsewhere/old.ckpt",
    "a folder": "elsewhere",
    "a diffusers folder": "elsewhere/diffusers",
    "a link": "elsewhere/link",
    "what may not be read": "elsewhere/secret",
    "nothing": "elsewhere/nothing",
    "a folder in nothing": "nowhere/nothing",
}


@pytest.mark.parametrize("how", ["{path}", "../{name}", "{name}", "svd/../../{name}", "./{name}", "file://{path}"])
def test_one_answer_for_all_that_is_outside_of_the_folders(studio, models, checkpoint_of, tmp_path, monkeypatch, how):
    there = tmp_path / "elsewhere"
    (there / "diffusers" / "unet").mkdir(parents=True)
    shutil.copy(checkpoint_of("svd_xt"), there)
    for name in ("notes.txt", "old.ckpt", "secret", "diffusers/unet/config.json"):
        (there / name).write_text("{}")
    (there / "secret").chmod(0)
    (there / "link").symlink_to(there / "nowhere")
    monkeypatch.chdir(tmp_path)
    answers = set()
    for name in OUTSIDE.values():
        asked = how.format(path=tmp_path / name, name=name)
        with pytest.raises(BadCheckpoint) as caught:
            studio.find_checkpoint(asked)
        answers.add(str(caught.value).replace(repr(asked), "that"))
    assert len(answers) == 1
    assert answers.pop().startswith("No model is called that: looked in ")


@pytest.mark.parametrize("name", ["~nobody/x", "~", "/", "..", ".", "x" * 5000, "a\0b", "//host/share/x"])
def test_what_is_no_name_of_a_model_is_called_nothing_else(studio, name):
    with pytest.raises(BadCheckpoint, match="No model is called "):
        studio.find_checkpoint(name)


def test_a_model_may_be_named_by_its_whole_path_in_the_folders(studio, models):
    assert studio.find_checkpoint(str(models / "svd_xt.safetensors")).path == models / "svd_xt.safetensors"
