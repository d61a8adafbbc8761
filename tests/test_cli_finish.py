"""`python -m lib_svd finish`: what comes after the clip, from the command line."""

from __future__ import annotations

import json

import pytest

from lib_svd import video
from lib_svd.clip import Clip
from lib_svd.finish.finishing import FINISHINGS
from lib_svd.testing import write_checkpoint
from tests.conftest import snapshot, start
from tests.requests import complete
from tests.review import clips

HANG_WHILE_ENLARGING = """
import time
from lib_svd.finish import recipe
def hanging(*given):
    print("enlarging", flush=True)
    time.sleep(600)
recipe.enlarge_frames = hanging
"""


@pytest.fixture
def clip(here):
    settings = complete(num_frames=10, width=192, height=128, fps=7)
    return video.save(Clip(frames=clips.make_pan(2), fps=7, infotext=settings.write_infotext()), here / "a.mp4").video


def finish(lib_svd, *words):
    ran = lib_svd("finish", *words, "--json")
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def test_a_clip_is_looped_enlarged_and_written_in_two_formats(here, lib_svd, clip):
    (told,) = finish(lib_svd, clip, "--loop", "pingpong", "--upscale", "lanczos", "--scale", 2, "--also", "gif")
    assert told["path"] == "output/a-finished.mp4"
    assert (told["num_frames"], told["width"], told["height"], told["fps"]) == (18, 384, 256, 7)
    assert told["copies"] == ["output/a-finished.gif"]
    assert "SVD source: a.mp4" in told["infotext"]


def test_what_a_user_reads(here, lib_svd, clip):
    ran = lib_svd("finish", clip, "--reverse", "--out", "b.mp4", "--quiet")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "b.mp4: 10 frames of 192x128 at 7 fps, 1.4 s."
    assert ran.out.splitlines()[1].startswith("Written: b.mp4 (")
    assert ran.err == ""


def test_the_plan_is_said_before_and_can_be_all(here, lib_svd, clip):
    words = (clip, "--loop", "pingpong", "--fps", 14)
    said = "a.mp4: 10 frames of 192x128 at 7 fps, 1.4 s become 36 frames of 192x128 at 14 fps, 2.6 s. "
    ran = lib_svd("finish", *words, "--plan")
    assert ran.out.startswith(said)
    assert not (here / "output").exists()
    (told,) = finish(lib_svd, *words, "--plan")
    assert (told["num_frames"], told["fps"]) == (36, 14)
    assert said in lib_svd("finish", *words).err


def test_several_clips_are_all_checked_before_the_first_is_begun(here, lib_svd, clip):
    other = video.save(Clip(frames=clips.make_pan(3)[:4], fps=7, infotext=""), here / "b.mp4").video
    before = snapshot(here)
    ran = lib_svd("finish", clip, other, "--first", 5)
    assert ran.code == 2
    assert "The first frame is to be 5, and the clip has 4." in ran.err
    assert snapshot(here) == before
    assert [each["num_frames"] for each in finish(lib_svd, clip, other, "--first", 3)] == [8, 2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Which clip? Name one"),
        (["a.mp4", "b.mp4", "--out", "c.mp4"], "--out goes with one clip, not with 2"),
        (["nothing.mp4"], "There is no clip nothing.mp4"),
        (["a.mp4", "--loop", "round"], "--loop must be one of none, pingpong, crossfade, cut"),
        (["a.mp4", "--scale", "much"], "--scale must be a number"),
        (["a.mp4", "--smooth", "fast"], "--smooth must be 2x, 4x or frames a second such as 28, not 'fast'"),
        (["a.mp4", "--for", "cinema"], "There is no delivery 'cinema': choose one of editor"),
        (["a.mp4", "--also", "tiff"], "'tiff'"),
        (["a.mp4", "--out", "a.mp4"], "a.mp4 exists already and is not overwritten"),
        (["a.mp4", "--upscale", "net.pth"], "net.pth is no .safetensors file"),
        (["a.mp4", "--upscale", "net"], "There is no upscaler 'net', there is lanczos"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(here, lib_svd, clip, words, said):
    (here / "net.pth").write_bytes(b"")
    before = snapshot(here)
    ran = lib_svd("finish", *words)
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert snapshot(here) == before
    assert json.loads(lib_svd("finish", *words, "--json").out)["message"] in ran.err


def test_a_delivery_gives_what_it_says_and_options_given_win(here, lib_svd, clip):
    (told,) = finish(lib_svd, clip, "--for", "social", "--size", "96x96", "--length", 2, "--smooth", "14")
    assert (told["width"], told["height"], told["num_frames"], told["fps"]) == (96, 96, 28, 14)


def test_flicker_is_removed_by_a_command_of_its_own(here, lib_svd, clip):
    ran = lib_svd("deflicker", clip, "--checkpoint", "brightness", "--quiet")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("output/a-finished.mp4: 10 frames of 192x128 at 7 fps")
    assert ran.err.startswith("Flicker was 0.")
    (told,) = finish(lib_svd, clip, "--deflicker", "brightness")
    assert "Deflicker: brightness" in told["infotext"]


def test_a_model_for_it_is_named_by_its_file_or_is_the_only_one_there(here, lib_svd, clip):
    named = write_checkpoint(here / "elsewhere" / "own.safetensors")
    said = lib_svd("deflicker", clip, "--checkpoint", named, "--plan")
    assert said.out.endswith("Flicker removed by own.safetensors.\n"), said.err
    assert lib_svd("finish", clip, "--deflicker", named, "--plan").out == said.out
    ran = lib_svd("deflicker", clip)
    assert ran.code == 2
    assert "There is no SVD model yet" in ran.err
    named.parent.rename(here / "models")
    assert lib_svd("deflicker", clip, "--plan").out == said.out


def test_help_groups_what_is_done(lib_svd):
    said = lib_svd("finish", "--help").out
    own, rest = said.split("What is done:")
    done, machine = rest.split("Model and machine:")
    assert all(setting.flags[0] in done for setting in FINISHINGS.values())
    assert "--also" in own
    assert "--device" in machine


def test_a_kill_leaves_the_clip_and_nothing_else(here, clip):
    before = snapshot(here)
    running = start("finish", clip, "--upscale", "lanczos", cwd=here, first=HANG_WHILE_ENLARGING)
    while "enlarging" not in (line := running.stdout.readline()):
        assert line or running.poll() is None, running.stderr.read()
    running.kill()
    running.communicate()
    assert {name: held for name, held in snapshot(here).items() if name != "output"} == before
