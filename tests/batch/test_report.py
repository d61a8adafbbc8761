"""The report of a batch: no name in it is obeyed by a spreadsheet or a browser, and it is whole or not there."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib_svd.batch.report import COLUMNS, check_report, write_report
from lib_svd.batch.rows import Row
from lib_svd.batch.worker import State
from lib_svd.errors import BadOutput
from lib_svd.review import Advice
from lib_svd.strangers import disarm_formula
from tests.conftest import snapshot
from tests.requests import complete

EVIL = "<img src=x onerror=\"document.title='mine'\">'&amp;{}%41.png"
MEASURES = {"speed": 7.0, "flicker": 0.001, "saturation": -3.5}
ADVICE = Advice(fault="chaotic", found=f"Measured: {EVIL}.", setting="motion_bucket_id", value=56, reason=EVIL)


def rows(folder: Path, name: str = EVIL) -> list[Row]:
    settings = vars(complete(checkpoint=name, width=96, height=64))
    return [
        Row(picture=name, state=State.MADE, clip=folder / f"{name}.mp4", seconds=1.25, said=name, settings=settings,
            brief=name, measures=MEASURES, advice=ADVICE),
        Row(picture="elsewhere.png", state=State.THERE, clip=Path("/other/clip#1.mp4"), settings=settings),
        Row(picture=name, state=State.FAILED, said=name, settings=settings, brief=name),
        Row(picture=name, state=State.BAD, said=name),
        Row(picture=name, state=State.PLANNED, settings=settings, brief=name),
    ]  # fmt: skip


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "report.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_a_clip_with_settings_measures_and_what_failed(tmp_path):
    assert write_report(tmp_path, rows(tmp_path, "cat.png"), "Clips") == tmp_path / "report.html"
    made, elsewhere, failed, bad, planned = read(tmp_path)
    assert (made["picture"], made["state"], made["clip"], made["seconds"]) == ("cat.png", "made", "cat.png.mp4", "1.2")
    assert (made["motion_bucket_id"], made["speed"], made["saturation"]) == ("75", "7.0", "-3.5")
    assert made["advice"].endswith("Set Motion to 56.")
    assert (elsewhere["state"], elsewhere["seconds"]) == ("there already", "")
    assert (failed["state"], failed["said"], failed["clip"]) == ("failed", "cat.png", "")
    assert (bad["state"], bad["motion_bucket_id"]) == ("passed over", "")
    assert planned["state"] == "to be made"


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\rx", "\tx", " =1", "\n=1", "＝1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_becomes_a_formula(tmp_path, name):
    write_report(tmp_path, rows(tmp_path, name), "Clips")
    made = read(tmp_path)[0]
    assert [made[column] for column in ("picture", "said", "checkpoint")] == [f"'{name}"] * 3


@given(st.text(alphabet=st.one_of(st.sampled_from("=+-@\t\r\n '\"=＝a1"), st.characters(codec="utf-8"))))
def test_a_formula_begins_with_an_apostrophe_and_other_text_stays(text):
    told = disarm_formula(text)
    assert told in (text, f"'{text}")
    assert not told.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert told == text or text.lstrip()[:1] in "=+-@＝＋－＠" or text[:1] in "\t\r"


@given(st.one_of(st.integers(), st.floats(), st.none(), st.booleans()))
def test_numbers_stay_numbers(value):
    assert disarm_formula(value) is value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_is_written_is_read_back(tmp_path, text):
    write_report(tmp_path, rows(tmp_path, text.replace("\0", "")), text)
    assert [row["state"] for row in read(tmp_path)] == [state.value for state in State]


def test_the_last_report_is_replaced_and_nothing_else_is(tmp_path):
    check_report(tmp_path)
    write_report(tmp_path, rows(tmp_path), "Clips")
    check_report(tmp_path)
    write_report(tmp_path, [], "Clips")
    assert read(tmp_path) == []
    assert sorted(snapshot(tmp_path)) == ["report.csv", "report.html"]
    (tmp_path / "report.html").write_text("<title>mine</title>")
    with pytest.raises(BadOutput, match=r"report\.html is there already and is no report of a batch: rename it"):
        check_report(tmp_path)


def test_a_report_that_cannot_be_written_is_a_sentence_and_the_last_one_stays(tmp_path, monkeypatch):
    write_report(tmp_path, rows(tmp_path), "Clips")
    before = snapshot(tmp_path)
    monkeypatch.setattr("lib_svd.batch.report.sync", no_room)
    with pytest.raises(
        BadOutput, match=r"report\.csv cannot be written \(No space left on device\): make room there\."
    ):
        write_report(tmp_path, [], "Clips")
    assert snapshot(tmp_path) == before


def no_room(path):
    raise OSError(28, "No space left on device")


def test_the_head_of_the_table_is_what_the_next_batch_knows_it_by(tmp_path):
    write_report(tmp_path, [], "Clips")
    assert (tmp_path / "report.csv").read_text("utf-8").startswith(",".join(COLUMNS) + ",num_steps,")


def test_no_name_is_obeyed_by_a_browser_and_the_page_fits_a_telephone(tmp_path, blank):
    asked = []
    blank.on("request", lambda request: asked.append(request.url))
    write_report(tmp_path, rows(tmp_path), EVIL)
    blank.set_viewport_size({"width": 390, "height": 800})
    blank.goto((tmp_path / "report.html").as_uri())
    assert blank.title() == EVIL
    assert blank.locator("img").count() == 0
    assert blank.locator("h3").all_inner_texts() == [EVIL, EVIL, EVIL, "elsewhere.png"]
    assert blank.evaluate("document.documentElement.scrollWidth") == 390
    links = [link.get_attribute("href") for link in blank.locator("a").all()]
    assert links[0].startswith("%3Cimg%20src%3Dx")
    assert links[0].endswith("%2541.png.mp4")
    assert links[1] == "file:///other/clip%231.mp4"
    assert {url for url in asked if not url.startswith("file:")} == set()
    counts = [text.split("\n") for text in blank.locator(".counts li").all_inner_texts()]
    assert counts == [["1", state.value] for state in State]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_as_light_or_dark_as_the_browser(tmp_path, blank, scheme):
    write_report(tmp_path, rows(tmp_path), "Clips")
    blank.emulate_media(color_scheme=scheme)
    blank.goto((tmp_path / "report.html").as_uri())
    page, ink = blank.evaluate("(c => [c.backgroundColor, c.color])(getComputedStyle(document.body))")
    assert (brightness(page) > brightness(ink)) is (scheme == "light")


def brightness(colour: str) -> int:
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))
