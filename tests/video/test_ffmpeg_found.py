"""Which ffmpeg and which encoder are used, and what a doctor says about them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

from lib_svd.errors import BadOutput, EncodeFailed
from lib_svd.video import check_output, find_encoders, probe, read_frames, save
from lib_svd.video.formats import FORMATS

LISTS = """
if "-encoders" in asked:
    print(" V....D = Video")
    for name in {names!r}:
        print(f" V....D {{name}}              some encoder (codec h264)")
    sys.exit()
if "nullsrc=s=256x256:r=5:d=1" in asked:
    sys.exit(asked[asked.index("-c:v") + 1] not in {working!r})
"""
AS_LIBX264 = """
start = asked.index("-c:v")
end = asked.index("-g")
sys.exit(subprocess.call([REAL, *asked[:start], "-c:v", "libx264", *asked[end:]]))
"""


def list_names(folder: Path) -> list[str]:
    """Of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_doctor_knows_path_version_and_encoders(ffmpeg):
    found = find_encoders()
    assert found.path == ffmpeg
    assert found.version == imageio_ffmpeg.get_ffmpeg_version()
    assert "libx264" in found.h264
    assert found.problem is None


def test_the_doctor_says_that_ffmpeg_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "missing"))
    found = find_encoders()
    assert (found.path, found.version, found.h264) == (str(tmp_path / "missing"), None, ())
    assert "cannot be started" in found.problem


@pytest.fixture
def nothing_brought(monkeypatch):
    """No imageio-ffmpeg, no wish of the user's, and nothing on the PATH."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    monkeypatch.setenv("PATH", "")


def test_the_doctor_says_that_no_ffmpeg_is_there(nothing_brought):
    found = find_encoders()
    assert (found.path, found.version, found.h264) == (None, None, ())
    assert "pip install --upgrade imageio-ffmpeg" in found.problem


def test_the_one_on_the_path_serves_where_imageio_ffmpeg_is_missing(
    nothing_brought, ffmpeg, new_clip, tmp_path, tmp_path_factory, monkeypatch
):
    on_path = put_on_path(ffmpeg, tmp_path_factory.mktemp("bin"), monkeypatch)
    assert find_encoders().path == on_path
    video = save(new_clip(), tmp_path / "clip.mp4").video
    assert len(read_frames(video)[0]) == 5


def test_the_one_on_the_path_serves_where_the_one_brought_does_not_run(ffmpeg, tmp_path_factory, monkeypatch):
    def find_nothing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", find_nothing)
    on_path = put_on_path(ffmpeg, tmp_path_factory.mktemp("bin"), monkeypatch)
    assert find_encoders().path == on_path


def put_on_path(real: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the real ffmpeg there, as a system has it."""
    on_path = folder / ("ffmpeg.exe" if os.name == "nt" else "ffmpeg")
    on_path.symlink_to(real)
    monkeypatch.setenv("PATH", str(folder))
    return str(on_path)


def test_without_ffmpeg_a_clip_is_refused_before_anything_is_made(nothing_brought, tmp_path):
    with pytest.raises(BadOutput, match=r"^No ffmpeg was found: run `pip install --upgrade imageio-ffmpeg`.*\.$"):
        check_output(tmp_path / "clip.mp4", None)
    assert list_names(tmp_path) == []


@pytest.mark.parametrize("built_in", [["mpeg4"], ["h264_nvenc"]])
def test_without_an_encoder_a_clip_is_refused_before_anything_is_made(fake_ffmpeg, tmp_path, built_in):
    fake_ffmpeg("", LISTS.format(names=built_in, working=[]))
    with pytest.raises(BadOutput, match=r"no H\.264 encoder that works: .*\.$"):
        check_output(tmp_path / "clip.mp4", None)


def test_the_doctor_says_that_no_encoder_is_there(fake_ffmpeg):
    fake_ffmpeg("", LISTS.format(names=["mpeg4"], working=[]))
    found = find_encoders()
    assert found.h264 == ()
    assert "no H.264 encoder" in found.problem


@pytest.mark.parametrize("name", ["h264_nvenc", "h264_qsv", "h264_videotoolbox", "libopenh264"])
def test_another_encoder_stands_in_for_libx264(new_clip, tmp_path, fake_ffmpeg, name):
    fake_ffmpeg(AS_LIBX264, LISTS.format(names=["libx264rgb", name], working=[name]))
    saved = save(new_clip(), tmp_path / "clip.mp4", notes=("cropped",))
    assert saved.notes == ("cropped", f"This ffmpeg has no libx264, so the video was encoded with {name}.")
    assert probe(saved.video).num_frames == 5


def test_an_encoder_without_its_card_is_passed_over(new_clip, tmp_path, fake_ffmpeg):
    fake_ffmpeg(AS_LIBX264, LISTS.format(names=["h264_nvenc", "libopenh264"], working=["libopenh264"]))
    assert "libopenh264" in save(new_clip(), tmp_path / "clip.mp4").notes[0]


@pytest.mark.parametrize("built_in", [["mpeg4"], ["h264_nvenc"]])
def test_without_any_encoder_the_frames_are_kept(new_clip, tmp_path, fake_ffmpeg, built_in):
    fake_ffmpeg(AS_LIBX264, LISTS.format(names=built_in, working=[]))
    with pytest.raises(EncodeFailed, match=r"no H\.264 encoder"):
        save(new_clip(), tmp_path / "clip.mp4")
    assert list_names(tmp_path) == ["clip_frames"]


def test_quick_sync_gets_the_pixels_it_takes():
    (coder,) = (coder for coder in FORMATS["h264"].coders if coder.name == "h264_qsv")
    assert coder.pixels == "nv12"


def test_importing_starts_nothing_and_loads_little():
    code = "import sys, lib_svd.video; print([m for m in ('imageio_ffmpeg', 'PIL', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_doctor_does_not_wait_for_ever(fake_ffmpeg, monkeypatch):
    monkeypatch.setattr("lib_svd.video.ffmpeg._SHORT", 1.0)
    fake_ffmpeg("", "if '-encoders' in asked: time.sleep(5)")
    assert "did not answer in 1 s" in find_encoders().problem
