"""Best, balanced, draft: the same choice from the command line, by API, and in the tab."""

from __future__ import annotations

import pytest

from lib_svd.checkpoints.families import FAMILIES
from lib_svd.errors import BadRequest
from lib_svd.infotext import read_infotext
from lib_svd.request import ClipRequest
from lib_svd.speeds import SPEEDS, choose_steps, make_request

STEPS = ("num_steps", "sampler", "schedule")


def list_steps(request):
    return tuple(getattr(request, name) for name in STEPS)


@pytest.mark.parametrize(
    ("speed", "family", "wanted"),
    [
        ("best", "svd_xt", (25, "euler", "karras")),
        ("balanced", "svd_xt", (10, "euler", "align_your_steps")),
        ("draft", "svd_xt", (6, "euler", "align_your_steps")),
        ("best", "sv3d_u", (50, "euler", "karras")),
        ("best", "animatelcm_svd_xt", (4, "lcm", "lcm")),
        ("draft", "animatelcm_svd_xt", (2, "lcm", "lcm")),
    ],
)
def test_a_speed_is_fewer_steps_in_the_way_that_suits_the_model(speed, family, wanted):
    assert tuple(choose_steps(speed, FAMILIES[family]).values()) == wanted


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_no_speed_takes_longer_than_the_one_before_it(family):
    counts = [choose_steps(speed, family)["num_steps"] for speed in SPEEDS]
    assert counts == sorted(counts, reverse=True)


def test_what_is_given_wins_over_the_speed():
    request = make_request({"speed": "draft", "num_steps": 8, "seed": 3}, FAMILIES["svd_xt"])
    assert list_steps(request) == (8, "euler", "align_your_steps")
    assert request.seed == 3


def test_a_speed_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(BadRequest, match="'warp' is no speed: choose one of best, balanced, draft"):
        make_request({"speed": "warp"}, FAMILIES["svd_xt"])


def test_on_the_command_line_it_stands_for_steps_that_are_not_given(here, checkpoint, picture, lib_svd):
    """The narrow model was made for 3 steps."""
    for words, wanted in (((), (2, "euler", "align_your_steps")), (("--steps", "1"), (1, "euler", "align_your_steps"))):
        ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--speed", "draft", *words, "--out",
                      f"{len(words)}.mp4", "--quiet")  # fmt: skip
        assert ran.code == 0, ran.err
        assert list_steps(ClipRequest.from_infotext(read_infotext(here / f"{len(words)}.mp4"))) == wanted
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, "--speed", "warp")
    assert ran.code == 2
    assert "is no speed" in ran.err
