"""The last picture and the mask on the page: chosen, painted over the crop, used for a clip."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lib_svd.infotext import read_infotext
from tests.browser.conftest import Served
from tests.browser.tab import choose_picture, find_part, generate, shoot


@pytest.fixture
def opened(tab: Page, picture: Path) -> Page:
    """The page with a picture, and the panel open."""
    choose_picture(tab, picture)
    find_part(tab, "steering").get_by_text("Last picture, and a mask of what moves").click()
    expect(find_part(tab, "paint")).to_be_visible()
    return tab


def paint(tab: Page) -> None:
    """A stroke across the middle of what the model will see."""
    find_part(tab, "paint").click()
    canvas = find_part(tab, "painter", "canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x - 40, y)
    tab.mouse.down()
    for way in range(-40, 41, 8):
        tab.mouse.move(x + way, y)
    tab.mouse.up()


def test_a_mask_is_painted_over_the_crop_and_the_clip_keeps_it(opened: Page, served: Served) -> None:
    paint(opened)
    shoot(opened, "steering-painting")
    find_part(opened, "painted").click()
    expect(find_part(opened, "mask", "img")).to_be_visible()
    expect(find_part(opened, "paint_note")).to_contain_text("White moves")
    shoot(opened, "steering-mask")

    generate(opened)

    (name,) = {read_infotext(clip).partition("SVD mask: ")[2].partition(",")[0] for clip in newest(served)}
    assert (served.folder / "pictures" / name).is_file()


def test_without_a_picture_or_a_stroke_it_is_said_what_to_do_first(tab: Page, picture: Path) -> None:
    find_part(tab, "steering").get_by_text("Last picture, and a mask of what moves").click()
    find_part(tab, "paint").click()
    expect(find_part(tab, "paint_note")).to_contain_text("There is no picture yet: choose one above")
    choose_picture(tab, picture)
    find_part(tab, "paint").click()
    expect(find_part(tab, "painter", "canvas")).to_be_visible()
    find_part(tab, "painted").click()
    expect(find_part(tab, "paint_note")).to_contain_text("Nothing is painted yet")
    assert tab.locator("#svd_clip_mask img").count() == 0


def test_a_clip_between_two_pictures_is_ordered_on_the_page(opened: Page, served: Served, picture: Path) -> None:
    find_part(opened, "last_picture", "input[type=file]").set_input_files(picture)
    expect(find_part(opened, "last_picture", "img")).to_be_visible()

    generate(opened)

    expect(find_part(opened, "infotext", "textarea")).to_have_value(re.compile(r"SVD last picture: [0-9a-f]{32}\.png"))
    expect(find_part(opened, "status")).to_contain_text("The largest step is from frame")
    shoot(opened, "steering-last")


def newest(served: Served) -> list[Path]:
    return sorted(served.folder.glob("*.mp4"), key=lambda path: path.stat().st_mtime)[-1:]
