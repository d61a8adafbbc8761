"""What the steps share: the page, the web UI, and what a user's hand does in them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page

from lib_svd.request import ClipRequest
from tests.hosts.smoke.server import Server, base64_of

SHORT = {"num_frames": 4, "num_steps": 3, "width": 128, "height": 128}
HOSTS_OWN = ("reading 'props'",)
"""Errors that these web UIs have without any extension."""
SOON, LONG = 60_000, 600_000  # milliseconds


class Tried:
    """What the steps share."""

    def __init__(self, server: Server, page: Page, model: Path, asked: argparse.Namespace) -> None:
        self.server, self.page, self.model = server, page, model
        self.picture, self.out = asked.picture, asked.out
        self.errors: list[str] = []
        self.first_clip: list[np.ndarray] = []
        page.on("console", lambda message: self._heard(message.text, message.location["url"], message.type))
        page.on("pageerror", lambda error: self._heard(str(error)))

    def _heard(self, text: str, url: str = "", kind: str = "error") -> None:
        """Note an error; not what a web UI fetches from elsewhere, which a machine without a network cannot."""
        foreign = bool(url) and not url.startswith(self.server.url)
        if kind == "error" and not foreign and not any(known in text for known in HOSTS_OWN):
            self.errors.append(f"{text} {url}".strip()[:300])

    def one(self, selector: str) -> Locator:
        return self.page.locator(selector).first

    def open_page(self) -> None:
        self.page.goto(self.server.url, timeout=LONG)
        self.page.wait_for_function("typeof switch_to_svd_clip === 'function'", timeout=LONG)
        self.one("#txt2img_generate").wait_for(timeout=LONG)

    def open_tab(self) -> None:
        self.page.evaluate("switch_to_svd_clip()")
        self.one("#svd_clip_generate").wait_for(timeout=SOON)

    def fill(self, part: str, **settings: object) -> None:
        """Numbers into a tab's or an accordion's controls."""
        for name, value in settings.items():
            box = self.one(f"#{part}_{name} input[type=number]")
            box.fill(str(value))
            box.blur()

    def choose(self, element: str, text: str) -> None:
        """The entry of a list that contains the text."""
        self.one(f"{element} input").click()
        self.page.locator("ul.options li").filter(has_text=text).first.click()

    def api_clip(self, **settings: object) -> dict[str, Any]:
        asked = {**SHORT, "seed": 1, "picture": base64_of(self.picture), "checkpoint": self.model.name, **settings}
        return self.server.call("/svd/v1/animate", asked)  # type: ignore[no-any-return]

    def number(self, name: str) -> float:
        """What a control of the tab stands at."""
        return float(self.one(f"#svd_clip_{name} input[type=number]").input_value())

    def request_shown(self) -> ClipRequest:
        """The settings of the clip that the tab shows."""
        return ClipRequest.from_infotext(self.one("#svd_clip_infotext textarea").input_value())

    def waits_for(self, condition: str, given: object = None, timeout: float = SOON) -> None:
        """Until a function of JavaScript says yes."""
        self.page.wait_for_function(condition, arg=given, timeout=timeout)

    def makes_a_clip(self, button: str) -> ClipRequest:
        """Press it and wait for the clip and all that is said of it; the clip's settings."""
        before = self.one("#svd_clip_infotext textarea").input_value()
        self.one(button).click()
        changed = "was => document.querySelector('#svd_clip_infotext textarea').value !== was"
        self.waits_for(changed, before, LONG)
        self.page.wait_for_selector("#svd_clip_interrupt", state="hidden", timeout=SOON)
        self.page.wait_for_timeout(2000)  # what follows a clip has no end to be seen
        return self.request_shown()

    def shoot(self, name: str) -> None:
        """The whole page, in the light theme and in the dark one."""
        for theme in ("dark", "light"):
            self.page.evaluate("name => document.body.classList.toggle('dark', name === 'dark')", theme)
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=self.out / f"{name}_{theme}.png", full_page=True)
