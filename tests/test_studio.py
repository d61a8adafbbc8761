"""What the tab, the hook and the API share: which models there are, and one that stays loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from lib_svd import studio as studio_module
from lib_svd.checkpoints import DEMO, sources
from lib_svd.checkpoints.diffusers_layout import UNET
from lib_svd.checkpoints.header import read_header
from lib_svd.errors import BadCheckpoint, BadOutput, BadRequest
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history, reopen_clip
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host
from lib_svd.video import probe

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def models(tmp_path, checkpoint_of) -> Path:
    """A folder of SVD models with an image model's file beside them."""
    folder = tmp_path / "svd"
    folder.mkdir()
    shutil.copy(checkpoint_of("svd_xt"), folder / "svd_xt.safetensors")
    shutil.copy(checkpoint_of("sv3d_p"), folder / "sv3d_p.safetensors")
    return folder


@pytest.fixture
def studio(models, tmp_path) -> Studio:
    return Studio(make_fake_host(tmp_path, models))


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
        assert studio.find_checkpoint(name) is checkpoint
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


def test_without_a_picture_the_error_says_so_before_anything_else(studio):
    with pytest.raises(BadRequest, match=r"^There is no picture yet: choose one"):
        studio.order(ClipRequest(), None)


def test_clips_are_numbered_in_the_hosts_folder(studio, picture, tmp_path):
    order = studio.order(ClipRequest(checkpoint="svd_xt.safetensors"), picture, stem="dog", with_frames=True)
    assert order.to.out == tmp_path / "clips" / "dog-svd-0001.mp4"
    assert order.to.frames_dir == tmp_path / "clips" / "dog-svd-0001"


def test_overlapping_clips_have_their_own_frames_and_files_under_one_name_each(studio, picture, tmp_path):
    requests = [ClipRequest(checkpoint="svd_xt.safetensors", seed=seed, num_steps=1, num_frames=2) for seed in range(5)]
    made = []
    for request in requests[:3]:  # all ordered before the first is written, as by programs at the same time
        made.append(studio.order(request, picture, with_frames=True))
    saved = [studio.animate(order) for order in made]
    late = [studio.order(request, picture, with_frames=True) for request in requests[3:]]
    saved += [studio.animate(order) for order in late]
    clips = tmp_path / "clips"
    for number, clip in enumerate(saved, 1):
        name = f"clip-svd-{number:04d}"
        assert clip.video == clips / f"{name}.mp4"
        assert [path.parent for path in clip.frames] == [clips / name] * 2
        assert probe(clip.video).metadata["title"] == name
        assert np.array_equal(reopen_clip(clip.video).clip.frames, clip.clip.frames)
        assert clip.notes == ()
    history.move_to_trash(saved[1].video)
    assert not (clips / "clip-svd-0002").exists()
    for number in (1, 3, 4, 5):
        assert len(list((clips / f"clip-svd-{number:04d}").iterdir())) == 2
    assert sorted(path.name for path in (clips / "trash").iterdir()) == [
        *("clip-svd-0002", "clip-svd-0002.json", "clip-svd-0002.mp4", "clip-svd-0002.txt")
    ]


def test_a_folder_for_clips_that_cannot_be_made_is_one_sentence(studio, picture, tmp_path):
    (tmp_path / "clips").write_bytes(b"in the way")
    with pytest.raises(
        BadOutput, match=r"^There is no folder for clips, .*clips cannot be made.*: choose another one\.$"
    ):
        studio.order(ClipRequest(), picture)


def test_a_clip_in_the_second_place_is_noted_and_in_the_history(studio, picture, tmp_path, data_folder):
    request = ClipRequest(checkpoint="svd_xt.safetensors", seed=1, num_steps=1, num_frames=2)
    with Image.open(picture) as image:
        order = studio.order(request, image, with_frames=True)
    shutil.rmtree(tmp_path / "clips")
    saved = studio.animate(order)
    assert saved.video == data_folder / "clip-svd-0001.mp4"
    assert not (tmp_path / "clips").exists()
    (entry,) = history.read_entries(*studio.list_clip_dirs())
    assert (entry.video, Path(entry.picture).parent) == (saved.video, data_folder / "pictures")
    assert studio.find_clip(str(saved.video)) == saved.video


def test_frames_are_saved_where_the_user_ticked_it_and_nowhere_else(models, tmp_path, picture):
    studio = Studio(make_fake_host(tmp_path, models, svd_save_frames=True))
    assert studio.order(ClipRequest(), picture, with_frames=False).to.frames_dir is None


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """Names of the files that were loaded."""
    loaded: list[str] = []
    load = studio_module.load

    def count(checkpoint, host):
        loaded.append(checkpoint.path.name)
        return load(checkpoint, host)

    monkeypatch.setattr(studio_module, "load", count)
    return loaded


def test_the_model_stays_loaded_between_clips_until_another_is_chosen(studio, picture, loads):
    def make_clip(name: str) -> Any:
        request = ClipRequest(checkpoint=name, seed=1, num_steps=1, num_frames=2)
        return studio.animate(studio.order(request, picture))

    first, again = make_clip("svd_xt.safetensors"), make_clip("svd_xt.safetensors")
    assert loads == ["svd_xt.safetensors"]
    assert np.array_equal(first.clip.frames, again.clip.frames)
    make_clip("sv3d_p.safetensors")
    back = make_clip("svd_xt.safetensors")
    assert loads == ["svd_xt.safetensors", "sv3d_p.safetensors", "svd_xt.safetensors"]
    assert np.array_equal(first.clip.frames, back.clip.frames)


def test_a_user_who_wants_the_memory_back_gets_it_after_each_clip(models, tmp_path, picture, loads):
    host = make_fake_host(tmp_path, models, svd_keep_loaded=False)
    studio = Studio(host)
    for _ in range(2):
        studio.animate(studio.order(ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=1), picture))
    assert len(loads) == 2


def test_a_clip_carries_the_infotext_of_its_picture(studio, picture):
    request = ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=1)
    saved = studio.animate(studio.order(request, picture, source="a dog\nSteps: 20, Seed: 5"))
    assert 'SVD picture: "a dog\\nSteps: 20, Seed: 5"' in saved.clip.infotext
    assert saved.video.with_suffix(".txt").read_text("utf-8") == saved.clip.infotext


SHORT = ClipRequest(checkpoint="svd_xt.safetensors", num_steps=1, num_frames=2)


def turn(picture: Path) -> Image.Image:
    """The picture in memory, lying on its side, with an orientation that says so."""
    with Image.open(picture) as upright:
        lying = upright.rotate(90, expand=True)
    lying.getexif()[0x0112] = 6  # to be turned by 90 degrees to the right
    return lying


def test_a_picture_that_is_no_file_is_kept_once_upright_and_gives_the_same_clip_again(studio, picture, tmp_path):
    first = studio.animate(studio.order(SHORT, turn(picture)))
    studio.animate(studio.order(SHORT, turn(picture)))
    (kept,) = (tmp_path / "clips" / "pictures").iterdir()
    assert np.array_equal(np.asarray(Image.open(kept)), np.asarray(Image.open(picture)))
    made = history.read_entries(tmp_path / "clips")
    assert [each.picture for each in made] == [str(kept)] * 2
    again = studio.animate(studio.order(ClipRequest.from_mapping(made[0].settings), made[0].picture))
    assert np.array_equal(first.clip.frames, again.clip.frames)


def test_other_pixels_or_another_shape_are_another_picture(studio, tmp_path):
    for image in (Image.new("RGB", (80, 64)), Image.new("RGB", (64, 80)), Image.new("RGB", (80, 64), "red")):
        studio.animate(studio.order(SHORT, image))
    assert len(list((tmp_path / "clips" / "pictures").iterdir())) == 3


def test_the_file_that_a_picture_was_saved_as_is_named_unless_it_is_gone(studio, picture, tmp_path):
    with Image.open(picture) as image:
        for saved_as in (str(picture), "/gone/a.png"):
            studio.animate(studio.order(SHORT, image, saved_as=saved_as))
    gone, there = history.read_entries(tmp_path / "clips")
    assert there.picture == str(picture)
    assert Path(gone.picture).parent == tmp_path / "clips" / "pictures"


def test_a_picture_that_cannot_be_kept_is_a_note_and_the_clip_is_there(studio, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "pictures").write_text("in the way")
    saved = studio.animate(studio.order(SHORT, Image.new("RGB", (80, 64))))
    assert saved.video.exists()
    assert saved.notes[-1].startswith("The clip was not noted with its picture. ")
    (entry,) = history.read_entries(tmp_path / "clips")
    assert entry.picture == ""
    assert entry.measures["difference"] > 0


def test_nothing_is_left_of_a_picture_that_was_not_written_whole(studio, tmp_path, monkeypatch):
    def fill_the_disk(image, path, **_):
        Path(path).write_bytes(b"half a pic")
        raise OSError(28, "No space left on device")

    order = studio.order(SHORT, Image.new("RGB", (80, 64)))
    monkeypatch.setattr(Image.Image, "save", fill_the_disk)
    saved = studio.animate(order)
    assert "No space left" in saved.notes[-1]
    assert list((tmp_path / "clips" / "pictures").iterdir()) == []


def test_where_clips_are_not_measured_their_settings_and_picture_are_noted_all_the_same(models, tmp_path, picture):
    studio = Studio(make_fake_host(tmp_path, models, svd_review=False))
    studio.animate(studio.order(SHORT, picture))
    (entry,) = history.read_entries(tmp_path / "clips")
    assert (entry.picture, entry.settings["num_frames"], entry.measures) == (str(picture), 2, {})


FIVE_CLIPS = """
import sys, psutil, torch
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from pathlib import Path
torch.set_num_threads(1)
models, clips, picture = map(Path, sys.argv[1:])
studio = Studio(make_standalone_host("cpu", model_dirs=(models,), output_dir=clips))
for seed in range(5):
    studio.animate(studio.order(ClipRequest(seed=seed, num_frames=8, width=128, height=128, num_steps=2), picture))
    print(psutil.Process().memory_info().rss)
"""


def test_clips_in_a_row_do_not_grow_memory(models, tmp_path, picture):
    words = [sys.executable, "-c", FIVE_CLIPS, models, tmp_path / "clips", picture]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    first, _, *later = map(int, ran.stdout.split())
    assert min(later) <= 1.05 * first  # what grows is in all of them; a single reading may catch memory on its way back


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


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, []),
        ({"svd_copies": ["gif", "h265"]}, ["gif", "h265"]),
        ({"svd_copies": ["gif", "h265"], "svd_formats": "h265:24:slow, av1:30"}, ["gif", "h265:24:slow"]),
        ({"video_container": "mkv", "video_crf": 30, "video_profile": "main"}, ["mkv:30:main"]),
        ({"video_container": "mkv", "svd_copies": ["mkv"]}, ["mkv"]),
        ({"video_container": "mp4"}, []),
    ],
)
def test_every_clip_is_written_in_the_formats_that_the_options_say(models, tmp_path, picture, options, wanted):
    studio = Studio(make_fake_host(tmp_path, models, **options))
    order = studio.order(ClipRequest(), picture)
    assert [str(each) for each in order.to.copies] == wanted


def test_a_format_in_the_options_that_is_not_there_is_refused_with_a_sentence(models, tmp_path, picture):
    studio = Studio(make_fake_host(tmp_path, models, svd_copies=["bmp"]))
    with pytest.raises(BadRequest, match=r"There is no format that is called 'bmp': choose one of "):
        studio.order(ClipRequest(), picture)
