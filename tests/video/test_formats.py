"""How formats are named, and what a user's own format may say."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from lib_svd.clip import Clip
from lib_svd.errors import BadOutput, BadRequest
from lib_svd.infotext import read_infotext
from lib_svd.video import FORMATS, MAIN, Encoding, check_output, explain_why_not, list_formats, probe, save

OWN = {
    "title": "H.265, 10 bits",
    "suffix": ".10bit.mp4",
    "encoder": "libx265",
    "pixels": "yuv420p10le",
    "container": "mp4",
    "arguments": ["-crf", "{quality}", "-tag:v", "hvc1"],
    "quality": [0, 51, 18],
}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Put a file with a format where the user's own are."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "data" / "svd-for-forge" / "formats"
    folder.mkdir(parents=True)

    def write(content: object, name: str = "deep") -> None:
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")

    return write


def make_clip() -> Clip:
    frames = np.zeros((4, 128, 96, 3), np.uint8)
    frames[:, :, :, 1] = np.linspace(0, 255, 96, dtype=np.uint8)
    return Clip(frames=frames, fps=7, infotext="Steps: 25, SVD frames: 4")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_named_and_read_back_with_all_that_can_be_chosen(name):
    row = FORMATS[name]
    words = [f"{row.quality.low:g}"] if row.quality else []
    words += [*row.presets[-1:], *row.profiles[-1:], *(["x3"] if row.loops else [])]
    text = ":".join([name, *words])
    assert str(Encoding.read(text)) == text
    assert Encoding.read(":".join([name, *reversed(words)])) == Encoding.read(text)
    assert str(Encoding.read(name)) == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mp5", "There is no format that is called 'mp5': choose one of h264, mkv, lossless, "),
        ("", "There is no format that is called '': choose one of "),
        ("webp:101", "The quality of Animated WebP is 0 to 100 (more is better), not 101."),
        ("ffv1:20", "FFV1 without loss (mkv) has nothing that is called '20': choose it alone."),
        ("zip:x3", "PNG pictures in one zip has nothing that is called 'x3': choose it alone."),
        ("gif:x0000000", "GIF has nothing that is called 'x0000000'"),
        ("av1:ultrafast", "AV1 (mp4) has nothing that is called 'ultrafast': choose a quality of 1 to 63, fast, "),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(text, sentence):
    with pytest.raises(BadRequest) as caught:
        Encoding.read(text)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


def test_no_two_formats_share_a_name_on_disk():
    suffixes = [row.suffix for row in FORMATS.values()]
    assert len(set(suffixes)) == len(suffixes)


def test_a_format_without_its_encoder_is_refused_before_anything_is_made(tmp_path, fake_ffmpeg):
    fake_ffmpeg(
        "",
        """
if "-encoders" in asked:
    print(" V....D libx264              H.264")
    sys.exit()
""",
    )
    assert explain_why_not(MAIN) == ""
    assert explain_why_not("zip") == ""  # takes none
    assert "has no encoder for H.265 (mp4) that works: run `pip install" in explain_why_not("h265")
    with pytest.raises(BadOutput, match=r"no encoder for AV1"):
        check_output(tmp_path / "clip.mp4", copies=[Encoding.read("av1")])
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_format_is_written(own, tmp_path):
    own(OWN)
    assert list_formats()[-1] == "deep"
    assert explain_why_not("deep") == ""
    (path,) = save(make_clip(), tmp_path / "clip.mp4", copies=[Encoding.read("deep:30")]).copies
    assert path.name == "clip.10bit.mp4"
    found = probe(path)
    assert (found.codec, found.pixel_format, found.num_frames) == ("hevc", "yuv420p10le", 4)
    assert found.colour.matrix == "bt709"
    assert read_infotext(path) == make_clip().infotext


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"arguments": ["-i", "/etc/passwd"]}, "an encoder is not told '-i' here"),
        ({"arguments": ["-crf", "18", "-f"]}, "pairs of a name and a value"),
        ({"arguments": ["-preset", "../x"]}, "'../x' is no value"),
        ({"arguments": ["-crf", 18]}, "pairs of a name and a value"),
        ({"arguments": "-crf 18"}, "arguments must be a list"),
        ({"suffix": ".mp4"}, "suffix must be one that no other format has"),
        ({"suffix": ".gif"}, "suffix must be one that no other format has"),
        ({"suffix": "/../x.mp4"}, "suffix must be one that no other format has"),
        ({"container": "tee"}, "container must be one of mp4, mov, matroska, webm"),
        ({"encoder": "a b"}, "encoder must be a name"),
        ({"quality": [51, 0, 18]}, "quality must be the lowest"),
        ({"quality": [0, 51]}, "not enough values"),
        ({"quality": "high"}, "not enough values"),
        ({"extra": 1}, "'extra' means nothing here"),
        ({"title": None}, "title must be text"),
    ],
)
def test_what_a_format_may_not_say_is_said(own, changed, why):
    own({**OWN, **changed})
    assert "cannot be used" in explain_why_not("deep")
    assert why in explain_why_not("deep")
    with pytest.raises(BadRequest, match="cannot be used"):
        Encoding.read("deep")


@pytest.mark.parametrize("content", ["", "[]", "1", "{", '{"title": "x"}', "[" * 5000])
def test_a_file_that_is_no_format_costs_the_others_nothing(own, content):
    own(content)
    own(OWN, "good")
    assert explain_why_not("good") == ""
    assert "mend it, or take it away." in explain_why_not("deep")


def test_an_own_format_is_not_called_like_one_that_is_there(own):
    own(OWN, "gif")
    assert Encoding.read("gif").format is FORMATS["gif"]


def test_a_clip_in_another_format_is_no_clip_of_its_own(own, tmp_path):
    from lib_svd.jobs import history

    own(OWN)
    copies = [Encoding.read(name) for name in ("lossless", "h265", "deep", "gif")]
    save(make_clip(), tmp_path / "clip.mp4", copies=copies)
    save(make_clip(), tmp_path / "holiday.h265.mp4")  # a name that somebody chose
    assert sorted(each.video.name for each in history.read_entries(tmp_path)) == ["clip.mp4", "holiday.h265.mp4"]


def test_the_page_of_formats_is_the_one_that_the_table_gives():
    path = Path(__file__).parents[2] / "docs" / "formats.py"
    page = runpy.run_path(str(path))["write_page"]()
    assert path.with_suffix(".md").read_text("utf-8") == page, "run: python docs/formats.py"
