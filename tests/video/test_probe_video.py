"""What is said of video files that others made, and of files that are no video."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from PIL import Image

from lib_svd.errors import BadInput, SvdError
from lib_svd.video import Colour, probe, read_frames, save
from lib_svd.video.encode import read_tags
from lib_svd.video.probe import _read_colour, is_faststart

UNKNOWN = Colour(primaries=None, transfer=None, matrix=None, range=None)


@pytest.fixture
def made(ffmpeg, tmp_path):
    """Make a file with ffmpeg itself: 12 frames of 64x48 at 24 fps, unless the options say otherwise."""

    def make(name: str, *options: str):
        source = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=24:duration=0.5"]
        subprocess.run([ffmpeg, "-v", "error", *source, *options, tmp_path / name], check=True)
        return tmp_path / name

    return make


def test_an_index_at_the_end_is_no_faststart(made):
    assert not probe(made("late.mp4")).faststart
    assert probe(made("early.mp4", "-movflags", "+faststart")).faststart


def test_a_file_of_another_kind_is_described(made):
    found = probe(made("clip.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p", "-metadata", "title=a;b"))
    assert (found.codec, found.pixel_format, found.width, found.height) == ("ffv1", "yuv444p", 64, 48)
    assert (found.num_frames, found.fps, found.profile) == (12, 24, None)
    assert found.duration == pytest.approx(0.5, abs=0.002)  # this kind counts in milliseconds
    assert found.metadata["title"] == "a;b"
    assert not found.faststart


def test_the_rate_of_american_television_is_told(made):
    assert probe(made("clip.mp4", "-r", "30000/1001")).fps == pytest.approx(29.97)


def test_colours_are_what_the_file_says(made):
    assert probe(made("clip.mp4")).colour == UNKNOWN
    said = ("-x264-params", "colorprim=bt470bg:transfer=bt709:colormatrix=smpte170m", "-pix_fmt", "yuv420p")
    mixed = Colour(primaries="bt470bg", transfer="bt709", matrix="smpte170m", range="tv")
    assert probe(made("mixed.mp4", *said)).colour == mixed
    lossless = probe(made("clip.avi", "-c:v", "ffv1", "-pix_fmt", "bgr0", "-metadata", "comment=[x]"))
    assert (lossless.pixel_format, lossless.colour.primaries) == ("bgr0", None)
    assert lossless.metadata["comment"] == "[x]"


@pytest.mark.parametrize(
    ("inside", "colour"),
    [
        ("", UNKNOWN),
        ("progressive", UNKNOWN),
        ("tv, top coded first (swapped", Colour(primaries=None, transfer=None, matrix=None, range="tv")),
        ("pc, bt709, left", Colour(primaries="bt709", transfer="bt709", matrix="bt709", range="pc")),
        (
            "10 bpc, pc, gbr/unknown/iec61966-2-1",
            Colour(primaries=None, transfer="iec61966-2-1", matrix="gbr", range="pc"),
        ),
    ],
)
def test_colours_are_read_from_any_line(inside, colour):
    assert _read_colour(inside) == colour


def test_sound_is_passed_over(made):
    tone = ("-f", "lavfi", "-i", "sine=duration=1", "-map", "1", "-map", "0", "-c:a", "aac")
    assert probe(made("clip.mp4", *tone)).num_frames == 12


@pytest.mark.parametrize("name", ["sound.wav", "text.txt", "picture.png", "empty.mp4", "garbage.mp4", "cut.mp4"])
def test_what_is_no_video_is_refused(ffmpeg, tmp_path, new_clip, name):
    path = tmp_path / name
    if name == "sound.wav":
        subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", path], check=True)
    elif name == "picture.png":
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path)
    elif name == "cut.mp4":
        whole = save(new_clip(20, 128, 128, infotext="SVD frames: 20"), tmp_path / "whole.mp4").video.read_bytes()
        path.write_bytes(whole[: len(whole) - 200])
    else:
        path.write_bytes({"text.txt": b"hello\n", "empty.mp4": b"", "garbage.mp4": bytes(range(256)) * 40}[name])
    with pytest.raises(BadInput, match=f"{name} is not a video that can be read"):
        probe(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match="There is no file"):
        probe(tmp_path / "clip.mp4")
    with pytest.raises(BadInput, match="There is no file"):
        probe(tmp_path)


def test_without_ffmpeg_the_file_is_not_blamed(new_clip, tmp_path, monkeypatch):
    video = save(new_clip(1), tmp_path / "clip.mp4").video
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "missing"))
    with pytest.raises(SvdError, match="pip install --upgrade imageio-ffmpeg") as caught:
        probe(video)
    assert not isinstance(caught.value, BadInput)


def make_atom(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    """One part of an mp4; size 1 announces 64 bits, size 0 reaches to the end."""
    length = 8 + len(content) if size is None else size
    long = (16 + len(content)).to_bytes(8, "big") if size == 1 else b""
    return length.to_bytes(4, "big") + kind + long + content


@pytest.mark.parametrize(
    ("parts", "faststart"),
    [
        (
            [
                make_atom(b"ftyp", b"isom"),
                make_atom(b"moov", b"x" * 9),
                make_atom(b"free"),
                make_atom(b"mdat", b"y" * 99),
            ],
            True,
        ),
        ([make_atom(b"ftyp", b"isom"), make_atom(b"mdat", b"y" * 99), make_atom(b"moov", b"x" * 9)], False),
        ([make_atom(b"ftyp", b"isom"), make_atom(b"mdat", b"y" * 99, size=1), make_atom(b"moov")], False),
        ([make_atom(b"ftyp", b"isom"), make_atom(b"moov"), make_atom(b"mdat", b"moov", size=0)], True),
        ([make_atom(b"ftyp", b"isom"), make_atom(b"moov")], False),
        ([b"\x1aE\xdf\xa3 matroska"], False),
        ([], False),
    ],
)
def test_the_order_of_an_mp4_is_read(tmp_path, parts, faststart):
    (tmp_path / "clip.mp4").write_bytes(b"".join(parts))
    assert is_faststart(tmp_path / "clip.mp4") is faststart


@pytest.mark.parametrize("rest", [b"\0\0\0", b"\0\0\0\x05moov", b"\0\0\1\0mdat", b"\0\0\0\1mdat\0"])
def test_an_mp4_that_is_cut_short_is_noticed(tmp_path, rest):
    (tmp_path / "clip.mp4").write_bytes(make_atom(b"ftyp", b"isom") + rest)
    with pytest.raises(ValueError, match="cut short"):
        is_faststart(tmp_path / "clip.mp4")


@pytest.mark.parametrize("rubbish", [b"\0\0\0\0", b"\0\0\0\5", b"\xff" * 40, b"\0"])
def test_what_follows_the_last_part_is_passed_over_as_players_do(new_clip, tmp_path, rubbish):
    whole = save(new_clip(infotext="SVD frames: 5"), tmp_path / "whole.mp4").video
    (tmp_path / "more.mp4").write_bytes(whole.read_bytes() + rubbish)
    assert probe(tmp_path / "more.mp4") == probe(whole)
    assert len(read_frames(tmp_path / "more.mp4")[0]) == 5


def test_a_clip_from_elsewhere_that_is_cut_short_is_read_as_far_as_it_goes(new_clip, tmp_path):
    whole = save(new_clip(20, 128, 128), tmp_path / "whole.mp4").video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 3 // 4])
    assert 2 <= len(read_frames(tmp_path / "cut.mp4")[0]) < 20


def test_tags_of_single_streams_are_left_out():
    text = ";FFMETADATA1\n;a=b\ntitle=all\n[STREAM]\ntitle=sound\n"
    assert read_tags(text) == {"title": "all"}
