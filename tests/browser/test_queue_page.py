"""The queue on the page: clips are added while one is made, moved, cancelled, saved and loaded."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.tab import FEW, LONG, SHOTS, choose_picture, find_part, open_tab, set_number, shoot
from tests.conftest import save_picture


def add(tab: Page, seed: int, steps: int) -> None:
    set_number(tab, "seed", seed)
    set_number(tab, "num_steps", steps)
    find_part(tab, "enqueue").click()
    expect(find_part(tab, "status")).to_contain_text(f"Added with seed {seed}")


def find_card(tab: Page, seed: int) -> Locator:
    return tab.locator(".svd-job", has_text=f"seed {seed},")


def press(tab: Page, seed: int, act: str) -> None:
    find_card(tab, seed).locator(f"[data-act={act}]").click()


def list_seeds(tab: Page) -> list[int]:
    found = tab.locator(".svd-job[data-state=waiting]").all_text_contents()
    return [int(seed[1]) for text in found if (seed := re.search(r"seed (\d+),", text))]


def clear(tab: Page) -> None:
    """Take every job off the list; all of them have ended."""
    cards = tab.locator(".svd-job")
    for left in reversed(range(cards.count())):
        cards.first.locator("[data-act=forget]").click()
        expect(cards).to_have_count(left)
    expect(find_part(tab, "queue_jobs")).to_contain_text("The queue is empty")


def test_clips_wait_in_the_queue_and_each_is_made_moved_or_cancelled(tab, served, picture):
    choose_picture(tab, picture)
    add(tab, 801, LONG)
    for seed in (802, 803, 804):
        add(tab, seed, FEW)
    open_tab(tab, "Queue")
    expect(find_card(tab, 801)).to_have_attribute("data-state", "running")
    expect(find_card(tab, 801)).to_contain_text(re.compile(rf"Sampling \d+/{LONG}"))
    expect(tab.locator(".svd-job[data-state=waiting]")).to_have_count(3)
    press(tab, 804, "up")
    expect(find_card(tab, 804)).to_contain_text("number 2")
    assert list_seeds(tab) == [802, 804, 803]
    press(tab, 803, "cancel")
    expect(find_card(tab, 803)).to_have_attribute("data-state", "cancelled")
    if SHOTS:
        tab.screenshot(path=f"{SHOTS}/queue.png")
    tab.get_by_text("Save and load the queue").click()
    find_part(tab, "queue_save").click()
    expect(find_part(tab, "queue_said")).to_contain_text(re.compile(r"Saved: queue-svd-\d{4}\.zip"))
    name = find_part(tab, "queue_said").locator("a").text_content()
    press(tab, 801, "cancel")
    expect(find_card(tab, 801)).to_have_attribute("data-state", "cancelled")
    for seed in (802, 804):
        expect(find_card(tab, seed)).to_have_attribute("data-state", "done")
        expect(find_card(tab, seed).locator("a")).to_contain_text(".mp4")
    clear(tab)
    find_part(tab, "queue_file", "input[type=file]").set_input_files(served.folder / str(name))
    expect(find_part(tab, "queue_said")).to_contain_text("3 jobs were added.")
    expect(find_card(tab, 801)).to_have_attribute("data-state", "running")
    press(tab, 801, "cancel")
    expect(find_card(tab, 801)).to_have_attribute("data-state", "cancelled")
    for seed in (802, 804):
        expect(find_card(tab, seed)).to_have_attribute("data-state", "done")
    clear(tab)


def test_what_cannot_be_is_said_and_nothing_waits(tab, picture):
    find_part(tab, "enqueue").click()
    expect(find_part(tab, "status")).to_contain_text("There is no picture yet")


def test_a_folder_is_one_job_and_makes_nothing_twice(tab, served):
    folder = served.folder.parent / "pictures" / "holiday"
    folder.mkdir(parents=True)
    for number in (1, 2):
        save_picture(folder / f"boat {number}.png", 150 + number, 100)
    (folder / "broken.png").write_bytes(b"no picture")
    set_number(tab, "num_steps", FEW)
    open_tab(tab, "Queue")
    tab.get_by_text("A folder at once").click()
    find_part(tab, "folder", "input, textarea").fill("holiday")
    find_part(tab, "folder_look").click()
    said = find_part(tab, "folder_said")
    expect(said).to_contain_text("1 passed over, 2 to be made.")
    expect(said.locator("li")).to_have_count(3)
    expect(said).to_contain_text("broken.png")
    shoot(tab, "folder")
    find_part(tab, "folder_add").click()
    expect(said).to_contain_text("Added: ")
    card = tab.locator(".svd-job", has_text="holiday").first
    expect(card).to_have_attribute("data-state", "failed", timeout=60_000)
    expect(card).to_contain_text("One picture has no clip. broken.png: ")
    expect(card.locator("a")).to_have_count(2)
    find_part(tab, "folder_look").click()
    expect(said).to_contain_text("2 there already, 1 passed over.")
    find_part(tab, "folder", "input, textarea").fill("/etc")
    find_part(tab, "folder_add").click()
    expect(said.locator(".error")).to_contain_text("There is no folder '/etc' where pictures may be read")
    clear(tab)
