"""Where things happen on the page: what one needs is in view, at the sizes of a telephone, a laptop and a monitor."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from lib_svd.jobs import history
from tests.browser.conftest import PYTHONS, ROOT, Served, _serve
from tests.browser.tab import choose_picture, find_part, set_number, shoot

SIZES = {"telephone": (390, 844), "laptop": (1366, 768), "monitor": (1920, 1080)}
LIGHTHOUSE = ROOT / "examples" / "lighthouse.jpg"
CUT = """marks => marks.filter((mark) =>
    mark.getBoundingClientRect().right > mark.closest(".svd-marks").getBoundingClientRect().right).length"""

COVERED = """() => {
    const bar = document.querySelector("#svd_clip_actions"), box = bar.getBoundingClientRect();
    const across = [...Array(20).keys()].map((n) => box.left + (n + 0.5) * box.width / 20);
    const down = [...Array(12).keys()].map((n) => box.top + (n + 0.5) * box.height / 12);
    const seen = across.flatMap((x) => down.map((y) => document.elementFromPoint(x, y)));
    return seen.filter((each) => !each || !bar.contains(each)).map((each) => each && each.outerHTML);
}"""
"""What is seen in the place of the bar with Generate and is not part of it."""


def expect_in_view(what: Locator) -> None:
    """All of it is in view, or soon will be; a hundredth is for what lies between two pixels."""
    expect(what).to_be_in_viewport(ratio=0.99)


@pytest.mark.parametrize("size", SIZES)
def test_generate_is_at_hand_wherever_one_is_and_the_marks_are_whole(tab_of_a_new_user, size):
    tab, (width, height) = tab_of_a_new_user, SIZES[size]
    tab.set_viewport_size({"width": width, "height": height})
    choose_picture(tab, LIGHTHOUSE)
    set_number(tab, "num_steps", 4)
    find_part(tab, "generate").click()
    expect(find_part(tab, "measures")).to_contain_text("Speed")
    expect(find_part(tab, "generate")).to_be_visible()
    whole = tab.evaluate("() => document.documentElement.scrollHeight")
    for down in range(0, whole, 600):
        tab.evaluate("(down) => scrollTo({top: down, behavior: 'instant'})", down)
        expect_in_view(find_part(tab, "generate"))
        assert tab.evaluate(COVERED) == []
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= width
    for name in history.MARKED:
        marks = tab.locator(f"#svd_clip_mark_{name} label:has(input):visible")
        assert (marks.count(), marks.evaluate_all(CUT)) == (5, 0)


def test_the_model_is_seen_at_once_and_comes_before_what_depends_on_it(tab_of_a_new_user):
    tab = tab_of_a_new_user
    tab.set_viewport_size({"width": 1366, "height": 768})
    expect_in_view(find_part(tab, "checkpoint"))
    model = find_part(tab, "checkpoint").bounding_box()
    for name in ("picture", "preset", "motion_bucket_id"):
        assert model["y"] + model["height"] <= find_part(tab, name).bounding_box()["y"]


@pytest.mark.parametrize("size", SIZES)
def test_a_sweep_begun_at_the_end_of_the_settings_is_seen_at_work_and_when_it_is_done(tab_of_a_new_user, size):
    tab, (width, height) = tab_of_a_new_user, SIZES[size]
    tab.set_viewport_size({"width": width, "height": height})
    choose_picture(tab, LIGHTHOUSE)
    find_part(tab, "sweep").get_by_text("Sweep: one setting").click()
    find_part(tab, "values", "input, textarea").last.fill("20, 200")
    find_part(tab, "sweep_all").click()
    expect(tab.locator(".progressDiv")).to_contain_text("Clip 1 of 2")
    expect(tab.locator(".livePreview")).to_be_visible()
    expect_in_view(tab.locator(".progressDiv"))
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"sweep-svd-0001\.mp4"))
    expect(find_part(tab, "clip", "video")).to_be_in_viewport()


def test_hints_are_about_the_model_that_is_chosen(tab_of_a_new_user):
    motion = find_part(tab_of_a_new_user, "motion_bucket_id")
    expect(motion).to_contain_text("127 is where this model begins")
    expect(motion).not_to_contain_text("75")


def test_what_was_said_of_the_last_job_goes_when_a_new_one_begins(tab_of_a_new_user):
    tab = tab_of_a_new_user
    for _ in range(2):  # said again, though it is the same
        find_part(tab, "generate").click()
        expect(find_part(tab, "status", ".error")).to_contain_text("There is no picture yet")
        expect(find_part(tab, "generate")).to_be_visible()
        expect_in_view(find_part(tab, "status", ".error"))
    choose_picture(tab, LIGHTHOUSE)
    set_number(tab, "num_steps", 100)
    find_part(tab, "generate").click()
    expect(tab.locator(".progressDiv")).to_contain_text("Sampling")
    expect(find_part(tab, "status", ".error")).to_have_count(0)
    tab.keyboard.press("Escape")
    expect(find_part(tab, "status")).to_contain_text("was stopped")


@pytest.mark.parametrize("gradio", PYTHONS)
def test_the_page_says_when_its_server_is_gone(blank, tmp_path, gradio):
    serving = _serve(PYTHONS[gradio], tmp_path, tmp_path / "models")
    served: Served = next(serving)
    blank.goto(served.address)
    expect(find_part(blank, "about")).to_contain_text("made for 8 frames of 64x64", timeout=60_000)
    gone = blank.locator(".svd-gone")
    blank.wait_for_timeout(6000)
    expect(gone).to_be_hidden()
    assert next(serving, None) is None
    expect(gone).to_be_visible(timeout=20_000)
    expect(gone).to_contain_text("does not answer")
    expect_in_view(gone)
    shoot(blank, "gone")
