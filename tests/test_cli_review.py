"""`python -m lib_svd review`: what a user reads about a clip, made here or elsewhere."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from lib_svd.clip import Clip
from lib_svd.review.words import MEASURES
from lib_svd.video import save, save_frames
from tests.conftest import draw_disc
from tests.requests import complete
from tests.review import clips


def write_clip(frames, path):
    """A clip that says nothing of how it was made."""
    save(Clip(frames=frames, fps=7, infotext="a clip from elsewhere"), path)
    return path


def measure(lib_svd, *words):
    ran = lib_svd("review", *words, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_the_measures_of_a_video_are_nested_by_what_they_are_about(here, lib_svd):
    found = measure(lib_svd, write_clip(clips.make_pan(3), here / "pan.mp4"))
    assert (found["num_frames"], found["size"], found["fps"]) == (10, [192, 128], 7)
    assert found["motion"]["flow"] == pytest.approx(3, rel=0.1)
    assert found["fidelity"]["drift"] < 1
    assert found["consistency"]["flicker"] < 0.003
    assert found["consistency"]["sharpness"] == pytest.approx(1, abs=0.3)
    assert found["loop"]["seam"] > 2
    assert len(found["series"]["flow"]) == 9


def test_faults_survive_the_encoding_in_their_order(here, lib_svd):
    made = {
        "good": clips.make_pan(3),
        "flicker": clips.add_flicker(clips.make_pan(3), 10),
        "drift": clips.add_drift(clips.make_pan(3), 50),
        "blur": clips.blur(clips.make_pan(3), 2.5),
        "still": clips.make_pan(0),
    }
    found = {name: measure(lib_svd, write_clip(frames, here / f"{name}.mp4")) for name, frames in made.items()}
    assert max(found, key=lambda name: found[name]["consistency"]["flicker"]) == "flicker"
    assert max(found, key=lambda name: found[name]["fidelity"]["drift"]) == "drift"
    assert min(found, key=lambda name: found[name]["consistency"]["sharpness"]) == "blur"
    assert min(found, key=lambda name: found[name]["motion"]["flow"]) == "still"


def test_a_clip_made_here_is_held_against_its_picture_as_the_model_got_it(here, lib_svd):
    """The picture is cropped as the clip's settings say, whatever size the video shows it at."""
    picture = clips.read_scene()[:192, :192]
    Image.fromarray(picture).save(here / "square.png")
    for name, focus in (("kept", 1.0), ("other", 0.0)):
        settings = complete(width=192, height=128, focus_y=focus, num_frames=3)
        lower = np.stack([picture[64:]] * 3)
        save(Clip(frames=lower, fps=7, infotext=settings.write_infotext(), enlarge=2), here / f"{name}.mp4")
    kept, other = (measure(lib_svd, f"{name}.mp4", "--picture", "square.png") for name in ("kept", "other"))
    assert kept["size"] == [384, 256]
    assert kept["fidelity"]["ssim"] > 0.95
    assert other["fidelity"]["ssim"] < 0.6


def test_likeness_is_told_by_the_model_that_made_the_clip(here, checkpoint, picture, lib_svd):
    made = lib_svd("animate", picture, "--checkpoint", checkpoint, "--seed", 1, "--out", "clip.mp4")
    assert made.code == 0, made.err
    found = measure(lib_svd, "clip.mp4", "--models", checkpoint.parent)
    assert -1 <= found["fidelity"]["similarity_lowest"] <= found["fidelity"]["similarity"] <= 1
    assert found["notes"] == []
    elsewhere = measure(lib_svd, "clip.mp4")
    assert elsewhere["fidelity"]["similarity"] is None
    assert "Likeness is not measured" in elsewhere["notes"][0]


def test_a_picture_is_what_fidelity_is_held_against(here, lib_svd):
    frames = clips.make_pan(2)
    save_frames(frames, here / "f", "")
    Image.fromarray(frames[0]).save(here / "right.png")
    Image.fromarray(frames[0][::-1]).save(here / "wrong.png")
    right, wrong = (
        measure(lib_svd, "f", "--picture", f"{name}.png")["fidelity"]["ssim"] for name in ("right", "wrong")
    )
    assert right == pytest.approx(1)
    assert wrong < 0.5


def test_in_words_each_measure_has_its_number_and_its_range(here, lib_svd):
    ran = lib_svd("review", write_clip(clips.make_pan(3), here / "pan.mp4"))
    assert ran.code == 0, ran.err
    assert "pan.mp4: 10 frames of 192x128 at 7 fps" in ran.out
    assert re.search(r"^  Flow: (2\.9\d|3(\.0\d)?) px a frame", ran.out, re.MULTILINE)
    assert "px a frame, most of the picture moves." in ran.out
    assert "Likeness is not measured: name a model with --checkpoint." in ran.err


def test_a_frozen_clip_does_not_look_good(here, lib_svd):
    ran = lib_svd("review", write_clip(clips.make_pan(0), here / "still.mp4"))
    assert "frozen" in ran.out
    assert re.search(r"Flicker: \S+ %, steady, but nothing moves\.", ran.out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.mp4"], "There is no file none.mp4: check the name."),
        (["thin.mp4"], "thin.mp4 is 192x12: choose a clip of at least 16x16 to measure."),
        (["pan.mp4", "--picture", "none.png"], "none.png"),
        (["pan.mp4", "--checkpoint", "none"], "No model is called 'none'"),
        (["made.mp4", "--wrong", "ugly"], "say one of static, chaotic"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_in_a_sentence(words, said, here, lib_svd):
    write_clip(clips.make_pan(1), here / "pan.mp4")
    write_clip(clips.make_pan(1)[:, :12], here / "thin.mp4")
    save(Clip(frames=clips.make_pan(1), fps=7, infotext=complete().write_infotext()), here / "made.mp4")
    ran = lib_svd("review", *words)
    assert ran.code == 2
    assert said in ran.err


def test_without_opencv_it_says_which_measures_are_off_and_how_to_add_it(here, lib_svd, monkeypatch):
    for place in ("lib_svd.review.measure", "lib_svd.jobs.looking"):
        monkeypatch.setattr(f"{place}.can_see_motion", lambda: False)
    ran = lib_svd("review", write_clip(clips.make_pan(3), here / "pan.mp4"))
    assert ran.code == 0
    assert "pip install opencv-python-headless" in ran.err
    assert "Flow: -, not measured." in ran.out


def test_a_picture_is_checked_before_there_is_a_clip(here, lib_svd):
    good, small = clips.ROOT / "examples" / "lighthouse.jpg", here / "small.png"
    with Image.open(good) as opened:
        opened.resize((320, 200)).save(small)
    assert "Nothing speaks against it." in lib_svd("check", good).out
    ran = lib_svd("check", small)
    assert "so the clip will be soft. Use a larger picture" in ran.out
    found = json.loads(lib_svd("check", small, "--json").out)
    assert [each["name"] for each in found["concerns"]] == ["small"]
    assert lib_svd("check", small, "--size", "320x192").out.startswith("Nothing speaks against it.")
    assert lib_svd("check", "none.png").code == 2


def test_a_picture_is_checked_for_the_model_that_shall_animate_it(here, lib_svd):
    picture = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    picture.paste((200, 80, 40, 255), (150, 100, 250, 200))
    picture.save(here / "cut_out.png")
    ran = lib_svd("check", "cut_out.png", "--checkpoint", "demo")
    assert ran.code == 0, ran.err
    assert "The background behind its transparent parts fills much of it. Choose another background." in ran.out
    assert "dark" not in ran.out
    assert "72x56 pixels. The picture has transparent parts; the background colour #000000 shows through." in ran.out
    assert "so the clip will be soft" not in ran.out
    assert "so the clip will be soft" in lib_svd("check", "cut_out.png").out
    white = json.loads(lib_svd("check", "cut_out.png", "--checkpoint", "demo", "--background", "#808080", "--json").out)
    assert [each["name"] for each in white["concerns"] if each["name"] in ("background", "dark", "bright")] == []


def test_a_tighter_crop_is_told_in_the_words_that_animate_takes(here, lib_svd):
    draw_disc(850, 300, 80).resize((3000, 2000)).save(here / "far.png")
    words = re.search(
        r"round the subject: --focus-x (\S+) --focus-y (\S+) --zoom (\S+)\.\n", lib_svd("check", here / "far.png").out
    )
    assert abs(float(words[1]) - 850 / 1200) < 0.1
    assert float(words[3]) > 1.4
    found = json.loads(lib_svd("check", here / "far.png", "--json").out)["tighter_crop"]
    assert [str(found[name]) for name in ("focus_x", "focus_y", "zoom")] == list(words.groups())


def test_a_clip_made_here_with_a_fault_gets_one_change_to_try(here, lib_svd):
    settings = complete(width=192, height=128, num_frames=10, motion_bucket_id=127)
    for name, frames in (("still", clips.make_pan(0)), ("good", clips.make_pan(3))):
        save(Clip(frames=frames, fps=7, infotext=settings.write_infotext()), here / f"{name}.mp4")
    found = measure(lib_svd, "still.mp4")["advice"]
    assert (found["fault"], found["setting"], found["value"]) == ("static", "motion_bucket_id", 159)
    assert "Measured: too static. Set --motion to 159. More motion asked" in lib_svd("review", "still.mp4").out
    assert measure(lib_svd, "good.mp4")["advice"] is None
    assert "You said: too chaotic. Set --motion to 75." in lib_svd("review", "good.mp4", "--wrong", "chaotic").out
    assert measure(lib_svd, write_clip(clips.make_pan(0), here / "elsewhere.mp4"))["advice"] is None


def test_measures_do_not_depend_on_how_the_clip_is_shown(here, picture, lib_svd):
    made = lib_svd("animate", picture, "--checkpoint", "demo", "--seed", 1, "--enlarge", 8, "--also", "gif", "--also",
                   "webp", "--frames-dir", "demo", "--out", "demo.mp4", "--quiet")  # fmt: skip
    assert made.code == 0, made.err
    found = {}
    for each in ("demo", "demo.mp4", "demo.gif", "demo.webp"):
        ran = lib_svd("review", each, "--json")
        found[each] = json.loads(ran.out)
        assert ran.code == 0, ran.err
    frames = found.pop("demo")
    for each, seen in found.items():
        assert seen["motion"]["speed"] == pytest.approx(frames["motion"]["speed"], rel=0.1), each
        assert seen["fidelity"]["drift"] == pytest.approx(frames["fidelity"]["drift"], abs=0.5), each
        assert seen["consistency"]["warped_error"] == pytest.approx(frames["consistency"]["warped_error"], abs=0.005)


def test_numbers_that_are_shown_alike_mean_the_same():
    (ssim,) = (measure for measure in MEASURES if measure.name == "ssim")
    assert ssim.write_bare_number({"ssim": 0.7996}) == ssim.write_bare_number({"ssim": 0.8003})
    assert ssim.choose_word({"ssim": 0.7996, "speed": 1.0}) == ssim.choose_word({"ssim": 0.8003, "speed": 1.0})
