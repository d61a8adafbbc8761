"""What a user gets from the command line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from lib_svd.cli.options import ELSEWHERE
from lib_svd.errors import BadOutput
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS
from lib_svd.video import probe
from tests.conftest import Ran, read_frames_in, save_picture, snapshot, start

Make = Callable[..., npt.NDArray[np.uint8]]


@pytest.fixture
def make(here, checkpoint, picture, lib_svd) -> Make:
    """The frames that `animate picture --checkpoint checkpoint WORDS` gives, bit for bit."""
    made: list[Path] = []

    def make_frames(*words: object) -> npt.NDArray[np.uint8]:
        folder = here / f"f{len(made)}"
        made.append(folder)
        out = [] if "--out" in words else ["--out", f"clip{len(made)}.mp4"]
        ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--frames-dir", folder, "--quiet", *out, *words)
        assert ran.code == 0, ran.err
        return read_frames_in(folder)

    return make_frames


def read_error(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return ran.err


def test_a_clip_is_a_video_with_every_setting_in_it(here, checkpoint, picture, lib_svd):
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--seed", 3, "--fps", 12, "--out", "a.mp4")
    assert ran.code == 0, ran.err
    found = probe(Path("a.mp4"))
    assert (found.num_frames, found.width, found.height, found.fps) == (5, 96, 64, 12)
    assert (found.codec, found.pixel_format, found.faststart) == ("h264", "yuv420p", True)
    asked = ClipRequest.from_infotext(found.metadata["comment"])
    assert (asked.seed, asked.fps, asked.num_frames, asked.width) == (3, 12, 5, 96)
    assert re.fullmatch(rf"{checkpoint.name} \[[0-9a-f]{{10}}\]", asked.checkpoint)
    assert Path("a.txt").read_text("utf-8") == asked.write_infotext() == found.metadata["comment"]
    assert sorted(snapshot(here)) == ["a.json", "a.mp4", "a.txt"]
    assert re.search(r"^a\.mp4: 5 frames of 96x64 at 12 fps\. Seconds: condition [\d.]+, sample", ran.out)
    assert asked.write_infotext() in ran.out


@pytest.mark.parametrize("kind", ["clip.mp4", "clip.txt", "f0/00002.png"])
def test_pasting_a_clips_settings_gives_the_same_clip(here, checkpoint, picture, make, lib_svd, kind):
    words = ["--seed", 11, "--sampler", "euler_ancestral", "--motion", 200, "--fit", "letterbox", "--steps", 2]
    words += ["--max-guidance", 4, "--guidance-ramp", "triangle", "--augmentation", 0.1, "--size", "64x64"]
    first = make(*words, "--out", "clip.mp4")
    again = ["--models", checkpoint.parent, "--like", kind, "--out", "again.mp4", "--frames-dir", "again", "--quiet"]
    read_error(lib_svd("animate", picture, *again))
    assert np.array_equal(read_frames_in(here / "again"), first)
    assert Path("again.txt").read_bytes() == Path("clip.txt").read_bytes()


def test_options_win_over_settings_that_are_pasted(make):
    make("--seed", 1, "--fps", 9, "--out", "clip.mp4")
    make("--like", "clip.mp4", "--seed", 2, "--size", "auto", "--out", "other.mp4")
    first, second = (ClipRequest.from_infotext(Path(f"{name}.txt").read_text("utf-8")) for name in ("clip", "other"))
    assert second == first.replace(seed=2)


def test_json_holds_what_a_script_needs(here, checkpoint, picture, lib_svd):
    words = ["--seed", 4, "--json", "--frames-dir", "f", "--also", "gif", "--out", "a.mp4", "--frames", 6]
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, *words)
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert set(found) == {
        *(
            "path",
            "copies",
            "frames",
            "num_frames",
            "height",
            "width",
            "fps",
            "settings",
            "infotext",
            "seconds",
            "notes",
        )
    }
    assert (found["path"], found["num_frames"], found["height"], found["width"]) == ("a.mp4", 6, 64, 96)
    assert found["frames"] == [f"f/{number:05d}.png" for number in range(6)]
    assert found["copies"] == ["a.gif"]
    assert ClipRequest.from_mapping(found["settings"]) == ClipRequest.from_infotext(found["infotext"])
    assert set(found["seconds"]) == {"condition", "sample", "decode"}
    assert any("6 frames are made in 2 windows of 5" in note for note in found["notes"])


def test_frames_are_kept_as_pictures_where_asked_for(here, make):
    frames = make("--seed", 1, "--out", "a.mp4")
    assert frames.shape == (5, 64, 96, 3)
    paths = sorted((here / "f0").iterdir())
    assert [path.name for path in paths] == ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png"]
    with Image.open(paths[0]) as picture:
        assert picture.info["parameters"] == Path("a.txt").read_text("utf-8")


def test_several_clips_are_those_of_the_seeds_that_follow(here, checkpoint, picture, make, lib_svd):
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--seed", 8, "--count", 3, "--out", "c.mp4", "--json")
    assert ran.code == 0, ran.err
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [clip["path"] for clip in found] == ["c-8.mp4", "c-9.mp4", "c-10.mp4"]
    assert [clip["settings"]["seed"] for clip in found] == [8, 9, 10]
    for seed in (8, 10):
        make("--seed", seed, "--out", f"single-{seed}.mp4")
        assert probe_frames(f"single-{seed}.mp4") == probe_frames(f"c-{seed}.mp4")


def probe_frames(path: str) -> bytes:
    """The decoded pictures of a video, to the bit."""
    command = [get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "rawvideo", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_saved_latents_decode_to_the_same_frames(here, checkpoint, make, lib_svd):
    frames = make("--seed", 5, "--save-latents", "l.safetensors", "--out", "a.mp4")
    before = Path("l.safetensors").read_bytes()
    words = ["--checkpoint", checkpoint, "--out", "b.mp4", "--frames-dir", "again", "--quiet"]
    read_error(lib_svd("animate", "--from-latents", "l.safetensors", *words))
    assert np.array_equal(read_frames_in(here / "again"), frames)
    assert Path("b.txt").read_bytes() == Path("a.txt").read_bytes()
    assert Path("l.safetensors").read_bytes() == before


def test_a_clip_from_latents_finds_its_model_and_a_name(here, checkpoint, make, lib_svd):
    make("--seed", 5, "--save-latents", "cat.latents.safetensors", "--out", "a.mp4")
    read_error(
        lib_svd("animate", "--from-latents", "cat.latents.safetensors", "--models", checkpoint.parent, "--quiet")
    )
    written = sorted(path.name for path in Path("output").iterdir())
    assert written == ["cat-svd-0001.json", "cat-svd-0001.mp4", "cat-svd-0001.txt"]


def test_a_seed_is_the_clip(make):
    first, again, other = make("--seed", 21), make("--seed", 21), make("--seed", 22)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_a_seed_every_clip_is_another_one(make):
    assert not np.array_equal(make("--out", "a.mp4"), make("--out", "b.mp4"))
    seeds = {ClipRequest.from_infotext(Path(f"{name}.txt").read_text("utf-8")).seed for name in "ab"}
    assert len(seeds) == 2


def test_frames_do_not_depend_on_the_decode_chunk(make):
    whole = make("--seed", 2)
    for chunk in (1, 2, 100):
        frames = make("--seed", 2, "--decode-chunk", chunk)
        assert np.abs(frames.astype(int) - whole.astype(int)).max() <= 1, f"chunk {chunk}"


def test_the_references_chunks_are_another_clip(make):
    whole, chunked = make("--seed", 2), make("--seed", 2, "--decode", "reference", "--decode-chunk", 2)
    assert whole.shape == chunked.shape
    assert not np.array_equal(whole, chunked)


def test_a_portrait_picture_makes_a_portrait_clip(here, checkpoint, lib_svd):
    save_picture(here / "tall.png", 100, 150)
    read_error(lib_svd("animate", "tall.png", "--checkpoint", checkpoint, "--steps", 1, "--out", "a.mp4"))
    found = probe(Path("a.mp4"))
    assert (found.width, found.height) == (64, 96)


def test_clips_without_a_name_are_numbered_and_never_overwritten(here, checkpoint, picture, lib_svd):
    (here / "output").mkdir()
    (here / "output" / "photo-svd-0003.txt").write_text("mine")
    words = ["--checkpoint", checkpoint, "--steps", 1, "--frames", 1, "--quiet"]
    for _ in range(2):
        read_error(lib_svd("animate", picture, *words))
    read_error(lib_svd("animate", picture, *words, "--count", 2, "--seed", 6))
    assert sorted(path.name for path in Path("output").glob("*.mp4")) == [
        *("photo-svd-0004.mp4", "photo-svd-0005.mp4", "photo-svd-0006-6.mp4", "photo-svd-0006-7.mp4")
    ]
    assert Path("output/photo-svd-0003.txt").read_text() == "mine"


def test_progress_shows_seconds_a_step_and_the_time_left(here, checkpoint, picture, lib_svd, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    said = read_error(lib_svd("animate", picture, "--checkpoint", checkpoint, "--steps", 4, "--out", "a.mp4"))
    stages = ["Loading svd_xt.safetensors", "Reading the picture", "Sampling", "Decoding", "Measuring the clip"]
    assert [stage for stage in stages if f"{stage}: " in said] == stages
    assert re.search(r"Sampling: +0%\|.*\| 0/4 \[\d\d:\d\d<\?, +\?s/it\]", said)
    assert re.search(r"Sampling: 100%\|.*\| 4/4 \[\d\d:\d\d<\d\d:\d\d, +\d+\.\d\ds/it\]", said)
    assert "Measuring the clip: 100%" in said


def test_what_happened_on_the_way_is_said(here, checkpoint, picture, lib_svd, monkeypatch):
    def fill_up(*_):
        raise BadOutput("Latents cannot be written to l.safetensors (the disk is full): make room.")

    monkeypatch.setattr("lib_svd.animate.save_latents", fill_up)
    monkeypatch.setattr("lib_svd.latents.save_latents", fill_up)
    words = ["--checkpoint", checkpoint, "--steps", 1, "--out", "a.mp4", "--save-latents", "l.safetensors", "--quiet"]
    said = read_error(lib_svd("animate", picture, *words))
    assert said.splitlines() == ["Latents cannot be written to l.safetensors (the disk is full): make room."]
    assert Path("a.mp4").exists()


def test_the_unet_in_float8_gives_nearly_the_same_clip(here, picture, lib_svd):
    for weights in ("auto", "float8"):
        words = ["--seed", 4, "--steps", 4, "--frames-dir", weights, "--out", f"{weights}.mp4", "--quiet"]
        read_error(lib_svd("animate", picture, "--checkpoint", "demo", "--weights", weights, *words))
    difference = read_frames_in(here / "auto").astype(float) - read_frames_in(here / "float8")
    assert 0 < (difference**2).mean() < 255**2 / 10**3  # 30 dB


def test_compiling_can_be_asked_for(here, checkpoint, picture, lib_svd):
    words = ["--checkpoint", checkpoint, "--steps", 1, "--out", "a.mp4", "--compile", "--quiet"]
    assert read_error(lib_svd("animate", picture, *words)).strip() == "Nothing was compiled: on cpu it gains nothing."


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_can_be_asked_for(make, dtype):
    full, half = make("--seed", 4), make("--seed", 4, "--dtype", dtype)
    assert not np.array_equal(full, half)
    assert np.abs(full.astype(int) - half.astype(int)).mean() < 8


def test_no_progress_where_none_is_wanted(here, checkpoint, picture, lib_svd):
    said = read_error(
        lib_svd("animate", picture, "--checkpoint", checkpoint, "--steps", 1, "--out", "a.mp4", "--quiet")
    )
    assert said == ""


def test_inspect_says_what_a_file_is(checkpoint, lib_svd):
    ran = lib_svd("inspect", checkpoint)
    assert (ran.code, ran.err) == (0, "")
    for words in ("Stable Video Diffusion XT (svd_xt), native layout", "5 frames of 96x64 at 7 fps", "Licence:"):
        assert words in ran.out
    assert re.search(r"^Parameters:\n  vision: [\d.]+ M\n", ran.out, re.MULTILINE)
    assert f"File: {checkpoint}" in ran.out


def test_inspect_as_json(checkpoint, lib_svd):
    found = json.loads(lib_svd("inspect", checkpoint, "--json").out)
    assert (found["family"], found["num_frames"], found["width"], found["size_grid"]) == ("svd_xt", 5, 96, 16)
    assert found["total_parameters"] == sum(found["parameters"].values())


def test_doctor_says_what_the_machine_has(here, checkpoint, lib_svd):
    ran = lib_svd("doctor", "--models", checkpoint.parent)
    assert (ran.code, ran.err) == (0, "")
    for words in ("would be used: cpu", "libx264", "problem: none", str(checkpoint), "torch: "):
        assert words in ran.out
    assert snapshot(here) == {}


def test_doctor_as_json(here, lib_svd):
    found = json.loads(lib_svd("doctor", "--json").out)
    assert found["models"] == []
    assert found["device"]["dtypes"] == dict.fromkeys(("vision", "encoder", "unet", "decoder"), "float32")
    assert "missing" not in found["packages"].values()


def test_doctor_tells_of_a_missing_ffmpeg(here, lib_svd, monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    found = json.loads(lib_svd("doctor", "--json").out)
    assert "cannot be started" in found["ffmpeg"]["problem"]


def test_help_lists_every_setting(lib_svd):
    text = lib_svd("animate", "--help").out
    for field in SETTINGS.values():
        if field.name not in ELSEWHERE:
            assert f"--{field.name.replace('_', '-')}" in text
        for choice in field.choices or ():
            assert choice in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["inspect", "--help"], ["doctor", "-h"]])
def test_help_and_version_are_no_errors(lib_svd, words):
    ran = lib_svd(*words)
    assert (ran.code, ran.err) == (0, "")


def test_no_words_at_all_are_answered_with_help(lib_svd):
    ran = lib_svd()
    assert "animate" in ran.out + ran.err
    assert "Traceback" not in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_ctrl_c_while_sampling_leaves_nothing(here, checkpoint, picture):
    words = ["--checkpoint", checkpoint, "--steps", 100, "--size", "128x128", "--frames", 10]
    with start("animate", picture, *words, cwd=here) as running:
        said = wait_for("Sampling", running.stderr)
        running.send_signal(signal.SIGINT)
        out, rest = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert rest.splitlines()[-1] == "Stopped."
    assert "Traceback" not in said + rest
    assert "100/100" not in said + rest
    assert snapshot(here) == {}


def wait_for(words: str, stream) -> str:
    """Read until the words have come."""
    said = ""
    while words not in said:
        read = stream.read(1)
        assert read, said
        said += read
    return said


def test_an_enlarged_video_shows_squares_and_the_frames_stay_as_they_are(here, checkpoint, picture, lib_svd):
    made = lib_svd("animate", picture, "--checkpoint", checkpoint, "--seed", 1, "--enlarge", 3, "--out", "big.mp4",
                   "--frames-dir", "frames", "--also", "webp")  # fmt: skip
    assert made.code == 0, made.err
    found = probe(here / "big.mp4")
    assert (found.width, found.height) == (3 * 96, 3 * 64)
    for name, size in (("frames/00000.png", (96, 64)), ("big.webp", (3 * 96, 3 * 64))):
        with Image.open(here / name) as opened:
            assert opened.size == size


def test_the_demo_is_found_by_its_name_alone(here, lib_svd):
    found = lib_svd("inspect", "demo")
    assert found.code == 0, found.err
    assert "Model: Demo, 64 px: see how it works (svd), native layout" in found.out


def test_a_preset_is_where_settings_begin_and_options_win(here, checkpoint, picture, lib_svd):
    made = lib_svd("animate", picture, "--checkpoint", checkpoint, "--preset", "Portrait", "--augmentation", 0.05,
                   "--out", "a.mp4", "--json")  # fmt: skip
    assert made.code == 0, made.err
    settings = json.loads(made.out)["settings"]
    assert (settings["motion_bucket_id"], settings["noise_aug_strength"]) == (60, 0.05)
    refused = lib_svd("animate", picture, "--checkpoint", checkpoint, "--preset", "Cats", "--out", "b.mp4")
    assert refused.code == 2
    assert "There is no preset 'Cats': choose one of Baseline, Portrait" in refused.err
