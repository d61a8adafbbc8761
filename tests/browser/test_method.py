"""From a guess to a good clip, as a user goes: picture, baseline, sweep, compare, advice, note, and found again."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from lib_svd.jobs import history, searching
from tests.browser.tab import (
    FEW,
    choose,
    choose_picture,
    find,
    find_card,
    find_part,
    generate,
    open_history,
    open_tab,
    press,
    read_request,
    set_number,
    shoot,
)

PICTURE = Path(__file__).parents[2] / "examples" / "lighthouse.jpg"


def test_the_method_from_a_picture_to_a_clip_that_is_found_again(tab_of_a_new_user, served_to_a_new_user):
    tab, folder = tab_of_a_new_user, served_to_a_new_user.folder
    choose_picture(tab, PICTURE)
    choose(tab, "preset", "Baseline")
    expect(find_part(tab, "preset_reason")).to_contain_text("change one control at a time")
    set_number(tab, "seed", 5)
    set_number(tab, "num_steps", FEW)
    generate(tab)
    baseline = read_request(tab)
    assert (baseline.motion_bucket_id, baseline.noise_aug_strength, baseline.seed) == (75, 0.02, 5)
    expect(find_part(tab, "measures")).to_contain_text("the camera moves")

    find_part(tab, "sweep").get_by_text("Sweep: one setting").click()
    before = find_part(tab, "infotext", "textarea").input_value()
    find_part(tab, "sweep_all").click()
    expect(find_part(tab, "infotext", "textarea")).not_to_have_value(before)
    expect(find_part(tab, "sweep_table", "th a")).to_have_text(["60", "75", "90"])
    expect(find_part(tab, "generate")).to_be_visible()
    shoot(tab, "method-sweep")

    open_history(tab)
    find_card(tab, "sweep-svd-0001.mp4").click()
    press(tab, "trash")
    expect(find_card(tab, "sweep-svd-0001.mp4")).to_have_count(0)
    for motion in (60, 75, 90):
        find_card(tab, f"sweep-svd-0001-{motion}.mp4").click()
    press(tab, "compare")
    expect(tab.locator(".svd-compare video")).to_have_count(3)
    assert tab.locator(".svd-differs td:first-child").all_inner_texts() == ["Motion"]
    shoot(tab, "method-compare")
    open_tab(tab, "Animate")
    expect(find_part(tab, "status")).to_contain_text("sweep-svd-0001.mp4 is in the trash.")
    expect(find_part(tab, "clip", "video")).to_have_count(0)

    find_part(tab, "sweep_shown").get_by_text("90", exact=True).click()
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"0001-90\.mp4"))
    choose(tab, "wrong", "too chaotic")
    expect(find_part(tab, "advice")).to_contain_text("Set Motion to 68.")
    before = find_part(tab, "infotext", "textarea").input_value()
    find_part(tab, "apply").click()
    expect(find_part(tab, "infotext", "textarea")).not_to_have_value(before)
    assert read_request(tab) == baseline.replace(motion_bucket_id=68)
    expect(find_part(tab, "wrong", "input")).to_have_value("What was measured")
    find_part(tab, "note", "input, textarea").last.fill("this one")
    find_part(tab, "mark_fidelity").get_by_text("4", exact=True).click()
    find_part(tab, "keep").click()
    expect(find_part(tab, "kept")).to_contain_text("Kept.")
    shoot(tab, "method-advice")

    tab.reload()
    expect(find_part(tab, "about")).to_contain_text("made for 8 frames of 64x64")
    open_history(tab)
    find(tab, "this one")
    expect(tab.locator(".svd-card")).to_have_count(1)
    expect(tab.locator(".svd-card")).to_contain_text("fidelity 4 of 5")
    tab.locator(".svd-card").click()
    press(tab, "restore")
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_have_value("68")
    expect(find_part(tab, "picture", "img")).to_be_visible()
    assert read_request(tab) == baseline.replace(motion_bucket_id=68)
    assert searching.find_clips(history.read_entries(folder), "this one")[0].picture.endswith(".png")
