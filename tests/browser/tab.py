"""What a user does with the tab, in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from lib_svd.request import ClipRequest

SHOTS = os.environ.get("SVD_SCREENSHOTS")  # a folder for pictures of the page, to look at
LONG = 100  # steps; time enough to stop
EVALUATIONS = 3 * LONG  # of the network for the clip of `choose_long_clip`, which is made in three windows
FEW = 4  # steps; enough for a test that is about something else


def find_part(tab: Page, name: str, inside: str = "") -> Locator:
    """A part of the tab; gradio 3 gives the id of HTML to two elements, one in the other."""
    return tab.locator(f"#svd_clip_{name}").first.locator(inside) if inside else tab.locator(f"#svd_clip_{name}").first


def choose_picture(tab: Page, picture: Path) -> None:
    seen = read_shown(tab, "seen")
    find_part(tab, "picture", "input[type=file]").set_input_files(picture)
    wait_for_change(tab, "seen", seen)


def read_shown(tab: Page, name: str) -> str | None:
    found = tab.locator(f"#svd_clip_{name} img")
    return found.first.get_attribute("src") if found.count() else None


def wait_for_change(tab: Page, name: str, before: str | None) -> None:
    script = """([name, before]) => {
        const found = document.querySelector(`#svd_clip_${name} img`);
        return found && found.getAttribute("src") !== before && found.complete;
    }"""
    tab.wait_for_function(script, arg=[name, before])


def choose(tab: Page, name: str, text: str) -> None:
    """Take what has this text out of a list."""
    find_part(tab, name, "input").click()
    tab.locator("ul.options li, [role=option]", has_text=text).click()


def choose_model(tab: Page, name: str) -> None:
    choose(tab, "checkpoint", name)


def set_number(tab: Page, name: str, value: float) -> None:
    field = find_part(tab, name, "input[type=number]")
    field.fill(str(value))
    field.press("Tab")


def choose_long_clip(tab: Page, picture: Path) -> None:
    """All that the model is offered for: time enough to stop it, or to load the page again."""
    choose_model(tab, "svd_xt")
    expect(find_part(tab, "about")).to_contain_text("Stable Video Diffusion XT")
    choose_picture(tab, picture)
    find_part(tab, "auto_size", "input").uncheck()
    for name, value in (("num_frames", 10), ("width", 192), ("height", 128), ("num_steps", LONG)):
        set_number(tab, name, value)


def generate(tab: Page) -> None:
    before = find_part(tab, "infotext", "textarea").input_value()
    find_part(tab, "generate").click()
    expect(find_part(tab, "infotext", "textarea")).not_to_have_value(before)
    expect(find_part(tab, "generate")).to_be_visible()


def read_request(tab: Page) -> ClipRequest:
    return ClipRequest.from_infotext(find_part(tab, "infotext", "textarea").input_value())


def open_tab(tab: Page, name: str) -> None:
    # Gradio 6 has them twice, and measures the first.
    tab.locator("#svd_clip_tabs > :first-child button:visible", has_text=name).last.click()


def open_history(tab: Page) -> None:
    open_tab(tab, "History")
    expect(find_part(tab, "cards", ".svd-chosen")).to_be_visible()


def find(tab: Page, words: str) -> None:
    box = find_part(tab, "find", "input, textarea").last
    box.fill(words)
    box.press("Enter")


def find_card(tab: Page, name: str) -> Locator:
    return tab.locator(f'.svd-card[data-clip$="/{name}"]')


def press(tab: Page, button: str) -> None:
    find_part(tab, f"history_{button}").click()


DELAYING = """() => {
    const fetched = window.fetch;
    window.fetch = async (...given) => {
        const isLate = window.answersAreLate;
        const answer = await fetched(...given);
        if (isLate) await new Promise((wake) => setTimeout(wake, 2000));
        return answer;
    };
}"""


@contextmanager
def delay_answers(tab: Page) -> Iterator[None]:
    """What is asked meanwhile is answered late, as by a server that is busy; so what comes after may be answered first.

    It ends when something was asked; the answers come a good while after that.
    """
    if not tab.evaluate("() => 'answersAreLate' in window"):
        tab.evaluate(DELAYING)
    tab.evaluate("() => { window.answersAreLate = true; }")
    with tab.expect_request("**/run/predict*"):
        yield
    tab.evaluate("() => { window.answersAreLate = false; }")


def let_answers_come(tab: Page) -> None:
    tab.wait_for_timeout(2500)


def shoot(tab: Page, name: str) -> None:
    if SHOTS:
        for width, height in ((1400, 1000), (800, 1100)):
            tab.set_viewport_size({"width": width, "height": height})
            tab.wait_for_timeout(500)
            gradio = re.findall(r"gradio\d", os.environ["PYTEST_CURRENT_TEST"])[0]
            tab.screenshot(path=Path(SHOTS) / f"{gradio}-{name}-{width}.png", full_page=True)
