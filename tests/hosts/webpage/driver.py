"""A user's hands and eyes on a web UI's page."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page

WATCHED = """id => {
    window.hasRun = false;
    const button = document.getElementById(id);
    new MutationObserver(() => { window.hasRun ||= button.checkVisibility(); }).observe(button, {attributes: true});
}"""
"""Note whether a button is seen from now on."""


class Driver:
    """Parts are named as in ids: `txt2img`, `svd_clip`."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def see(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def open(self, part: str) -> None:
        """Show a tab."""
        self.page.evaluate(f"openTab('{part}', [])")
        self.page.wait_for_selector(f"#tab_{part}", state="visible")

    def reload_ui(self) -> None:
        """Press Reload UI, and wait for the new page, and for the routes that extensions add once it is there."""
        self.open("settings")
        self.page.click("#settings_restart_gradio")
        self.page.wait_for_selector("h1:has-text('Reloading')")
        self.page.wait_for_selector("#txt2img_generate", timeout=60_000)
        self.page.wait_for_function("Object.keys(opts).length > 0")
        self.page.wait_for_function("fetch('/probe/state').then((answer) => answer.ok)", polling=200)

    def shown_tab(self) -> str:
        return self.page.evaluate("get_uiCurrentTabContent().id").removeprefix("tab_")

    def write(self, element: str, text: object) -> None:
        """Into the text or number field of a component."""
        field = self.page.locator(f"#{element} :is(textarea, input[type=number], input[type=text], input:not([type]))")
        field.first.fill(str(text))
        field.first.dispatch_event("change")
        field.first.press("Tab")

    def read(self, element: str) -> str:
        """What stands in the field of a component."""
        found = f"#{element} :is(textarea, input[type=number], input[type=text], input:not([type]))"
        return self.page.locator(found).first.input_value()

    def choose(self, element: str, text: str) -> None:
        """The first entry of a list that contains the text."""
        self.page.click(f"#{element} input")
        self.page.locator(f"#{element} ul.options li, ul.options li").filter(has_text=text).first.click()

    def unfold(self, element: str, inside: str) -> None:
        """Open an accordion."""
        self.page.locator(f"#{element} .label-wrap").first.click()
        self.page.locator(f"#{inside}").first.wait_for(state="visible")

    def read_text(self, element: str) -> str:
        """What can be read in a component; "" while it shows nothing. gradio 3 gives some ids twice."""
        found = self.page.locator(f"#{element}")
        return found.first.inner_text().strip() if found.count() else ""

    def check_playing(self, element: str) -> dict[str, float]:
        """Wait until the video in a component has moved on by itself, as it does in sight; its size and length."""
        self.page.locator(f"#{element} video").first.scroll_into_view_if_needed()
        self.page.wait_for_function(f"document.querySelector('#{element} video')?.currentTime > 0.05", timeout=60_000)
        return self.page.evaluate(
            f"(({{videoWidth, videoHeight, duration}}) => ({{width: videoWidth, height: videoHeight, duration}}))"
            f"(document.querySelector('#{element} video'))"
        )

    def upload(self, element: str, path: Path) -> None:
        """Choose a file, and wait until the page shows a picture."""
        self.page.set_input_files(f"#{element} input[type=file]", str(path))
        self.page.wait_for_selector(f"#{element} img")

    def get_picture(self, element: str) -> Image.Image:
        """The picture in a component."""
        found = self.page.wait_for_selector(f"#{element} img")
        return self.load_picture(found.get_attribute("src"))

    def list_pictures(self, part: str) -> list[Image.Image]:
        """The pictures of a gallery, in its order."""
        self.page.wait_for_selector(f"#{part}_gallery .thumbnail-item img")
        found = self.page.locator(f"#{part}_gallery .thumbnail-item.thumbnail-small img").all()
        found = found or self.page.locator(f"#{part}_gallery .thumbnail-item img").all()
        return [self.load_picture(image.get_attribute("src")) for image in found]

    def load_picture(self, address: str) -> Image.Image:
        """A picture from where the page has it, with its text chunks."""
        if address.startswith("data:"):
            return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))
        answer = self.page.request.get(re.sub(r"^(?=/)", "/".join(self.page.url.split("/")[:3]), address))
        assert answer.ok, f"{address}: {answer.status}"
        return Image.open(io.BytesIO(answer.body()))

    def generate(self, part: str) -> None:
        """Press Generate, and wait until it is running, or has been: some work takes hardly any time."""
        self.page.evaluate(WATCHED, f"{part}_interrupt")
        self.page.click(f"#{part}_generate")
        self.page.wait_for_function("window.hasRun")

    def finish(self, part: str, seconds: float = 30) -> None:
        """Wait until nothing runs any more."""
        self.page.wait_for_selector(f"#{part}_interrupt", state="hidden", timeout=seconds * 1000)
        self.page.wait_for_selector(f"#{part}_interrupting", state="hidden", timeout=seconds * 1000)

    def log(self, part: str) -> str:
        """What stands below a gallery, as soon as something does."""
        self.page.wait_for_function(f"document.querySelector('#html_log_{part}')?.innerText.trim()")
        return self.page.inner_text(f"#html_log_{part}")
