"""Sentences call a setting as it is called where they are read: by its label on the page, by its flag in a terminal."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib_svd.checkpoints import FAMILIES
from lib_svd.errors import BadRequest, speak_in_flags
from lib_svd.request import ClipRequest
from lib_svd.review.advice import Advice
from lib_svd.settings import SETTINGS, Setting

BAD = [math.nan, -1e9, 1e9, "none of these", None, "x" * 5000]


def list_refusals(setting: Setting) -> set[str]:
    """What is said of each bad value of a setting."""
    said = set()
    for value in BAD:
        try:
            setting.read(value) if isinstance(value, str) and setting.kind is not str else setting.check(value)
        except BadRequest as refused:
            said.add(str(refused))
    return said


def list_own_options(command: str) -> set[str]:
    from lib_svd.cli import cli

    return {option for param in cli.commands[command].params for option in param.opts}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_bad_value_is_refused_by_label_on_the_page_and_by_flag_in_a_terminal(setting):
    assert all(said.startswith(f"{setting.label} ") for said in list_refusals(setting))
    with speak_in_flags():
        flags = {said.partition(" ")[0] for said in list_refusals(setting)}
    assert len(flags) == 1
    assert flags < list_own_options("animate") & list_own_options("sweep")


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_advice_names_what_can_be_typed(setting):
    value = next(iter(setting.choices)) if setting.choices else 1
    advice = Advice(fault="static", found="", setting=setting.name, value=value, reason="")
    assert advice.sentence == f"Set {setting.label} to {setting.write(value)}."
    with speak_in_flags():
        words = re.fullmatch(r"Set (--[a-z-]+) to (.*)\.", advice.sentence)
    assert words
    assert words[1] in list_own_options("animate")
    assert words[2] == str(value)


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({"num_frames": 500, "window": 500}, ["--window"]),
        ({"width": 1000, "height": 1000}, ["--size"]),
        ({"width": 4096, "height": 4096}, ["--size"]),
        ({"schedule": "lcm", "num_steps": 41}, ["--schedule lcm", "--steps"]),
    ],
)
def test_what_a_model_cannot_do_is_called_so_too(settings, flags):
    request = ClipRequest(**settings)
    with pytest.raises(BadRequest) as on_the_page:
        FAMILIES["svd_xt"].complete(request, grid=64)
    with speak_in_flags(), pytest.raises(BadRequest) as in_a_terminal:
        FAMILIES["svd_xt"].complete(request, grid=64)
    assert "--" not in str(on_the_page.value)
    assert all(flag in str(in_a_terminal.value) for flag in flags)


def test_the_page_beside_a_command_line_keeps_its_labels():
    """One program may be both, as in tests; what another thread says is not changed."""
    with speak_in_flags(), ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: SETTINGS["fps"].called).result() == "FPS"
    assert SETTINGS["fps"].called == "FPS"
