"""What a page of another site can do with the stand-alone page: nothing. In a real browser, with a real page beside it.

One version of gradio stands for all, since the door stands before it: 3, in which a queue is joined by WebSocket, which
browsers open to any site.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from lib_svd.clip import Clip
from lib_svd.video import save
from tests.browser.conftest import PYTHONS, Served, _serve

KNOCKS = """async ({target, clip, framed}) => {
    const found = {};
    const plain = {method: "POST", mode: "no-cors", body: '{"id_task": ""}'};
    const form = new FormData();
    form.append("files", new Blob(["x"]), "x.txt");
    const asked = {
        config: ["config", {}],
        "config, unseen": ["config", {mode: "no-cors"}],
        progress: ["internal/progress", plain],
        "progress, as no type": ["internal/progress", {...plain, body: new Blob([plain.body])}],
        predict: ["run/predict", {...plain, body: new Blob(['{"fn_index": 0, "data": []}'])}],
        upload: ["upload", {method: "POST", mode: "no-cors", body: form}],
        clip: [clip, {mode: "no-cors"}],
    };
    for (const [name, [path, how]] of Object.entries(asked)) {
        found[name] = await fetch(target + "/" + path + "?" + encodeURIComponent(name), how).then(
            (answer) => answer.type === "opaque" ? "opaque" : answer.status, () => "refused");
    }
    const loaded = (element, address) => new Promise((done) => {
        element.onload = element.onloadeddata = element.onopen = () => done("loaded");
        element.onerror = () => done("refused");
        if (address) { element.src = address; document.body.append(element); }
    });
    found.video = await loaded(document.createElement("video"), target + "/" + clip);
    found.socket = await loaded(new WebSocket(target.replace("http", "ws") + "/queue/join"));
    await loaded(document.createElement("iframe"), target + "/" + framed + "?frame");
    return found;
}"""
POSTED = """(target) => {
    document.body.innerHTML = `<form method="post" enctype="text/plain" action="${target}/internal/progress?form">
        <input name='{"id_task": "' value='"}'></form>`;
    document.forms[0].submit();
}"""
OPAQUE = ("config, unseen", "progress", "progress, as no type", "predict", "upload", "clip")


@pytest.fixture(scope="module")
def served_beside_strangers(tmp_path_factory) -> Iterator[Served]:
    here = tmp_path_factory.mktemp("served_beside_strangers")
    yield from _serve(PYTHONS["gradio3"], here, here / "models")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that has loaded nothing yet."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def strangers(serve, tmp_path) -> int:
    """The port of another site."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Another site</title><body></body>")
    port = urlsplit(serve(tmp_path)).port
    assert port is not None
    return port


@pytest.fixture
def clip(served_beside_strangers) -> str:
    """The address of a clip, below the page's."""
    path = served_beside_strangers.folder / "film.mp4"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        save(Clip(frames=np.zeros((2, 64, 96, 3), np.uint8), fps=7, infotext="Steps: 25"), path)
    return f"file={path}"


def knock(page: Page, served: Served, at: str, clip: str, framed: str = "") -> tuple[dict[str, object], dict[str, int]]:
    """What a page at that address found, and the status of each answer by the words behind its question mark."""
    statuses: dict[str, int] = {}
    page.on("response", lambda answer: statuses.update({urlsplit(answer.url).query: answer.status}))
    page.goto(at)
    found = page.evaluate(KNOCKS, {"target": served.address, "clip": clip, "framed": framed})
    page.evaluate(POSTED, served.address)
    page.wait_for_url("**/internal/progress?form")
    of_knocks = {query: status for query, status in statuses.items() if query}
    return found, of_knocks


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "another.localhost"])
def test_another_site_gets_nothing_and_starts_nothing(page, served_beside_strangers, strangers, clip, name):
    at = f"http://{name}:{strangers}/index.html"
    found, statuses = knock(page, served_beside_strangers, at, clip)
    assert {what for what, told in found.items() if told != "refused"} <= set(OPAQUE)
    assert len(statuses) >= 8
    assert set(statuses.values()) == {403}


def test_the_page_itself_gets_what_it_asks_for(page, served_beside_strangers, clip):
    """The same questions, so that it is the site that made the difference."""
    at = f"{served_beside_strangers.address}/robots.txt"  # without gradio's own scripts, which do not like to be left
    found, statuses = knock(page, served_beside_strangers, at, clip, "robots.txt")
    assert found["config"] == 200
    assert (found["video"], found["socket"]) == ("loaded", "loaded")
    assert 403 not in statuses.values()


def test_a_name_that_was_bent_to_this_machine_is_not_the_pages(page, served_beside_strangers):
    bent = served_beside_strangers.address.replace("127.0.0.1", "another.localhost")
    answer = page.goto(bent)
    assert answer is not None
    assert answer.status == 403
    assert "is not a name of this page: open it as localhost" in page.content()


def test_a_link_on_another_site_opens_the_page(page, served_beside_strangers, strangers):
    page.goto(f"http://another.localhost:{strangers}/index.html")
    with page.expect_navigation(url=f"{served_beside_strangers.address}/") as opened:
        page.evaluate("(target) => { location = target; }", f"{served_beside_strangers.address}/")
    assert opened.value is not None
    assert opened.value.status == 200


def test_a_program_is_no_site(served_beside_strangers, clip):
    with urllib.request.urlopen(f"{served_beside_strangers.address}/{clip}", timeout=30) as answer:
        assert answer.status == 200
        assert len(answer.read()) == Path(served_beside_strangers.folder / "film.mp4").stat().st_size
