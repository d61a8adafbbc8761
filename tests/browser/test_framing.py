"""The picture on the page: the frame over it, what the model sees of it, and what is said of both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.tab import (
    choose_picture,
    delay_answers,
    find_part,
    let_answers_come,
    read_shown,
    set_number,
    shoot,
    wait_for_change,
)
from tests.conftest import draw_disc, save_picture

ROOT = Path(__file__).parents[2]


def test_the_preview_follows_focus_and_fit(tab, tmp_path):
    find_part(tab, "auto_size", "input").uncheck()
    choose_picture(tab, save_picture(tmp_path / "wide.png", 800, 100))
    note = find_part(tab, "seen_note")
    expect(note).to_contain_text("from the left and")
    before = read_shown(tab, "seen")
    set_number(tab, "focus_x", 0)
    wait_for_change(tab, "seen", before)
    expect(note).not_to_contain_text("from the left")
    before = read_shown(tab, "seen")
    find_part(tab, "fit").get_by_text("Letterbox").click()
    wait_for_change(tab, "seen", before)
    expect(note).to_contain_text("Blurred bars")


def test_the_crop_is_dragged_resized_and_brought_to_the_subject(tab, tmp_path):
    draw_disc(850, 300, 60).save(tmp_path / "disc.png")
    sides = [find_part(tab, side, "input[type=number]") for side in ("width", "height")]
    for side in sides:
        expect(side).to_be_hidden()  # while the picture decides
    find_part(tab, "shape_1_1").click()
    for side in sides:
        expect(side).to_have_value("80")
        expect(side).to_be_visible()
    expect(find_part(tab, "auto_size", "input")).not_to_be_checked()
    choose_picture(tab, tmp_path / "disc.png")
    frame = tab.locator(".svd-crop-frame")
    expect(frame).to_be_visible()
    tab.wait_for_timeout(500)  # the page settles
    shoot(tab, "crop")
    box, area = frame.bounding_box(), tab.locator(".svd-crop-area").bounding_box()
    assert area["width"] / area["height"] == pytest.approx(1.5, rel=0.02)
    assert box["width"] == pytest.approx(box["height"], rel=0.02)
    assert box["height"] == pytest.approx(area["height"], rel=0.02)
    before = read_shown(tab, "seen")
    drag(tab, (box["x"] + 50, box["y"] + 50), (-1000, 0))
    expect(find_part(tab, "focus_x", "input[type=number]")).to_have_value(re.compile(r"0\.33\d?"))
    wait_for_change(tab, "seen", before)
    before = read_shown(tab, "seen")
    drag(tab, (area["x"] + box["width"] - 4, area["y"] + area["height"] - 4), (-box["width"] / 2, -box["height"] / 2))
    wait_for_change(tab, "seen", before)
    zoom = float(find_part(tab, "zoom", "input[type=number]").input_value())
    assert zoom == pytest.approx(2, rel=0.1)
    box = frame.bounding_box()
    assert (box["x"], box["y"]) == pytest.approx((area["x"], area["y"]), abs=3)
    assert box["width"] == pytest.approx(area["height"] / zoom, rel=0.03)
    before = read_shown(tab, "seen")
    find_part(tab, "closer").click()
    wait_for_change(tab, "seen", before)
    expect(find_part(tab, "focus_x", "input[type=number]")).to_have_value(re.compile(r"0\.(69|7)\d*"))
    shoot(tab, "closer")
    find_part(tab, "largest").click()
    expect(find_part(tab, "zoom", "input[type=number]")).to_have_value("1")
    find_part(tab, "fit").get_by_text("Letterbox").click()
    expect(frame).not_to_be_visible()


def test_a_late_answer_does_not_undo_what_was_chosen_since(tab, tmp_path):
    choose_picture(tab, save_picture(tmp_path / "wide.png", 800, 100))
    frame = tab.locator(".svd-crop-frame")
    expect(frame).to_be_visible()
    with delay_answers(tab):
        set_number(tab, "zoom", 2)
    find_part(tab, "fit").get_by_text("Letterbox").click()
    let_answers_come(tab)
    expect(frame).not_to_be_visible()
    expect(find_part(tab, "seen_note")).to_contain_text("Blurred bars")


def test_what_was_said_of_a_crop_and_its_frame_go_with_what_they_are_about(tab, picture, tmp_path):
    draw_disc(850, 300, 60).resize((96, 64)).save(tmp_path / "small.png")
    choose_picture(tab, tmp_path / "small.png")
    note = find_part(tab, "seen_note")
    find_part(tab, "closer").click()
    expect(note).to_contain_text("A closer crop would gain nothing")
    find_part(tab, "largest").click()
    expect(note).not_to_contain_text("A closer crop would gain nothing")
    expect(note).to_contain_text("96x64 pixels.")
    find_part(tab, "closer").click()
    expect(note).to_contain_text("A closer crop would gain nothing")
    choose_picture(tab, picture)
    expect(note).not_to_contain_text("A closer crop would gain nothing")
    expect(tab.locator(".svd-crop-frame")).to_be_visible()
    tab.locator(
        "#svd_clip_picture button[aria-label='Remove Image'], #svd_clip_picture button[aria-label='Clear']"
    ).click()
    expect(tab.locator(".svd-crop-frame")).not_to_be_visible()
    expect(tab.locator("#svd_clip_seen img")).to_have_count(0)


def drag(tab: Page, at: tuple[float, float], by: tuple[float, float]) -> None:
    tab.mouse.move(*at)
    tab.mouse.down()
    tab.mouse.move(at[0] + by[0], at[1] + by[1], steps=4)
    tab.mouse.up()
