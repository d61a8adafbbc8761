"""What the tab, the hook and the API share: clips and their files, and a model that stays loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib_svd import studio as studio_module
from lib_svd import video
from lib_svd.errors import BadOutput, BadRequest
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history, reopen_clip, trash
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host
from lib_svd.video import probe

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[1]


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
    trash.move_to_trash(saved[1].video)
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
    load = studio_module.load_rest

    def count(kept, checkpoint, host):
        loaded.append(checkpoint.path.name)
        return load(kept, checkpoint, host)

    monkeypatch.setattr(studio_module, "load_rest", count)
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
    def fill_the_disk(image, path, *_, **__):
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


def test_a_name_that_another_clip_gets_meanwhile_is_no_reason_to_refuse(tmp_path, checkpoint, picture, monkeypatch):
    studio = Studio(make_standalone_host("cpu", model_dirs=(checkpoint.parent,), output_dir=tmp_path))
    free = video.find_free_name
    begun = iter(["quicker", "quicker"])

    def find_and_lose(*given: Any) -> Path:
        name = free(*given)
        if next(begun, ""):
            name.touch()  # a clip that was made meanwhile
        return name

    monkeypatch.setattr(video, "find_free_name", find_and_lose)
    made = studio.order(studio.make_request({"checkpoint": checkpoint.name}), picture)
    assert made.to.out.name == "clip-svd-0003.mp4"
