"""Numbers and names are bounded before they are converted or handed to the system: any of them ends in a sentence."""

from __future__ import annotations

import base64
import io
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import api
from lib_svd.errors import BadRequest
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS
from lib_svd.speeds import make_request
from lib_svd.studio import Studio
from tests.requests import complete

pytestmark = pytest.mark.usefixtures("one_thread")
LARGE = (10**400, -(10**400), 10**5000, [10**5000], float("inf"), float("nan"), 1e308)
NUMBERS = [entry for entry in SETTINGS.values() if entry.kind is not str]
TEXTS = [entry for entry in SETTINGS.values() if entry.kind is str]


@pytest.mark.parametrize("entry", NUMBERS, ids=lambda entry: entry.name)
def test_a_number_of_any_size_is_refused_in_a_short_sentence_that_names_its_setting(entry):
    for value in LARGE:
        with pytest.raises(BadRequest, match=f"^{entry.label} must be ") as caught:
            ClipRequest(**{entry.name: value})
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("digits", [41, 400, 5000, 1_000_000])
def test_a_text_of_many_digits_is_no_number(digits):
    for entry in NUMBERS:
        with pytest.raises(BadRequest, match=f"^{entry.label} must be a number, not '999") as caught:
            entry.read("9" * digits)
        assert len(str(caught.value)) < 300


def test_infotext_with_a_long_number_is_refused_as_any_other():
    text = complete().write_infotext().replace("SVD frames: 14", f"SVD frames: {10**400}")
    with pytest.raises(BadRequest, match="Frames must be a number"):
        ClipRequest.from_infotext(text)


def test_whole_numbers_and_numbers_with_a_point_are_taken_as_before():
    made = ClipRequest(seed=2**32 - 1, num_steps=25.0, zoom=2)
    assert (made.seed, made.num_steps, made.zoom) == (2**32 - 1, 25, 2.0)
    assert [type(value) for value in (made.num_steps, made.zoom)] == [int, float]


@pytest.mark.parametrize("entry", TEXTS, ids=lambda entry: entry.name)
@pytest.mark.parametrize("value", ["\ud800", "x" * 5000, 5, [], {}], ids=["half", "long", "number", "list", "dict"])
def test_what_is_no_text_that_can_be_written_is_refused(entry, value):
    with pytest.raises(BadRequest, match=f"^{entry.label} must be ") as caught:
        ClipRequest(**{entry.name: value})
    assert len(str(caught.value).encode("utf-8")) < 400


@pytest.mark.parametrize("speed", [["best"], {}, None, 10**5000, "\ud800"], ids=type)
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(BadRequest, match=r"is no speed: choose one of best, balanced, draft\.$") as caught:
        make_request({"speed": speed}, None)
    str(caught.value).encode("utf-8")


@pytest.fixture
def client(tmp_path) -> TestClient:
    app = FastAPI()
    api.add_routes(app, Studio(make_standalone_host("cpu", output_dir=tmp_path / "clips")), [])
    return TestClient(app, raise_server_exceptions=False)


def make_picture() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


@pytest.mark.parametrize(
    "spoiled",
    [
        {"seed": 10**400},
        {"zoom": -(10**400)},
        {"speed": ["best"]},
        {"checkpoint": "x" * 5000},
        {"checkpoint": "x" * 300},
        {"checkpoint": "~nobody-of-that-name/x"},
        {"checkpoint": "\ud800"},
        {"checkpoint": "a\0b"},
        {"\ud800": 1},
        {"background": "\udfff"},
    ],
    ids=str,
)
def test_the_api_refuses_it_and_does_not_fail(client, spoiled):
    body = json.dumps({"checkpoint": "demo", "picture": make_picture(), **spoiled})
    answer = client.post("/svd/v1/animate", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert len(answer.json()["message"]) < 1000


@pytest.mark.parametrize(
    "words",
    [
        ("animate", "x.png", "--checkpoint", "demo", "--seed", "9" * 5000),
        ("animate", "x.png", "--checkpoint", "demo", "--count", "9" * 5000),
        ("animate", "x.png", "--checkpoint", "x" * 5000),
        ("animate", "x.png", "--checkpoint", "~nobody-of-that-name/x"),
        ("animate", "x.png", "--checkpoint", "demo", "--like", "x" * 5000),
        ("animate", "--from-latents", "x" * 5000, "--checkpoint", "demo"),
        ("review", "x" * 5000),
        ("check", "x" * 5000),
        ("history", "x" * 5000),
        ("history", "--note", "x" * 5000, "good"),
        ("history", "--mark", __file__, "motion", "9" * 5000),
        ("inspect", "~nobody-of-that-name/x"),
        ("serve", "--port", "99999999"),
    ],
    ids=lambda words: " ".join(words)[:50],
)
def test_the_command_line_refuses_it_in_a_line(lib_svd, words):
    ran = lib_svd(*words)
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
    assert ran.err.count("\n") == 1
