"""Find my settings, as a user goes: a picture, a budget, drafts with their reasons, and the clip in full."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.tab import (
    choose_picture,
    find,
    find_part,
    open_history,
    read_request,
    set_number,
    shoot,
)
from tests.browser.test_method import PICTURE


def test_settings_are_found_and_the_clip_is_made_in_full(tab_of_a_new_user):
    tab = tab_of_a_new_user
    choose_picture(tab, PICTURE)
    set_number(tab, "seed", 5)
    set_number(tab, "motion_bucket_id", 127)  # whatever preset somebody chose before
    find_part(tab, "tune").get_by_text("Find my settings: drafts").click()
    find_part(tab, "tune_all").click()
    expect(find_part(tab, "tune_table", "th a")).to_have_count(3)
    expect(find_part(tab, "tune_table", "li")).to_have_count(3)
    expect(find_part(tab, "tune_table", "li").first).to_contain_text("To begin with: motion 127. Nothing is wrong.")
    expect(find_part(tab, "tune_table", "th a").first).to_have_text("1 (best)")
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"search-svd-\d+-draft-1\.mp4"))
    expect(find_part(tab, "generate")).to_be_visible()
    shoot(tab, "tuning-drafts")

    find_part(tab, "tune_shown").get_by_text("3", exact=True).click()
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"draft-3\.mp4"))
    draft = read_request(tab)
    assert (draft.motion_bucket_id, draft.num_steps) == (152, 2)
    before = find_part(tab, "infotext", "textarea").input_value()
    find_part(tab, "tune_full").click()
    expect(find_part(tab, "infotext", "textarea")).not_to_have_value(before)
    expect(find_part(tab, "generate")).to_be_visible()
    full = read_request(tab)
    assert (full.motion_bucket_id, full.num_steps, full.seed) == (152, 10, 5)

    find_part(tab, "tune_on").click()
    try:
        expect(find_part(tab, "status")).to_contain_text("There is nothing more to try.")
    except AssertionError:
        raise AssertionError(find_part(tab, "tune_table").inner_text()) from None
    open_history(tab)
    find(tab, "draft-2")
    expect(tab.locator(".svd-card", has_text="draft-2").first).to_contain_text("Draft 2 of a search.")
