"""Two people at one server: each page stops its own clip, whether it waits or is being made."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served
from tests.browser.tab import EVALUATIONS, choose_long_clip, choose_picture, find_part, read_request, set_number

SAMPLING = re.compile(rf"Sampling \d+/{EVALUATIONS}")


def begin(page: Page, told: re.Pattern[str] | str) -> None:
    find_part(page, "generate").click()
    expect(page.locator(".progressDiv")).to_contain_text(told)


def test_a_page_that_waits_leaves_the_queue_and_the_other_ones_clip_goes_on(tab, served: Served, picture):
    other = tab.context.browser.new_page()
    other.goto(served.address)
    expect(find_part(other, "about")).to_contain_text("made for 5 frames")
    choose_picture(other, picture)
    choose_long_clip(tab, picture)
    begin(tab, SAMPLING)
    begin(other, "In queue: 1/1")
    find_part(other, "interrupt").click()
    expect(find_part(other, "status")).to_contain_text("The clip was taken out of the queue before it was begun.")
    expect(find_part(other, "generate")).to_be_visible()
    expect(tab.locator(".progressDiv")).to_contain_text(SAMPLING)

    set_number(other, "num_steps", 3)
    begin(other, "In queue: 1/1")
    find_part(tab, "interrupt").click()
    expect(find_part(tab, "status")).to_contain_text("was stopped")
    expect(find_part(other, "status")).to_contain_text("5 frames of 96x64")
    assert read_request(other).num_steps == 3
    other.close()
