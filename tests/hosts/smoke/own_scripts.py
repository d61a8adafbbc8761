"""The web UI's own scripts in its page, with the accordion on: pictures in the gallery, and clips of them below it."""

from __future__ import annotations

import json
from pathlib import Path

from lib_svd.request import ClipRequest
from tests.hosts.smoke.tried import SHORT, Tried

SCRIPTS = {
    "Prompt matrix": ("txt2img", "img2img"),
    "Prompts from file or textbox": ("txt2img", "img2img"),
    "Loopback": ("img2img",),
}
LINES = "a cat\na dog"
CLIPS = "[...document.querySelectorAll('#{tab}_svd_clips video')].map(video => video.src)"
PICTURES = "[...new Set([...document.querySelectorAll('#{tab}_gallery .thumbnail-item img')].map(image => image.src))]"
"""Each once: where one is shown large, a row of small ones stands below it beside the list."""


def scripts_in_the_page_give_pictures_and_clips(t: Tried) -> str:
    """Each in the tabs where it is; one that this web UI has not is passed over."""
    seen = []
    for tab in ("txt2img", "img2img"):
        t.page.evaluate(f"switch_to_{tab}()")
        _animate(t, tab)
        seen += [_run(t, tab, title) for title, tabs in SCRIPTS.items() if tab in tabs and _choose(t, tab, title)]
        t.choose(f"#tab_{tab} #script_list", "None")
    assert seen
    return "; ".join(seen)


def _animate(t: Tried, tab: str) -> None:
    """See that the accordion is on, and that pictures and clips are small."""
    enable = t.one(f"#{tab}_svd_enable input[type=checkbox]")
    if not enable.is_visible():
        t.one(f"#{tab}_svd").get_by_text("Animate with SVD").first.click()
    enable.check()
    t.settles()
    t.fill(f"{tab}_svd", num_frames=SHORT["num_frames"], num_steps=SHORT["num_steps"])
    t.fill(tab, width=64, height=64, steps=2)
    t.one(f"#{tab}_prompt textarea").fill("a|cat")


def _choose(t: Tried, tab: str, title: str) -> bool:
    """Whether the tab's list has the script, which is chosen then."""
    t.one(f"#tab_{tab} #script_list input").click()
    entry = t.page.locator("ul.options li").filter(has_text=title)
    if not entry.count():
        t.page.keyboard.press("Escape")
        return False
    entry.first.click()
    t.settles()
    if title.startswith("Prompts from file"):
        lines = t.one(f"#script_{tab}_prompts_from_file_or_textbox_prompt_txt textarea")
        lines.fill(LINES)
        lines.blur()
    return True


def _run(t: Tried, tab: str, title: str) -> str:
    clips, told = CLIPS.format(tab=tab), f"#generation_info_{tab} textarea"
    before = t.page.evaluate(clips)
    t.one(f"#{tab}_generate").click()
    t.sees(f"#{tab}_interrupt")
    t.sees(f"#{tab}_interrupt", "hidden")
    t.waits_for(f"was => {clips}.length && !{clips}.some(clip => was.includes(clip))", before)
    t.settles()
    shown = t.page.evaluate(clips)
    info = json.loads(t.one(told).input_value())
    named = info["extra_generation_params"]["SVD clips"]
    assert [Path(clip).name for clip in named] == [clip.rsplit("/", 1)[-1] for clip in shown], (named, shown)
    assert not any("SVD clips" in text for text in info["infotexts"]), info
    made = [ClipRequest.from_infotext(Path(clip).with_suffix(".txt").read_text("utf-8")) for clip in named]
    assert all(each.num_frames == SHORT["num_frames"] for each in made), made
    pictures = len(t.page.evaluate(PICTURES.format(tab=tab)))
    assert pictures >= len(named), f"{title} in {tab}: {pictures} pictures for {len(named)} clips"
    t.one(f"#{tab}_gallery").scroll_into_view_if_needed()
    name = f"{tab}_{title.split()[0].lower()}_{title.split()[-1].lower()}"
    t.page.screenshot(path=t.out / f"{name}.png", full_page=True)
    return f"{title} in {tab}: {pictures} pictures, {len(named)} clips"
