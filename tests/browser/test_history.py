"""The history in the tab: what was made is found again, compared, brought back, and thrown away."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from lib_svd import video
from lib_svd.clip import Clip
from tests.browser.conftest import Served
from tests.browser.tab import (
    FEW,
    choose,
    choose_picture,
    delay_answers,
    find,
    find_card,
    find_part,
    generate,
    let_answers_come,
    open_history,
    press,
    read_request,
    read_shown,
    set_number,
    shoot,
    wait_for_change,
)
from tests.requests import complete

ROOT = Path(__file__).parents[2]
STATE = """() => Array.from(document.querySelectorAll(".svd-compare video"), (video) => ({
    share: video.currentTime / video.duration, length: video.duration, paused: video.paused,
}))"""

LIGHTNESS = """card => getComputedStyle(card).backgroundColor.match(/[0-9.]+/g).slice(0, 3)
    .reduce((sum, level) => sum + Number(level), 0) / 3"""


def list_names(tab: Page) -> list[str]:
    return tab.eval_on_selector_all(".svd-card", "cards => cards.map((card) => card.dataset.clip.split('/').pop())")


def find_said(tab: Page) -> Locator:
    return find_part(tab, "history_said")


def assert_in_step(tab: Page, *, paused: bool) -> None:
    """All clips that are compared play, or rest, at one share of their lengths."""
    tab.wait_for_function(
        f"""() => {{
            const clips = ({STATE})();
            const apart = (a, b) => Math.min(Math.abs(a - b), 1 - Math.abs(a - b));
            return clips.length > 1 && clips.every((clip) => clip.paused === {json.dumps(paused)}
                && apart(clip.share, clips[0].share) <= {0.002 if paused else 0.15});
        }}"""
    )


def test_a_clip_is_found_by_its_note_compared_brought_back_and_thrown_away(
    tab_of_a_new_user, served_to_a_new_user, tmp_path
):
    tab, folder = tab_of_a_new_user, served_to_a_new_user.folder
    choose_picture(tab, ROOT / "examples" / "lighthouse.jpg")
    set_number(tab, "seed", 5)
    set_number(tab, "motion_bucket_id", 200)
    set_number(tab, "num_steps", FEW)
    generate(tab)
    first = read_request(tab)
    find_part(tab, "note", "input, textarea").last.fill("the tower bends")
    find_part(tab, "mark_motion").get_by_text("2", exact=True).click()
    find_part(tab, "keep").click()
    expect(find_part(tab, "kept")).to_contain_text("Kept.")
    set_number(tab, "motion_bucket_id", 40)
    set_number(tab, "fps", 5)
    generate(tab)

    tab.reload()
    expect(find_part(tab, "about")).to_contain_text("made for 8 frames of 64x64")
    open_history(tab)
    expect(tab.locator(".svd-card")).to_have_count(2)
    assert list_names(tab) == ["clip-svd-0002.mp4", "clip-svd-0001.mp4"]
    shoot(tab, "history")
    find(tab, "tower")
    expect(tab.locator(".svd-card")).to_have_count(1)
    expect(find_card(tab, "clip-svd-0001.mp4")).to_contain_text("the tower bends")
    expect(find_card(tab, "clip-svd-0001.mp4")).to_contain_text("motion 2 of 5")
    find_card(tab, "clip-svd-0001.mp4").click()
    find(tab, "")
    expect(tab.locator(".svd-card")).to_have_count(2)
    expect(find_card(tab, "clip-svd-0001.mp4")).to_have_attribute("aria-pressed", "true")

    press(tab, "compare")
    expect(find_said(tab)).to_have_text("Two or three clips can be compared: only one is chosen.")
    find_card(tab, "clip-svd-0002.mp4").click()
    press(tab, "compare")
    expect(tab.locator(".svd-compare video")).to_have_count(2)
    assert tab.locator(".svd-differs td:first-child").all_inner_texts() == ["FPS", "Motion"]
    expect(tab.locator(".svd-differs", has_text="Motion")).to_have_text(re.compile(r"Motion\s*200\s*40"))
    background = "row => getComputedStyle(row.querySelector('td')).backgroundColor"
    plain = tab.locator(".svd-compare tr", has_text="Speed").evaluate(background)
    assert tab.locator(".svd-differs").first.evaluate(background) != plain
    assert_in_step(tab, paused=False)
    tab.evaluate("() => document.querySelectorAll('.svd-compare video')[1].pause()")
    assert_in_step(tab, paused=True)
    tab.evaluate(
        "() => { const v = document.querySelectorAll('.svd-compare video')[0]; v.currentTime = v.duration / 2 }"
    )
    assert_in_step(tab, paused=True)
    lengths = [round(each["length"], 2) for each in tab.evaluate(STATE)]
    assert lengths == [round(8 / first.fps, 2), 1.6]
    assert tab.evaluate(STATE)[1]["share"] == pytest.approx(0.5, abs=0.01)
    shoot(tab, "compare")
    tab.evaluate("() => document.querySelectorAll('.svd-compare video')[1].play()")
    assert_in_step(tab, paused=False)

    press(tab, "restore")
    expect(find_said(tab)).to_have_text("One clip can be restored: 2 are chosen.")
    find_card(tab, "clip-svd-0002.mp4").click()
    before = read_shown(tab, "picture")
    press(tab, "restore")
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_be_visible()
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_have_value("200")
    expect(find_part(tab, "seed", "input")).to_have_value("5")
    wait_for_change(tab, "picture", before)
    expect(find_part(tab, "note", "input, textarea").last).to_have_value("the tower bends")
    expect(find_part(tab, "gallery", ".thumbnail-item")).to_have_count(8)
    assert read_request(tab) == first
    assert find_part(tab, "infotext", "textarea").evaluate("box => box.scrollHeight <= box.clientHeight")
    shoot(tab, "restored")
    set_number(tab, "num_steps", first.num_steps + 1)
    set_number(tab, "num_steps", first.num_steps)
    find_part(tab, "generate").click()
    expect(find_part(tab, "status")).to_contain_text("Seconds")
    assert read_request(tab) == first
    again = folder / "clip-svd-0003.mp4"
    assert np.array_equal(video.read_frames(again)[0], video.read_frames(folder / "clip-svd-0001.mp4")[0])

    open_history(tab)
    expect(tab.locator(".svd-card")).to_have_count(3)
    press(tab, "csv")
    with tab.expect_download() as download:
        find_said(tab).get_by_text("Download").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["note"] for row in rows] == ["", "", "the tower bends"]
    assert find_card(tab, "clip-svd-0001.mp4").get_attribute("aria-pressed") == "true"
    press(tab, "trash")
    expect(find_said(tab)).to_contain_text(f"clip-svd-0001.mp4 is in {folder / 'trash'} now.")
    expect(tab.locator(".svd-card")).to_have_count(2)
    assert (folder / "trash" / "clip-svd-0001.mp4").exists()
    assert not (folder / "clip-svd-0001.json").exists()
    press(tab, "trash")
    expect(find_said(tab)).to_have_text("Choose the clips to throw away: none is chosen.")

    press(tab, "undo")
    expect(find_said(tab)).to_have_text("clip-svd-0001.mp4 is back.")
    expect(tab.locator(".svd-card")).to_have_count(3)
    expect(find_part(tab, "history_undo")).to_be_hidden()
    find(tab, "0003")
    expect(tab.locator(".svd-card")).to_have_count(1)
    press(tab, "trash")
    expect(find_said(tab)).to_contain_text("No clip that is chosen is in view")
    find(tab, "")
    expect(tab.locator(".svd-card")).to_have_count(3)
    press(tab, "trash")
    expect(tab.locator(".svd-card")).to_have_count(2)
    choose(tab, "place", "Trash")
    expect(tab.locator(".svd-card")).to_have_count(1)
    expect(find_part(tab, "history_trash")).to_be_hidden()
    find_card(tab, "clip-svd-0001.mp4").click()
    shoot(tab, "trash")
    press(tab, "back")
    expect(find_part(tab, "cards")).to_contain_text("There is nothing in the trash.")
    assert (folder / "clip-svd-0001.json").exists()


@pytest.fixture
def many_clips(served_to_a_new_user: Served) -> list[str]:
    """50 clips in the folder; their names, the newest first."""
    folder = served_to_a_new_user.folder
    folder.mkdir(exist_ok=True)
    frames = np.random.default_rng(5).integers(0, 255, (6, 48, 80, 3), np.uint8)
    names = [f"clip-svd-{number:04d}" for number in range(1, 51)]
    settings = complete(num_frames=6, fps=6, width=80, height=48, checkpoint="gone.safetensors")
    first = Clip(frames=frames, fps=6, infotext=settings.write_infotext())
    made = video.save(first, folder / f"{names[0]}.mp4").video
    for age, name in enumerate(names):
        if age:
            shutil.copy(made, folder / f"{name}.mp4")
            shutil.copy(made.with_suffix(".txt"), folder / f"{name}.txt")
        os.utime(folder / f"{name}.mp4", (1_700_000_000 - age,) * 2)
    return [f"{name}.mp4" for name in names]


def test_pages_are_turned_and_what_is_chosen_stays_chosen(tab_of_a_new_user, many_clips):
    tab = tab_of_a_new_user
    open_history(tab)
    chosen = find_part(tab, "cards", ".svd-chosen")
    expect(chosen).to_have_text("Clips 1 to 24 of 50.")
    assert list_names(tab) == many_clips[:24]
    find_card(tab, many_clips[1]).click()
    with delay_answers(tab):
        press(tab, "next")
    press(tab, "next")
    expect(chosen).to_have_text("Clips 49 to 50 of 50.")
    assert list_names(tab) == many_clips[48:]
    find_card(tab, many_clips[49]).click()
    press(tab, "next")
    expect(chosen).to_have_attribute("data-count", "2")
    press(tab, "compare")
    expect(tab.locator(".svd-compare th").nth(1)).to_have_text(many_clips[1])
    expect(tab.locator(".svd-compare th").nth(2)).to_have_text(many_clips[49])
    press(tab, "previous")
    press(tab, "previous")
    expect(chosen).to_have_text("Clips 1 to 24 of 50.")
    expect(find_card(tab, many_clips[1])).to_have_attribute("aria-pressed", "true")
    with delay_answers(tab):
        choose(tab, "direction", "Ascending")
    find(tab, many_clips[3])
    let_answers_come(tab)
    expect(tab.locator(".svd-card")).to_have_count(1)
    find(tab, "")
    expect(tab.locator(".svd-card").first).to_contain_text(many_clips[-1])


def test_a_clip_plays_while_it_is_pointed_at_and_the_keyboard_chooses_it(tab_of_a_new_user, many_clips):
    tab = tab_of_a_new_user
    open_history(tab)
    playing = "() => Array.from(document.querySelectorAll('.svd-card video')).filter((v) => !v.paused).length"
    assert tab.evaluate(playing) == 0
    find_card(tab, many_clips[2]).hover()
    tab.wait_for_function(f"({playing})() === 1")
    find_part(tab, "history_compare").hover()
    tab.wait_for_function(f"({playing})() === 0")
    find_card(tab, many_clips[0]).focus()
    tab.wait_for_function(f"({playing})() === 1")
    tab.keyboard.press("Enter")
    expect(find_card(tab, many_clips[0])).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    expect(find_card(tab, many_clips[1])).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("Space")
    expect(find_card(tab, many_clips[1])).to_have_attribute("aria-pressed", "false")


def test_what_cannot_be_brought_back_is_said_and_the_dark_theme_is_dark(tab_of_a_new_user, many_clips):
    tab = tab_of_a_new_user
    open_history(tab)
    light = tab.locator(".svd-card").first.evaluate(LIGHTNESS)
    tab.evaluate("() => document.body.classList.add('dark')")
    find_card(tab, many_clips[0]).click()
    find_card(tab, many_clips[3]).click()
    press(tab, "compare")
    expect(tab.locator(".svd-compare video")).to_have_count(2)
    shoot(tab, "dark")
    assert tab.locator(".svd-card").first.evaluate(LIGHTNESS) < 80 < light
    find_card(tab, many_clips[3]).click()
    press(tab, "restore")
    status = find_part(tab, "status")
    expect(status).to_contain_text("The model gone.safetensors is not there")
    expect(status).to_contain_text("Which picture this clip was made from is not known")
    expect(find_part(tab, "clip", "video")).to_be_visible()


def test_a_new_user_is_told_where_clips_come_from(tab_of_a_new_user):
    open_history(tab_of_a_new_user)
    expect(find_part(tab_of_a_new_user, "cards")).to_contain_text("There are no clips yet: make one in Animate.")
