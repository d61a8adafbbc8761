"""What the steps share: the page, the web UI, and what a user's hand does in them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, Request, WebSocket
from playwright.sync_api import TimeoutError as NotYet

from lib_svd.request import ClipRequest
from tests.hosts.smoke.server import QUIET, Server, encode_base64

SHORT = {"num_frames": 4, "num_steps": 3, "width": 128, "height": 128}
TABS = "#tabs > .tab-nav"
HOSTS_OWN = ("reading 'props'", "Wake Lock is not supported")
"""Errors that these web UIs have without any extension."""
STREAM = "/queue/data?"
"""By which gradio 4 sends answers. On a busy machine 4.40 was seen to leave one open when all answers were there."""
MOMENT = 5_000  # milliseconds; after each it is asked whether the web UI still works
AT_REST = """() => {
  if (!window.svdSmoke) {
    window.svdSmoke = {changed: performance.now()};
    new MutationObserver(() => { window.svdSmoke.changed = performance.now(); })
      .observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  }
  return performance.now() - window.svdSmoke.changed > 1500;
}"""
"""Whether nothing has changed on the page for a while."""


class Tried:
    """What the steps share."""

    def __init__(self, server: Server, page: Page, model: Path, sd: list[str], asked: argparse.Namespace) -> None:
        self.server, self.page, self.model, self.sd = server, page, model, sd
        self.picture, self.out, self._given = asked.picture, asked.out, asked
        self.errors: list[str] = []
        self.first_clip: list[np.ndarray] = []
        self.left_open = 0  # of gradio's streams, see `settles`
        self._asked: set[object] = set()  # what the page waits for
        page.set_default_timeout(1000 * QUIET)
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("websocket", self._opened)
        page.on("console", lambda message: self._heard(message.text, message.location["url"], message.type))
        page.on("pageerror", lambda error: self._heard(str(error)))

    @contextmanager
    def somebody_else(self) -> Iterator[Tried]:
        """Another person at the same web UI, in a browser of their own."""
        browser = self.page.context.browser
        assert browser is not None
        context = browser.new_context(viewport=self.page.viewport_size)
        other = Tried(self.server, context.new_page(), self.model, self.sd, self._given)
        other.errors = self.errors
        try:
            yield other
        finally:
            context.close()

    def _heard(self, text: str, url: str = "", kind: str = "error") -> None:
        """Note an error; not what a web UI fetches from elsewhere, which a machine without a network cannot."""
        foreign = bool(url) and not url.startswith(self.server.url)
        if kind == "error" and not foreign and not any(known in text for known in HOSTS_OWN):
            self.errors.append(f"{text} {url}".strip()[:300])

    def _began(self, request: Request) -> None:
        """Note what is asked for; not a video, got as it plays, nor the question by which gradio knows of the page."""
        if request.resource_type != "media" and "/heartbeat/" not in request.url:
            self._asked.add(request)

    def _opened(self, socket: WebSocket) -> None:
        self._asked.add(socket)
        socket.on("close", self._ended)

    def _ended(self, asked: object) -> None:
        self._asked.discard(asked)

    def one(self, selector: str) -> Locator:
        return self.page.locator(selector).first

    def open_page(self) -> None:
        self.page.goto(self.server.url)
        with suppress(NotYet):  # the page of the Neo that was tried loads itself once more, after two seconds
            self.page.wait_for_event("load", timeout=4000)
        self.waits_for("typeof switch_to_svd_clip === 'function'")
        self.sees("#txt2img_generate")

    def open_tab(self) -> None:
        self.page.evaluate("switch_to_svd_clip()")
        self.sees("#svd_clip_generate")

    def tab_names(self) -> list[str]:
        """What stands on the buttons of the web UI's tabs."""
        return [name.strip() for name in self.page.locator(f"{TABS} button").all_inner_texts()]

    def fill(self, part: str, **settings: object) -> None:
        """Numbers into a tab's or an accordion's controls."""
        for name, value in settings.items():
            box = self.one(f"#{part}_{name} input[type=number]")
            box.fill(str(value))
            box.blur()

    def give_picture(self) -> None:
        """Into the tab, and wait until what the model sees of it is shown."""
        self.one("#svd_clip_picture input[type=file]").set_input_files(str(self.picture))
        self.sees("#svd_clip_seen img")

    def choose(self, element: str, text: str) -> None:
        """The entry of a list that contains the text."""
        self.one(f"{element} input").click()
        self.page.locator("ul.options li").filter(has_text=text).first.click()

    def api_clip(self, **settings: object) -> dict[str, Any]:
        asked = {**SHORT, "seed": 1, "picture": encode_base64(self.picture), "checkpoint": self.model.name, **settings}
        return self.server.call("/svd/v1/animate", asked)  # type: ignore[no-any-return]

    def number(self, name: str) -> float:
        """What a control of the tab stands at."""
        return float(self.one(f"#svd_clip_{name} input[type=number]").input_value())

    def request_shown(self) -> ClipRequest:
        """The settings of the clip that the tab shows."""
        return ClipRequest.from_infotext(self.one("#svd_clip_infotext textarea").input_value())

    def waits_for(self, condition: str, given: object = None) -> None:
        """Until a function of JavaScript says yes, for as long as the web UI works."""
        self._until(lambda: self.page.wait_for_function(condition, arg=given, timeout=MOMENT), condition)

    def sees(self, selector: str, state: Any = "visible") -> None:
        """Until the first of such elements is as it should be: "visible", "hidden", "detached"."""
        self._until(lambda: self.one(selector).wait_for(state=state, timeout=MOMENT), f"{selector} to be {state}")

    def settles(self) -> None:
        """Until the page has got all that it asked for and is at rest."""
        self._until(lambda: self.page.wait_for_function(AT_REST, timeout=MOMENT), "a page at rest")
        try:
            self.server.wait(self._has_all, "a page that asks for nothing")
        except RuntimeError as error:
            waiting = ", ".join(str(getattr(each, "url", each)) for each in self._asked)
            if not waiting or not all(STREAM in getattr(each, "url", "") for each in self._asked):
                raise RuntimeError(f"The page waits for {waiting or 'nothing, but does not rest'}. {error}") from error
            self.left_open += 1  # it is at rest, the web UI idle: an answer that did not come is missed by what is seen
            self._asked.clear()

    def _has_all(self) -> bool:
        self.page.wait_for_timeout(500)
        return not self._asked and bool(self.page.evaluate(AT_REST))

    def _until(self, wait: Callable[[], object], what: str) -> None:
        def done() -> bool:
            try:
                wait()
            except NotYet:
                return False
            return True

        self.server.wait(done, what)

    def makes_a_clip(self, button: str) -> ClipRequest:
        """Press it and wait for the clip and all that is said of it; the clip's settings."""
        before = self.one("#svd_clip_infotext textarea").input_value()
        self.one(button).click()
        changed = "was => document.querySelector('#svd_clip_infotext textarea').value !== was"
        self.waits_for(changed, before)
        self.sees("#svd_clip_interrupt", "hidden")
        self.settles()
        return self.request_shown()

    def shoot(self, name: str) -> None:
        """The whole page, in the light theme and in the dark one."""
        for theme in ("dark", "light"):
            self.page.evaluate("name => document.body.classList.toggle('dark', name === 'dark')", theme)
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=self.out / f"{name}_{theme}.png", full_page=True)
