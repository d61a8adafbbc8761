"""Small things that people expect of the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lib_svd.infotext import read_infotext
from lib_svd.request import ClipRequest
from lib_svd.testing import write_checkpoint
from tests.conftest import NARROW, save_picture

SMALL = ("--steps", 1, "--frames", 2, "--quiet")


def read_seed(path: Path) -> int:
    return ClipRequest.from_infotext(read_infotext(path)).seed


def test_several_pictures_are_animated_from_one_loading(here, checkpoint, picture, lib_svd, monkeypatch):
    (here / "b").mkdir()
    save_picture(here / "b" / picture.name, 96, 64)
    loads: list[str] = []
    monkeypatch.setattr("lib_svd.studio.load_rest", count_calls("lib_svd.studio.load_rest", loads))
    ran = lib_svd("animate", picture, here / "b" / picture.name, "--checkpoint", checkpoint, "--seed", 5, "--count", 2,
                  *SMALL)  # fmt: skip
    assert ran.code == 0, ran.err
    made = {path.name: read_seed(path) for path in Path("output").glob("*.mp4")}
    stem = picture.stem
    assert made == {
        **{f"{stem}-svd-0001-5.mp4": 5, f"{stem}-svd-0001-6.mp4": 6},
        **{f"{stem}-svd-0002-5.mp4": 5, f"{stem}-svd-0002-6.mp4": 6},
    }
    assert len(loads) == 1


def count_calls(name, calls):
    from pkgutil import resolve_name

    function = resolve_name(name)
    return lambda *given: calls.append(name) or function(*given)


def test_a_bad_picture_among_several_is_said_before_anything_is_made(here, checkpoint, picture, lib_svd):
    ran = lib_svd("animate", picture, "nowhere.png", "--checkpoint", checkpoint, *SMALL)
    assert (ran.code, ran.err) == (2, "Error: nowhere.png does not exist: check the spelling and the folder.\n")
    assert list(here.iterdir()) == []


def test_folders_of_out_are_made_and_taken_away_if_nothing_came_there(here, checkpoint, picture, lib_svd):
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--out", "a/b/clip.mp4", *SMALL)
    assert ran.code == 0, ran.err
    assert (here / "a" / "b" / "clip.mp4").is_file()
    refused = lib_svd("animate", "nowhere.png", "--checkpoint", checkpoint, "--out", "c/d/clip.mp4", *SMALL)
    assert refused.code == 2
    assert sorted(path.name for path in here.iterdir()) == ["a"]


@pytest.mark.parametrize(
    ("out", "kind"),
    [("x.gif", "gif"), ("x.webp", "webp"), ("x.mov", "prores"), ("x.h265.mp4", "h265"), ("x.MKV", "ffv1")],
)
def test_another_format_as_out_says_what_to_do(here, checkpoint, picture, lib_svd, out, kind):
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--out", out, *SMALL)
    assert ran.code == 2
    assert "name it x.mp4 and ask for " in ran.err
    assert f"beside it, --also {kind}." in ran.err


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("mp5", "There is no format that is called 'mp5': choose one of h264, mkv, lossless, h265"),
        ("h265:60", "The quality of H.265 (mp4) is 0 to 51 (CRF, less is better), not 60."),
        ("gif:slow", "GIF has nothing that is called 'slow': choose sierra2_4a, floyd_steinberg, bayer, none"),
    ],
)
def test_a_format_that_is_not_there_is_refused(here, checkpoint, picture, lib_svd, wanted, sentence):
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--also", wanted, *SMALL)
    assert ran.code == 2
    assert sentence in ran.err
    assert list(here.rglob("*.mp4")) == []


def test_every_file_is_named_with_its_true_size(here, checkpoint, picture, lib_svd):
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--out", "x.mp4", "--also", "gif", "--frames-dir",
                  "f", *SMALL)  # fmt: skip
    line = ran.out.splitlines()[-1]
    assert line.startswith("Written: x.mp4 (")
    assert set(re.findall(r"[\w/]+\.\w+ \(", line)) == {"x.mp4 (", "x.gif (", "x.txt (", "x.json ("}
    assert "2 frames in f (" in line
    size = Path("x.txt").stat().st_size
    assert f"x.txt ({size} bytes)" in line or f"x.txt ({size / 1000:.1f} kB)" in line


def test_a_seed_of_minus_one_is_drawn_and_presets_have_any_case(here, checkpoint, picture, lib_svd):
    for name in "ab":
        ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--out", f"{name}.mp4", "--seed", -1, "--preset",
                      "portrait", *SMALL)  # fmt: skip
        assert ran.code == 0, ran.err
    assert read_seed(Path("a.mp4")) != read_seed(Path("b.mp4"))
    assert ClipRequest.from_infotext(read_infotext(Path("a.mp4"))).motion_bucket_id == 60


def test_notes_and_marks_are_confirmed(here, checkpoint, picture, lib_svd):
    lib_svd("animate", picture, "--checkpoint", checkpoint, "--out", "x.mp4", *SMALL)
    assert lib_svd("history", ".", "--note", "x.mp4", "calm").out == "Noted on x.mp4.\n"
    assert lib_svd("history", ".", "--mark", "x.mp4", "motion", 4).out == "x.mp4 has 4 of 5 for motion.\n"


@pytest.mark.parametrize("command", ["animate", "sweep"])
def test_without_a_model_it_says_what_to_get_where_it_goes_and_what_is_broken(here, picture, lib_svd, command):
    (here / "models" / "svd").mkdir(parents=True)
    (here / "models" / "svd" / "svd_xt.safetensors").touch()
    ran = lib_svd(command, picture)
    assert ran.code == 2
    assert "There is no SVD model yet: get svd_xt.safetensors from https://huggingface.co/stabilityai/" in ran.err
    assert f"put it into {here / 'models' / 'svd'}, or say --checkpoint demo to see how it works." in ran.err
    assert "svd_xt.safetensors is empty" in ran.err
    models = json.loads(lib_svd("doctor", "--json").out)["models"]
    assert not [each for each in models if "svd_xt" in each]


def test_metadata_of_any_size_stays_readable(here, lib_svd):
    metadata = {"svd.family": "svd_xt", "workflow": "x" * 800_000, **{f"z{n}": "y" for n in range(500)}}
    write_checkpoint(here / "svd_xt.safetensors", NARROW, metadata=metadata)
    said = lib_svd("inspect", "svd_xt.safetensors").out
    assert len(said) < 5000
    assert "... (800,000 characters)" in said
    assert "and more: " in said
    whole = json.loads(lib_svd("inspect", "svd_xt.safetensors", "--json").out)["metadata"]
    assert whole["workflow"] == "x" * 800_000


@pytest.mark.parametrize("command", ["animate", "sweep"])
def test_help_has_groups_and_tells_what_is_taken_when_nothing_is_given(here, lib_svd, command):
    said = lib_svd(command, "--help").out
    places = [said.index(f"\n{title}:\n") for title in ("Options", "Settings of the clip", "Model and machine")]
    assert places == sorted(places)
    settings, machine = said[places[1] : places[2]], said[places[2] :]
    assert "--motion" in settings
    assert "--device" in machine
    flat = " ".join(said.split())
    assert "[1 to 255; the model's own when not given]" in flat
    assert "[0 to 1; 0.5 when not given]" in flat
    assert "drawn when not given]" in flat
