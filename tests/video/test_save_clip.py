"""What a user finds on disk after a clip was saved, and what a player finds in the file."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from lib_svd.clip import Clip
from lib_svd.video import Colour, Encoding, probe, save, save_frames
from lib_svd.video.encode import read_tags, write_comment

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "orange": (230, 120, 20),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "black": (0, 0, 0),
}
HARD_TEXTS = [
    'Steps: 25, SVD checkpoint: "a, b.safetensors"',
    "two\nlines\r\nand\rmore",
    "a=b;c#d\\e",
    "ends with a backslash\\",
    "\\\n\\\\\n",
    "# no comment",
    "[STREAM]",
    "Grüße, 日本語, 🎈, \u2028, \x85",
    "  spaces around  ",
    '\'; rm -rf "$HOME" `x` %PATH%',
    "x" * 100_000,
]


def list_names(folder: Path) -> list[str]:
    """Of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


def read_planes(ffmpeg: str, video: Path, width: int, height: int) -> np.ndarray:
    """Y, Cb, Cr of the middle of every frame, [T, 3], as the file holds them: nothing is converted on the way."""
    command = [ffmpeg, "-v", "error", "-i", video, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    raw = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    area = width * height
    middle_y, middle_c = width * (height // 2) + width // 2, width // 2 * (height // 4) + width // 4
    return raw.reshape(-1, area * 3 // 2)[:, [middle_y, area + middle_c, area * 5 // 4 + middle_c]]


def convert_to_rgb(planes: np.ndarray, red_weight: float, blue_weight: float) -> np.ndarray:
    """RGB that a player shows for Y, Cb, Cr of the tv range: ITU-R BT.709 and BT.601, by their two weights."""
    y, cb, cr = ((planes - (16.0, 128.0, 128.0)) / (219.0, 224.0, 224.0)).T
    red, blue = y + 2 * (1 - red_weight) * cr, y + 2 * (1 - blue_weight) * cb
    green = (y - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.clip(np.stack([red, green, blue], axis=1) * 255, 0, 255)


@pytest.mark.parametrize("fps", [1, 6, 7, 24, 25, 30])
@pytest.mark.parametrize("num_frames", [1, 2, 14])
def test_a_video_has_every_frame_at_its_rate(new_clip, tmp_path, fps, num_frames):
    save(new_clip(num_frames, fps=fps), tmp_path / "clip.mp4")
    found = probe(tmp_path / "clip.mp4")
    assert (found.num_frames, found.fps) == (num_frames, fps)
    assert found.duration == pytest.approx(num_frames / fps, abs=1e-6)


@pytest.mark.parametrize(("width", "height"), [(72, 40), (64, 64), (8, 8), (40, 136), (1024, 576), (576, 1024)])
def test_a_video_has_exactly_the_size_of_its_frames(new_clip, tmp_path, width, height):
    save(Clip(frames=np.full((2, height, width, 3), 90, np.uint8), fps=7, infotext=""), tmp_path / "clip.mp4")
    found = probe(tmp_path / "clip.mp4")
    assert (found.width, found.height) == (width, height)


def test_a_video_is_of_the_kind_that_plays_everywhere(new_clip, tmp_path):
    save(new_clip(), tmp_path / "clip.mp4")
    found = probe(tmp_path / "clip.mp4")
    assert (found.codec, found.profile, found.pixel_format) == ("h264", "High", "yuv420p")
    assert found.colour == Colour(primaries="bt709", transfer="bt709", matrix="bt709", range="tv")
    assert found.faststart


def read_x264_settings(video: Path) -> dict[str, str]:
    """What libx264 notes in a video."""
    noted = re.search(rb"x264 - core .*? - options: ([ -~]*)", video.read_bytes())
    assert noted is not None
    return dict(word.split("=", 1) for word in noted[1].decode().split() if "=" in word)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"crf": "17.0", "cabac": "1", "8x8dct": "1", "ref": "3"}),
        ({"video_crf": 30, "video_preset": "ultrafast"}, {"crf": "30.0", "cabac": "0", "ref": "1"}),
        ({"video_preset": "fast", "video_profile": "main"}, {"crf": "17.0", "cabac": "1", "8x8dct": "0", "ref": "2"}),
        ({"video_profile": "baseline"}, {"cabac": "0", "bframes": "0"}),
        ({"video_crf": 0, "video_profile": "main"}, {"crf": "1.0"}),  # without loss, which this profile cannot be
        ({"video_crf": "", "video_preset": None}, {"crf": "17.0", "ref": "3"}),  # emptied by hand in its file
        ({"video_crf": 99, "video_preset": "no such", "video_profile": ""}, {"crf": "51.0", "8x8dct": "1", "ref": "3"}),
    ],
)
def test_a_web_uis_settings_for_videos_are_followed(new_clip, tmp_path, settings, wanted):
    encoding = Encoding.of_host(*(settings.get(f"video_{name}") for name in ("crf", "preset", "profile")))
    save(new_clip(), tmp_path / "clip.mp4", encoding=encoding)
    found = read_x264_settings(tmp_path / "clip.mp4")
    assert {name: found[name] for name in wanted} == wanted
    assert probe(tmp_path / "clip.mp4").pixel_format == "yuv420p"


def test_colours_come_back(tmp_path, ffmpeg):
    """Shown by the bt709 matrix they are right; by bt601, which an encoder takes when not told, they are not."""
    wanted = np.array(list(COLOURS.values()))
    frames = np.broadcast_to(wanted[:, None, None, :], (len(wanted), 40, 72, 3)).astype(np.uint8)
    save(Clip(frames=frames, fps=7, infotext=""), tmp_path / "clip.mp4")
    planes = read_planes(ffmpeg, tmp_path / "clip.mp4", 72, 40)
    assert np.abs(convert_to_rgb(planes, 0.2126, 0.0722) - wanted).max() <= 3
    assert np.abs(convert_to_rgb(planes, 0.299, 0.114) - wanted).max() > 20


def test_a_picture_keeps_its_detail(new_clip, tmp_path, ffmpeg):
    clip = new_clip(10, 128, 192)
    save(clip, tmp_path / "clip.mp4")
    command = [ffmpeg, "-v", "error", "-i", tmp_path / "clip.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    error = raw.reshape(clip.frames.shape).astype(float) - clip.frames
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 36  # dB


def test_a_player_can_jump_to_any_second(new_clip, tmp_path, ffmpeg):
    save(new_clip(28, fps=7), tmp_path / "clip.mp4")
    command = [ffmpeg, "-v", "error", "-skip_frame", "nokey", "-i", tmp_path / "clip.mp4", "-f", "framecrc", "-"]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert len(re.findall(r"^0,", lines, re.MULTILINE)) >= 4


def test_settings_stand_in_the_video_and_beside_it(new_clip, tmp_path):
    clip = new_clip(infotext="Steps: 25\nSeed: 1")
    saved = save(clip, tmp_path / "clip.mp4", notes=("cropped",))
    assert (saved.clip, saved.video, saved.frames, saved.notes) == (clip, tmp_path / "clip.mp4", (), ("cropped",))
    assert probe(tmp_path / "clip.mp4").metadata["comment"] == "Steps: 25\nSeed: 1"
    assert probe(tmp_path / "clip.mp4").metadata["title"] == "clip"
    assert (tmp_path / "clip.txt").read_bytes() == b"Steps: 25\nSeed: 1"
    assert list_names(tmp_path) == ["clip.mp4", "clip.txt"]


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300))
@example("\r")
@example("\\")
def test_any_text_comes_back_from_the_video(text):
    clip = Clip(frames=np.zeros((1, 16, 16, 3), np.uint8), fps=7, infotext=text)
    with tempfile.TemporaryDirectory() as folder:
        video = save(clip, Path(folder) / "clip.mp4").video
        assert probe(video).metadata["comment"] == text
        assert video.with_suffix(".txt").read_bytes().decode() == text


@pytest.mark.parametrize("text", HARD_TEXTS, ids=range(len(HARD_TEXTS)))
def test_hard_text_comes_back_from_video_and_pictures(new_clip, tmp_path, text):
    saved = save(new_clip(1, infotext=text), tmp_path / "clip.mp4", tmp_path / "frames")
    assert probe(saved.video).metadata["comment"] == text
    with Image.open(saved.frames[0]) as picture:
        assert picture.info["parameters"] == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_written_tags_are_read_back(text):
    assert read_tags(write_comment(text) + "\n").get("comment") == text


def test_only_what_no_file_can_hold_is_replaced(new_clip, tmp_path):
    saved = save(new_clip(1, infotext="a\0b\ud800c"), tmp_path / "clip.mp4", tmp_path / "frames")
    assert probe(saved.video).metadata["comment"] == "a\ufffdb\ufffdc"
    assert saved.clip.infotext == "a\0b\ud800c"


def test_frames_are_kept_exactly_when_asked_for(new_clip, tmp_path):
    clip = new_clip(3)
    saved = save(clip, tmp_path / "clip.mp4", tmp_path / "frames")
    assert saved.frames == tuple(tmp_path / "frames" / name for name in ("00000.png", "00001.png", "00002.png"))
    assert list_names(tmp_path / "frames") == ["00000.png", "00001.png", "00002.png"]
    for path, frame in zip(saved.frames, clip.frames, strict=True):
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), frame)
            assert picture.info["parameters"] == clip.infotext


def test_frames_may_go_into_the_folder_of_the_clip(new_clip, tmp_path):
    saved = save(new_clip(1), tmp_path / "clip.mp4", tmp_path)
    assert saved.notes == ()
    assert list_names(tmp_path) == ["00000.png", "clip.mp4", "clip.txt"]


def test_frames_can_be_saved_without_a_video(new_clip, tmp_path):
    assert [path.name for path in save_frames(new_clip(2).frames, tmp_path / "frames", "x")] == [
        "00000.png",
        "00001.png",
    ]


@pytest.mark.parametrize("name", ["CLIP.MP4", "a b'ü%03d[1].mp4", "a.b.mp4", "日本🎈.mp4", "-i.mp4"])
def test_any_file_name_will_do(new_clip, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    saved = save(new_clip(1), Path(name))
    assert saved.video == Path(name)
    assert list_names(tmp_path) == sorted([name, Path(name).with_suffix(".txt").name])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_files_get_the_permissions_of_any_other_file(new_clip, tmp_path):
    saved = save(new_clip(1), tmp_path / "clip.mp4", tmp_path / "frames")
    (tmp_path / "other").touch()
    for path in (saved.video, saved.video.with_suffix(".txt"), saved.frames[0]):
        assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_frames_that_are_no_pictures_are_refused(new_clip, tmp_path):
    wrong = Clip(frames=np.zeros((2, 16, 16, 3), np.float32), fps=7, infotext="")
    with pytest.raises(ValueError, match="uint8"):
        save(wrong, tmp_path / "clip.mp4")
    assert list_names(tmp_path) == []
