"""Frames come back from every kind of file that a clip can be, made here or elsewhere."""

from __future__ import annotations

import math
import struct
import subprocess

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image, ImageSequence

from lib_svd.clip import Clip
from lib_svd.errors import BadInput
from lib_svd.video import Encoding, probe, read_frames, save, save_frames


@pytest.fixture
def frames():
    """Seven frames in which a bright square goes right, [7, 48, 64, 3]."""
    made = np.full((7, 48, 64, 3), (60, 90, 120), np.uint8)
    for t, frame in enumerate(made):
        frame[16:32, 4 + 8 * t : 12 + 8 * t] = (230, 200, 40)
    return made


def are_near(a, b):
    assert a.shape == b.shape
    assert np.abs(a.astype(int) - b).mean() < 3


def test_a_clip_made_here_comes_back(frames, tmp_path):
    save(Clip(frames=frames, fps=9, infotext="Steps: 1, SVD frames: 7"), tmp_path / "a.mp4")
    found, fps = read_frames(tmp_path / "a.mp4")
    are_near(found, frames)
    assert fps == 9


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_moving_picture_comes_back(suffix, frames, tmp_path):
    path = tmp_path / f"a.{suffix}"
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, loop=0)
    found, fps = read_frames(path)
    are_near(found, frames)
    assert fps == pytest.approx(10)


def test_a_folder_of_frames_comes_back_in_order(frames, tmp_path):
    save_frames(frames, tmp_path / "f", "")
    (tmp_path / "f" / "notes.txt").write_text("mine")
    found, fps = read_frames(tmp_path / "f")
    np.testing.assert_array_equal(found, frames)
    assert fps == 0


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi"])
def test_every_frame_of_a_video_from_elsewhere_comes_once(suffix, frames, tmp_path):
    """Frames that last unequally long are neither doubled nor dropped."""
    save_frames(frames, tmp_path / "f", "")
    rate = "7" if suffix == "avi" else "25"  # frames a second; an avi counts time in frames
    source = ["-framerate", rate, "-i", f"{tmp_path}/f/%05d.png", "-vf", "setpts='(N+3*gt(N,3))/25/TB'"]
    codec = ["-c:v", "mpeg4", "-q:v", "2"] if suffix == "avi" else ["-c:v", "libvpx", "-b:v", "2M"]
    given = source[:4] if suffix == "avi" else source  # the other two keep the times as they are
    path = tmp_path / f"a.{suffix}"
    subprocess.run([get_ffmpeg_exe(), "-v", "error", *given, *codec, path], check=True)
    assert probe(path).num_frames == 7
    found, _ = read_frames(path)
    assert len(found) == 7
    assert np.abs(found.astype(int) - frames).mean() < 6


def test_what_is_no_clip_is_refused_with_what_to_do(frames, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.gif").write_bytes(b"GIF89a torn")
    (tmp_path / "torn.mp4").write_bytes(b"\0" * 100)
    Image.fromarray(frames[0]).save(tmp_path / "still.png")
    (tmp_path / "two").mkdir()
    Image.fromarray(frames[0]).save(tmp_path / "two" / "a.png")
    Image.fromarray(frames[0][:20]).save(tmp_path / "two" / "b.png")
    for name, words in {
        "none.mp4": "check the name",
        "none.gif": "cannot be read",
        "empty": "There are no pictures in",
        "torn.gif": "cannot be read",
        "torn.mp4": "not a video",
        "still.png": "single frame",
        "two": "not of one size",
    }.items():
        with pytest.raises(BadInput, match=words):
            read_frames(tmp_path / name)


def test_a_film_is_refused_before_it_fills_the_memory(frames, tmp_path, monkeypatch):
    save(Clip(frames=frames, fps=9, infotext="Steps: 1, SVD frames: 7"), tmp_path / "a.mp4")
    monkeypatch.setattr("lib_svd.video.read.MOST_BYTES", frames.nbytes - 1)
    with pytest.raises(BadInput, match="too long"):
        read_frames(tmp_path / "a.mp4")


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_a_video_comes_as_players_turn_it(degrees, quarters, frames, tmp_path):
    video = save(Clip(frames=frames, fps=9, infotext=""), tmp_path / "a.mp4").video
    whole = video.read_bytes()
    before, track = whole.partition(b"tkhd")[::2]
    assert make_matrix(0) in track
    video.write_bytes(before + b"tkhd" + track.replace(make_matrix(0), make_matrix(degrees), 1))
    are_near(read_frames(video)[0], np.rot90(frames, quarters, axes=(1, 2)))


def make_matrix(degrees: int) -> bytes:
    """How a track of an mp4 is turned, counter-clockwise, ISO/IEC 14496-12, 8.3.2; a camera writes it."""
    cos, sin = round(math.cos(math.radians(degrees))), round(math.sin(math.radians(degrees)))
    return struct.pack(">9i", cos << 16, -sin << 16, 0, sin << 16, cos << 16, 0, 0, 0, 1 << 30)


def test_a_clip_that_is_read_and_saved_again_keeps_its_colours(tmp_path):
    """Six times; a level of 255 at each would be seen."""
    colour = (224, 172, 140)
    frames = np.full((3, 64, 96, 3), colour, np.uint8)
    for number in range(6):
        saved = save(Clip(frames=frames, fps=7, infotext="Steps: 1"), tmp_path / f"{number}.mp4")
        frames, _ = read_frames(saved.video)
    assert np.abs(frames.reshape(-1, 3).mean(0) - colour).max() <= 1


@pytest.mark.parametrize("fps", [1, 7, 8, 15, 23, 28, 30])
@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_moving_pictures_last_as_long_as_the_video_and_repeat_what_it_repeats(tmp_path, fps, kind):
    steps = np.array([0, 40, 80, 80, 80, 120, 160, 160, 200, 240])
    frames = np.broadcast_to(steps[:, None, None, None], (10, 64, 96, 3)).astype(np.uint8)
    saved = save(Clip(frames=frames, fps=fps, infotext="Steps: 1"), tmp_path / "clip.mp4", copies=[Encoding.read(kind)])
    with Image.open(saved.copies[0]) as picture:
        lasts = sum(frame.copy().info["duration"] for frame in ImageSequence.Iterator(picture))  # once it is loaded
    assert abs(lasts / 1000 - len(frames) / fps) <= 0.5 / fps
    again, pace = read_frames(saved.copies[0])
    assert (len(again), pace) == (10, fps)
    assert np.abs(again[:, 32, 48].astype(int) - frames[:, 32, 48]).max() <= 4


def test_a_frame_that_is_held_for_long_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("lib_svd.video.read.MOST_BYTES", 100 * 96 * 64 * 3)
    first, last = (Image.new("RGB", (96, 64), colour) for colour in ("black", "white"))
    first.save(tmp_path / "held.gif", save_all=True, append_images=[last], duration=[20_000, 100], loop=0)
    with pytest.raises(BadInput, match=r"held\.gif is too long to be looked at whole \(201 frames\)"):
        read_frames(tmp_path / "held.gif")
