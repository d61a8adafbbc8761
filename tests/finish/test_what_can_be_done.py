"""The table of what can be done to a clip: checked once, to and from text, and what a clip will be before it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_svd.errors import BadRequest
from lib_svd.finish.deliveries import DELIVERIES
from lib_svd.finish.finishing import (
    FINISHINGS,
    Finishing,
    add_finished,
    is_loop,
    read_finished,
    read_finished_source,
)
from lib_svd.finish.plan import Shape, describe_plan, plan_clip
from lib_svd.request import ClipRequest, add_source, read_source
from tests.requests import complete

CLIP = Shape(num_frames=25, size=(1024, 576), fps=7)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def become(**what):
    made = plan_clip(Finishing(**what), CLIP)
    return made.num_frames, made.size, made.fps


def test_nothing_asked_for_changes_nothing():
    assert Finishing().text == ""
    assert become() == (25, (1024, 576), 7)
    assert "nothing changes" in describe_plan(Finishing(), CLIP, plan_clip(Finishing(), CLIP)).lower()


@pytest.mark.parametrize(
    ("what", "frames", "fps"),
    [
        ({"first": 3, "last": 20}, 18, 7),
        ({"last": 1}, 1, 7),
        ({"reverse": True}, 25, 7),
        ({"loop": "pingpong"}, 48, 7),
        ({"loop": "crossfade", "crossfade": 5}, 20, 7),
        ({"smooth": "2x"}, 49, 14),
        ({"smooth": "4x"}, 97, 28),
        ({"smooth": "28"}, 97, 28),
        ({"smooth": "10"}, 36, 10),
        ({"smooth": "2x", "loop": "pingpong"}, 96, 14),
        ({"smooth": "2x", "speed": 0.5}, 97, 14),
        ({"speed": 2.0}, 25, 14),
        ({"speed": 0.1}, 250, 7),
        ({"speed": 0.5}, 50, 7),
        ({"speed": 1.5}, 50, 21),
        ({"speed": 0.3}, 225, 19),
        ({"speed": 10.0}, 25, 70),
        ({"hold_first": 1.0, "hold_last": 0.5}, 25 + 7 + 4, 7),
        ({"length": 10.0}, 70, 7),
        ({"length": 1.0}, 7, 7),
    ],
)
def test_how_many_frames_there_will_be_and_how_fast(what, frames, fps):
    assert become(**what) == (frames, (1024, 576), fps)


@pytest.mark.parametrize(
    ("what", "size"),
    [
        ({"upscale": "lanczos"}, (2048, 1152)),
        ({"upscale": "lanczos", "scale": 1.5}, (1536, 864)),
        ({"size": "1080x1920"}, (1080, 1920)),
        ({"size": "1080x1920", "upscale": "lanczos"}, (1080, 1920)),
        ({"scale": 4.0}, (1024, 576)),
    ],
)
def test_how_large_it_will_be(what, size):
    assert become(**what)[1] == size


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"first": 26}, "The first frame is to be 26, and the clip has 25."),
        ({"last": 26}, "The last frame is to be 26, and the clip has 25."),
        ({"first": 24, "loop": "pingpong"}, "A loop is made of 3 frames or more, and here are 2: trim less."),
        ({"loop": "crossfade", "crossfade": 13}, "Of 25 frames at most 12 can be blended: cross-fade over fewer."),
        ({"upscale": "lanczos", "scale": 5}, "Frames would be 5120x2880, and players take 4096 pixels: enlarge less."),
        ({"poster": 26}, "The poster is to be frame 26, and there will be 25."),
        ({"smooth": "8x"}, None),
    ],
)
def test_what_cannot_be_done_to_this_clip_is_a_sentence(what, said):
    if said is None:
        become(**what)
        return
    with pytest.raises(BadRequest, match=f"^{re.escape(said)}$"):
        become(**what)


@pytest.mark.parametrize(
    "what",
    [
        {"first": 0},
        {"first": 9, "last": 3},
        {"reverse": 1},
        {"reverse": "yes"},
        {"loop": "round"},
        {"crossfade": 0},
        {"smooth": "fast"},
        {"smooth": "0"},
        {"smooth": "200"},
        {"smooth": "9x"},
        {"smooth": "2" * 50},
        {"speed": 0},
        {"speed": float("nan")},
        {"scale": 9},
        {"size": "large"},
        {"size": "0x5"},
        {"size": "5x1"},
        {"size": "auto"},
        {"fit": "round"},
        {"hold_last": -1},
        {"length": 1e9},
        {"poster": -1},
    ],
    ids=str,
)
def test_what_could_be_done_to_no_clip_is_refused_at_the_door(what):
    with pytest.raises(BadRequest):
        Finishing(**what)


def test_a_name_that_is_none_is_refused_with_those_that_there_are():
    with pytest.raises(
        BadRequest, match="'sharpen' cannot be done to a clip; what can is first, last, deflicker, reverse"
    ):
        Finishing.from_mapping({"sharpen": 1})


STRATEGIES = {
    "first": st.integers(1, 10),
    "last": st.integers(10, 99),
    "deflicker": TEXTS,
    "reverse": st.booleans(),
    "loop": st.sampled_from(["none", "pingpong", "cut", "crossfade"]),
    "smooth": st.sampled_from(["", "2x", "28"]),
    "smoother": st.sampled_from(["motion", "rife"]),
    "speed": st.floats(0.1, 10),
    "upscale": TEXTS,
    "size": st.sampled_from(["", "1080x1920"]),
    "fit": st.sampled_from(["crop", "letterbox"]),
    "hold_last": st.floats(0, 60),
    "length": st.floats(0, 3600),
}


@given(st.fixed_dictionaries({}, optional=STRATEGIES), TEXTS, TEXTS)
def test_what_was_done_is_read_back_out_of_the_clip(what, source, picture):
    """Whatever upscalers, clips and pictures are called; the clip's own settings and its picture's stay."""
    done = Finishing(**what)
    before = add_source(complete(seed=7).write_infotext(), picture)
    text = add_finished(before, done, source)
    assert Finishing.read(read_finished(text)).text == done.text
    assert read_finished_source(text) == source
    assert ClipRequest.from_infotext(text) == ClipRequest.from_infotext(before)
    assert read_source(text) == picture
    again = add_finished(text, Finishing(reverse=True), "again.mp4")
    assert again.startswith(before)
    assert (Finishing.read(read_finished(again)), read_finished_source(again)) == (Finishing(reverse=True), "again.mp4")
    assert read_finished(again).startswith(done.text)


def test_a_clip_from_elsewhere_says_what_was_done_to_it_alone():
    text = add_finished("", Finishing(loop="pingpong"), "cat.mp4")
    assert text == 'SVD finished: "Loop: Ping-pong", SVD source: cat.mp4'
    assert ClipRequest.from_infotext(text) == ClipRequest()


def test_a_loop_is_known_for_one_until_it_is_cut_or_held():
    def plan_after(*steps):
        text = ""
        for step in steps:
            text = add_finished(text, Finishing(**step), "a.mp4")
        return is_loop(text)

    pingpong = {"loop": "pingpong"}
    assert plan_after(pingpong)
    assert plan_after(pingpong, {"reverse": True, "smooth": "2x"})
    assert not plan_after(pingpong, {"first": 2})
    assert not plan_after({"loop": "pingpong", "hold_last": 1.0})
    assert plan_after({"first": 2}, {"loop": "cut"})
    assert not is_loop("SVD finished: what somebody wrote")
    assert not is_loop('SVD finished: "Loop: Round and round"')


def test_a_clip_that_was_sampled_as_a_loop_is_one_until_it_is_cut():
    text = ClipRequest(ending="loop").write_infotext()

    assert is_loop(text)
    assert is_loop(add_finished(text, Finishing(smooth="2x"), "a.mp4"))
    assert not is_loop(add_finished(text, Finishing(first=2), "a.mp4"))
    assert not is_loop(ClipRequest().write_infotext())


def test_a_loop_that_is_smoothed_again_is_closed_again():
    assert plan_clip(Finishing(smooth="2x"), Shape(num_frames=48, size=(64, 64), fps=7, closed=True)).num_frames == 96
    assert (
        plan_clip(Finishing(smooth="2x", last=20), Shape(num_frames=48, size=(64, 64), fps=7, closed=True)).num_frames
        == 39
    )


def test_the_plan_tells_in_words_what_will_be():
    what = Finishing(loop="pingpong", smooth="28", upscale="lanczos", hold_last=1.5)
    assert describe_plan(what, CLIP, plan_clip(what, CLIP)) == (
        "25 frames of 1024x576 at 7 fps, 3.6 s become 234 frames of 2048x1152 at 28 fps, 8.4 s. A loop by ping-pong, "
        "smoothed by Motion (ffmpeg), enlarged by lanczos, the last frame held 1.5 s."
    )


def test_every_row_has_a_label_and_a_sentence_of_its_own():
    assert len({setting.label for setting in FINISHINGS.values()}) == len(FINISHINGS)
    assert len({setting.infotext for setting in FINISHINGS.values()}) == len(FINISHINGS)
    assert all(setting.help.endswith(".") and len(setting.help) < 100 for setting in FINISHINGS.values())


@pytest.mark.parametrize("delivery", DELIVERIES.values(), ids=list(DELIVERIES))
def test_every_delivery_can_be_done(delivery):
    plan_clip(Finishing(**delivery.finishing), CLIP)
    assert delivery.help.endswith(".")
