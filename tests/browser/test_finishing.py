"""Finishing in a browser: the plan before, the clip after, one of the history, one that is uploaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from lib_svd import video
from lib_svd.clip import Clip
from tests.browser.conftest import Served
from tests.browser.tab import choose, find_card, find_part, open_history, press, set_number, shoot
from tests.requests import complete
from tests.review import clips

SETTINGS = complete(num_frames=10, width=192, height=128, fps=7, seed=5, checkpoint="svd_xt.safetensors")
BECOMES = "a.mp4: 10 frames of 192x128 at 7 fps, 1.4 s become 36 frames of 384x256 at 14 fps, 2.6 s."


@pytest.fixture
def clip(served: Served) -> Path:
    """One of the history, made before the page was opened."""
    for old in served.folder.glob("a*.*"):
        old.unlink()
    made = Clip(frames=clips.make_pan(2), fps=7, infotext=SETTINGS.write_infotext())
    return video.save(made, served.folder / "a.mp4").video


def plan(tab: Page) -> Locator:
    return find_part(tab, "finish_plan")


def open_finishing(tab: Page, clip: Path) -> None:
    open_history(tab)
    find_part(tab, "history_refresh").click()
    find_card(tab, clip.name).click()
    press(tab, "finish")
    expect(plan(tab)).to_contain_text(f"{clip.name}: 10 frames of 192x128 at 7 fps")


def finish(tab: Page, name: str) -> None:
    find_part(tab, "finish_it").click()
    tab.wait_for_function(
        "name => (document.querySelector('#svd_clip_clip video')?.src || '').includes(name)", arg=f"/{name}"
    )


def play_to_its_end(tab: Page) -> float:
    """Seconds that the clip shown lasts; it is played to see that the browser can."""
    return tab.evaluate(
        """async () => {
            const clip = document.querySelector("#svd_clip_clip video");
            clip.loop = false;
            clip.muted = true;
            const ended = new Promise((done) => clip.addEventListener("ended", done));
            clip.currentTime = 0;
            await clip.play();
            await ended;
            return clip.duration;
        }"""
    )


def test_a_clip_of_the_history_is_looped_smoothed_and_enlarged(tab, served, clip):
    open_finishing(tab, clip)
    choose(tab, "finish_loop", "Ping-pong")
    choose(tab, "finish_smooth", "2x")
    choose(tab, "finish_upscale", "lanczos")
    expect(plan(tab)).to_contain_text(BECOMES)
    shoot(tab, "finish")
    finish(tab, "a-finished.mp4")
    expect(find_part(tab, "status")).to_contain_text("36 frames of 384x256 at 14 fps")
    expect(find_part(tab, "status")).to_contain_text("Flicker was")
    assert play_to_its_end(tab) == pytest.approx(36 / 14, abs=0.05)
    expect(plan(tab)).to_contain_text(BECOMES)  # the clip itself can be finished otherwise
    assert clip.is_file()
    assert video.probe(served.folder / "a-finished.mp4").num_frames == 36


def test_flicker_is_removed_and_what_became_of_it_is_shown(tab, served, clip):
    open_finishing(tab, clip)
    choose(tab, "finish_deflicker", "svd_xt.safetensors")
    expect(plan(tab)).to_contain_text("Flicker removed by svd_xt.safetensors")
    choose(tab, "finish_deflicker", "brightness")
    expect(plan(tab)).to_contain_text("Flicker removed by brightness")
    shoot(tab, "deflicker")
    finish(tab, "a-finished.mp4")
    expect(find_part(tab, "status")).to_contain_text("of the sharpness is kept")
    shoot(tab, "deflickered")
    choose(tab, "finish_deflicker", "None")
    expect(plan(tab)).not_to_contain_text("Flicker")


def test_what_was_chosen_is_there_when_the_page_is_opened_again(tab, clip):
    open_finishing(tab, clip)
    choose(tab, "finish_loop", "Best cut")
    expect(plan(tab)).to_contain_text("loop by best cut")
    tab.reload()
    expect(find_part(tab, "about")).to_contain_text("made for 5 frames")
    open_finishing(tab, clip)
    expect(plan(tab)).to_contain_text("loop by best cut")
    choose(tab, "finish_loop", "None")
    expect(plan(tab)).not_to_contain_text("loop by")


def test_a_clip_that_is_uploaded_and_one_that_is_none(tab, served, clip, tmp_path):
    other = video.save(Clip(frames=clips.make_pan(3), fps=5, infotext=""), tmp_path / "cat.mp4").video
    open_finishing(tab, clip)
    upload = tab.locator("input[type=file][accept*=video], #svd_clip_finish_upload input[type=file]").last
    upload.set_input_files(other)
    expect(plan(tab)).to_contain_text("cat.mp4: 10 frames of 192x128 at 5 fps")
    (tmp_path / "list.mp4").write_text("#EXTM3U\nfile:///etc/passwd\n")
    upload.set_input_files(tmp_path / "list.mp4")
    expect(find_part(tab, "finish_refused")).to_contain_text("This is no clip that is taken here")
    expect(plan(tab)).to_contain_text("cat.mp4: 10 frames of 192x128 at 5 fps")
    finish(tab, "cat-finished")
    assert next(served.folder.glob("cat-finished*.mp4"))


def test_it_is_stopped(tab, served, clip):
    open_finishing(tab, clip)
    choose(tab, "finish_loop", "Ping-pong")
    choose(tab, "finish_smooth", "60")
    choose(tab, "finish_upscale", "lanczos")
    set_number(tab, "finish_scale", 8)
    expect(plan(tab)).to_contain_text("155 frames of 1536x1024 at 60 fps")
    find_part(tab, "finish_it").click()
    expect(tab.locator(".progressDiv")).to_contain_text("Enlarging")
    find_part(tab, "interrupt").click()
    expect(find_part(tab, "status")).to_contain_text("Finishing was stopped: the clip is as it was")
    expect(find_part(tab, "generate")).to_be_visible()
    assert not list(served.folder.glob("a-finished*"))
    set_number(tab, "finish_scale", 2)
    expect(plan(tab)).to_contain_text("155 frames of 384x256 at 60 fps")


def test_what_cannot_be_is_said_at_once_and_nothing_runs(tab, served, clip):
    open_finishing(tab, clip)
    find_part(tab, "finish_more", "button, .label-wrap").first.click()
    set_number(tab, "finish_first", 11)
    expect(plan(tab)).to_contain_text("The first frame is to be 11, and the clip has 10.")
    find_part(tab, "finish_it").click()
    expect(find_part(tab, "status")).to_contain_text("the clip has 10")
    set_number(tab, "finish_first", 1)
    expect(plan(tab)).to_contain_text(" become ")
