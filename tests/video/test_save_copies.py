"""The clip in other formats beside its video: what players and programs find in each; none ever costs the clip."""

from __future__ import annotations

import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from lib_svd.clip import Clip, Frames
from lib_svd.infotext import read_infotext
from lib_svd.video import FORMATS, MAIN, Encoding, explain_why_not, list_formats, probe, save

PURE = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)]
COLOURS = [*PURE, (230, 120, 20), (128, 128, 128)]
TEXT = 'Steps: 25, SVD checkpoint: "a, b.safetensors", SVD frames: 15\nGrüße, 日本語, 🎈 \\ ; = #'
SQUARE = 16  # pixels of a patch
FPS = 7
OTHERS = [name for name in FORMATS if name != MAIN and not explain_why_not(name)]
VIDEOS = [name for name in OTHERS if FORMATS[name].suffix.endswith((".mp4", ".webm", ".mkv", ".mov"))]
MOVING = [name for name in OTHERS if FORMATS[name].loops and name != "avif"]


def make_frames(count: int = 15, height: int = 64, width: int = SQUARE * len(COLOURS)) -> Frames:
    """Patches of strong colours, and a white bar that goes down through the upper half of them."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    for number, colour in enumerate(COLOURS):
        frames[:, :, SQUARE * number : SQUARE * (number + 1)] = colour
    for number in range(count):
        top = number % (height // 2 - 4)
        frames[number, top : top + 4] = 255
    return frames


def make_clip(frames: Frames, fps: int = FPS) -> Clip:
    return Clip(frames=frames, fps=fps, infotext=TEXT)


def save_as(text: str, folder: Path, frames: Frames, fps: int = FPS) -> Path:
    """The clip in that format, which nothing had to be said of."""
    saved = save(make_clip(frames, fps), folder / "clip.mp4", copies=[Encoding.read(text)])
    assert saved.notes == ()
    (path,) = saved.copies
    return path


def read_as_a_player(path: Path) -> Frames:
    """Frames in RGB as whoever shows the file computes them, by its own tags."""
    if path.is_dir():
        return np.stack([np.asarray(Image.open(each).convert("RGB")) for each in sorted(path.iterdir())])
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            return np.stack([np.asarray(Image.open(BytesIO(packed.read(name)))) for name in packed.namelist()])
    if path.suffix in (".gif", ".webp", ".apng"):
        with Image.open(path) as moving:
            return np.stack([np.asarray(each.convert("RGB")) for each in ImageSequence.Iterator(moving)])
    found = probe(path)
    to_rgb = "scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-map", found.stream, "-vf", to_rgb]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, found.height, found.width, 3)


@pytest.mark.parametrize("name", OTHERS)
def test_every_format_has_all_frames_in_their_colours(tmp_path, name):
    frames = make_frames()
    shown = read_as_a_player(save_as(name, tmp_path, frames))
    assert shown.shape == frames.shape
    if FORMATS[name].is_exact:
        assert np.array_equal(shown, frames)
    middle = slice(SQUARE // 2, None, SQUARE)  # of the patches, where nothing moves
    apart = abs(shown[:, -8, middle].astype(int) - frames[:, -8, middle]).max()
    assert apart <= 4  # of 255; a wrong matrix makes 20 and more of pure green
    white = shown[np.arange(15), np.arange(15) + 2, :].mean((1, 2))
    assert white.min() > 215  # the bar is where it was in every frame: none is missing, none comes twice


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_says_how_its_colours_are_meant(tmp_path, name):
    found = probe(save_as(name, tmp_path, make_frames()))
    colour = found.colour
    if FORMATS[name].is_rgb:
        assert colour.matrix in ("gbr", None)
    else:
        assert (colour.matrix, colour.primaries, colour.transfer) == ("bt709", "bt709", "bt709")
        assert colour.range == "tv" or name.startswith("prores")  # which has no other, and no place to say so
    if FORMATS[name].suffix.endswith(".mp4"):
        assert found.faststart


def test_a_video_is_titled_like_its_file(tmp_path):
    assert probe(save_as("webm", tmp_path, make_frames(3, 32))).metadata["title"] == "clip"


@pytest.mark.parametrize("fps", [7, 15, 28, 30])
@pytest.mark.parametrize("name", [*VIDEOS, "avif"])
def test_a_video_lasts_as_long_as_its_frames(tmp_path, name, fps):
    found = probe(save_as(name, tmp_path, make_frames(15, 32), fps))
    assert found.num_frames == 15
    assert found.duration == pytest.approx(15 / fps, abs=0.5 / fps)


@pytest.mark.parametrize("fps", [7, 15, 28, 30])
@pytest.mark.parametrize("name", MOVING)
def test_a_moving_picture_lasts_as_long_as_its_frames_even_where_some_are_the_same(tmp_path, name, fps):
    frames = make_frames(15, 32)
    frames[5:9] = frames[4]
    with Image.open(save_as(name, tmp_path, frames, fps)) as moving:
        lasts = []
        for each in ImageSequence.Iterator(moving):
            each.load()
            lasts.append(each.info["duration"])
    assert sum(lasts) / 1000 == pytest.approx(15 / fps, abs=0.5 / fps)
    singles = lasts[:4]
    assert max(singles) - min(singles) <= 10  # a hundredth of a second, in which gif counts


@pytest.mark.parametrize("name", OTHERS)
def test_the_settings_are_in_the_file_or_beside_it(tmp_path, name):
    path = save_as(name, tmp_path, make_frames(3, 32))
    text = tmp_path / "clip.txt"
    assert text.read_text("utf-8") == TEXT
    if name != "avif":
        text.unlink()  # the file has them itself
    if path.is_dir():
        assert {read_infotext(each) for each in path.iterdir()} == {TEXT}
    else:
        assert read_infotext(path) == TEXT


def test_settings_too_long_for_a_mov_are_in_the_text_beside_it(tmp_path):
    clip = Clip(frames=make_frames(3, 32), fps=7, infotext=f"{TEXT}\n{'x' * 70_000}")
    (path,) = save(clip, tmp_path / "clip.mp4", copies=[Encoding.read("prores")]).copies
    assert "comment" not in probe(path).metadata
    assert read_infotext(path) == clip.infotext


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("size", [(63, 47), (64, 47)])
@pytest.mark.parametrize("count", [1, 2])
def test_odd_sizes_and_few_frames(tmp_path, name, size, count):
    width, height = size
    frames = np.resize(make_frames(1)[:, :height, :width], (count, height, width, 3))
    shown = read_as_a_player(save_as(name, tmp_path, frames))
    even = FORMATS[name].is_even
    assert shown.shape[1:3] == (height // 2 * 2, width // 2 * 2) if even else shown.shape[1:3] == (height, width)


def test_the_own_video_of_a_clip_with_odd_sides_lacks_a_row_and_a_column(tmp_path):
    saved = save(make_clip(make_frames(3, 47, 63)), tmp_path / "clip.mp4")
    found = probe(saved.video)
    assert (found.width, found.height) == (62, 46)


@pytest.mark.parametrize(("text", "loops"), [("gif", 0), ("gif:x3", 3), ("webp:x2", 2), ("apng:x4", 4), ("apng", 0)])
def test_a_moving_picture_plays_for_ever_or_as_often_as_it_should(tmp_path, text, loops):
    with Image.open(save_as(text, tmp_path, make_frames(3, 32))) as moving:
        # gif counts the times after the first one
        assert moving.info["loop"] == (max(loops - 1, 0) if text.startswith("gif") else loops)


def test_a_gif_that_plays_once_says_nothing_of_loops(tmp_path):
    with Image.open(save_as("gif:x1", tmp_path, make_frames(3, 32))) as moving:
        assert "loop" not in moving.info


def test_quality_and_preset_are_those_that_were_chosen(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    fine = save_as("h265:10", tmp_path, noise).stat().st_size
    (tmp_path / "coarse").mkdir()
    assert save_as("h265:40:fast", tmp_path / "coarse", noise).stat().st_size < fine / 2


def test_sixteen_bits_reach_from_black_to_white(tmp_path):
    frames = np.stack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)])
    folder = save_as("png16", tmp_path, frames)
    raw = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", folder / "00001.png", "-f", "rawvideo", "-"],
        capture_output=True,
        check=True,
    ).stdout
    assert raw == b"\xff" * (8 * 8 * 3 * 2)


def test_several_formats_at_once_are_named_like_the_clip(tmp_path):
    wanted = ["lossless", "h265", "webp-lossless", "webp", "zip", "png16"]
    saved = save(make_clip(make_frames(3, 32)), tmp_path / "clip.mp4", copies=[Encoding.read(name) for name in wanted])
    assert [path.name for path in saved.copies] == [
        *("clip.lossless.mp4", "clip.h265.mp4", "clip.lossless.webp", "clip.webp", "clip.frames.zip", "clip.16bit"),
    ]


def test_nothing_but_the_clip_is_written_unless_asked_for(tmp_path):
    assert save(make_clip(make_frames(3, 32)), tmp_path / "clip.mp4").copies == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip.txt"]


def test_a_users_file_of_that_name_is_left_alone_and_told(tmp_path):
    (tmp_path / "clip.gif").write_bytes(b"mine")
    copies = [Encoding.read("gif"), Encoding.read("webp")]
    saved = save(make_clip(make_frames(3, 32)), tmp_path / "clip.mp4", copies=copies)
    assert (tmp_path / "clip.gif").read_bytes() == b"mine"
    assert [path.name for path in saved.copies] == ["clip.webp"]
    assert saved.notes == ("clip.gif is there already and was left as it is.",)


@pytest.mark.parametrize("name", ["gif", "h265", "apng", "zip", "png16"])
def test_a_copy_that_cannot_be_written_does_not_cost_the_clip(tmp_path, monkeypatch, name):
    def fill_up(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lib_svd.video.copies.sync", fill_up)
    saved = save(make_clip(make_frames(3, 32)), tmp_path / "clip.mp4", copies=[Encoding.read(name)])
    assert probe(saved.video).num_frames == 3
    assert saved.copies == ()
    (note,) = saved.notes
    assert note.endswith("could not be written ([Errno 28] No space left on device); the clip itself is saved.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip.txt"]


def test_every_format_can_be_written_where_the_tests_run():
    is_old = imageio_ffmpeg.get_ffmpeg_version().startswith("4.")  # AVIF came with 5.1
    assert [name for name in FORMATS if name != MAIN and not (is_old and name == "avif")] == OTHERS
    assert [name for name in list_formats() if name in FORMATS and not explain_why_not(name)] == OTHERS


def test_the_comment_of_a_webp_is_of_the_type_that_web_uis_look_for(tmp_path):
    """piexif, by which their PNG Info reads it, gives bytes of type 7 alone, and numbers of any other."""
    with Image.open(save_as("webp", tmp_path, make_frames(2))) as picture:
        exif = picture.info["exif"]
    file = BytesIO(exif)
    first = ImageFileDirectory_v2(exif[:8])
    file.seek(first.next)
    first.load(file)
    own = ImageFileDirectory_v2(exif[:8])
    file.seek(first[0x8769])
    own.load(file)
    assert own.tagtype == {0x9286: 7}
    assert own[0x9286] == b"UNICODE\0" + TEXT.encode("utf-16-be")


@pytest.mark.parametrize("name", [MAIN, "lossless", "gif", "webp-lossless", "apng"])
def test_an_enlarged_clip_shows_every_pixel_as_a_square(tmp_path, name):
    frames = make_frames(3, 32)
    clip = Clip(frames=frames, fps=7, infotext=TEXT, enlarge=3)
    saved = save(clip, tmp_path / "clip.mp4", copies=[Encoding.read(name)] if name != MAIN else [])
    shown = read_as_a_player(saved.copies[0] if saved.copies else saved.video)
    assert shown.shape == (3, 96, 3 * frames.shape[2], 3)
    if FORMATS[name].is_exact:
        assert np.array_equal(shown, frames.repeat(3, 1).repeat(3, 2))
