"""What comes after a clip: finished by an upscaler of the web UI, its files read here and in PNG Info, better ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lib_svd import video
from lib_svd.infotext import read_infotext
from tests.hosts.smoke import upscaler
from tests.hosts.smoke.server import encode_base64
from tests.hosts.smoke.tried import SHORT, TABS, Tried

ENTRIES = "ul.options li"
FORMATS = ["gif", "webp", "apng", "zip"]  # of which the last is none that PNG Info takes
TAKEN_AWAY = '[aria-label="Clear"], [aria-label="Remove Image"]'
DRAFTS = 3


def a_clip_is_finished_by_an_upscaler_of_the_web_ui(t: Tried) -> str:
    """Every one that the web UI has is offered, but what is no upscaler or ours too; one of them runs."""
    t.fill("svd_clip", num_frames=SHORT["num_frames"], num_steps=SHORT["num_steps"])
    t.makes_a_clip("#svd_clip_generate")
    clip = _clip_shown(t)
    before = video.probe(clip)
    t.one("#svd_clip_finish").get_by_text("Finish: loop, smooth").click()
    t.choose("#svd_clip_finish_loop", "Ping-pong")
    t.choose("#svd_clip_finish_smooth", "2x")
    t.one("#svd_clip_finish_upscale input").click()
    offered = {entry.strip(" ✓\n") for entry in t.page.locator(ENTRIES).all_inner_texts()}
    t.page.locator(ENTRIES).filter(has_text=upscaler.NAME).click()
    theirs = {each["name"] for each in t.server.call("/sdapi/v1/upscalers")}
    assert offered == (theirs | {"lanczos"}) - {"Lanczos"}, (offered, theirs)
    t.settles()
    plan = t.one("#svd_clip_finish_plan").inner_text()
    t.one("#svd_clip_finish_it").click()
    t.waits_for(f"was => document.querySelector('#svd_clip_clip video')?.src.includes('{clip.stem}-finished')")
    t.settles()
    t.shoot("a_finished_clip")
    made = video.probe(_clip_shown(t))
    frames = 2 * (2 * before.num_frames - 2)
    assert (made.num_frames, made.width, made.height) == (frames, 2 * before.width, 2 * before.height), made
    return f"{sorted(offered)}; {plan.strip()}"


def settings_come_out_of_every_file(t: Tried) -> str:
    t.open_tab()
    t.one("#svd_clip_from_file").get_by_text("Settings out of a file").click()
    made = _make_files(t)
    files = [Path(name) for name in (made["path"], *made["copies"], made["frames"][0])]
    for number, path in enumerate(files):
        t.fill("svd_clip", motion_bucket_id=100 + number)
        t.one("#svd_clip_settings_file input[type=file]").set_input_files(str(path))
        t.sees(f"#svd_clip_settings_said >> text=The settings are those of {path.name} now.")
        t.settles()
        assert (t.number("motion_bucket_id"), t.number("seed")) == (61, 7), path
        if number == 0:
            t.shoot("settings_of_a_file")
        t.one(f"#svd_clip_settings_file :is({TAKEN_AWAY})").click()
    t.one("#svd_clip_from_file").get_by_text("Settings out of a file").click()
    return f"motion and seed out of {', '.join(path.name for path in files)}"


def the_web_uis_png_info_shows_the_settings(t: Tried) -> str:
    """And parses them, and sends the picture to us."""
    t.page.locator(f"{TABS} button").filter(has_text="PNG Info").click()
    made, shown = _make_files(t), []
    for path in _pictures(made):
        t.one("#pnginfo_image input[type=file]").set_input_files(str(path))
        t.sees("#tab_pnginfo >> text=SVD motion: 61")
        t.settles()
        t.page.screenshot(path=t.out / f"png_info_of_{path.suffix[1:]}.png")
        told = t.server.call("/sdapi/v1/png-info", {"image": encode_base64(path)})
        assert told["info"] == read_infotext(path), (path, told)
        assert told["parameters"]["SVD motion"] == "61", told
        shown.append(path.suffix)
        t.one(f"#pnginfo_image :is({TAKEN_AWAY})").click()
        t.sees("#tab_pnginfo >> text=SVD motion: 61", "detached")
    t.one("#pnginfo_image input[type=file]").set_input_files(made["frames"][0])
    t.sees("#tab_pnginfo >> text=SVD motion: 61")
    t.settles()
    t.one("#pnginfo_send_to_svd_clip").click()
    t.sees("#svd_clip_generate")
    t.settles()
    assert (t.number("motion_bucket_id"), t.number("seed")) == (61, 7)
    return f"of {', '.join(shown)}; a frame goes to us with its settings"


def settings_are_found_by_drafts(t: Tried) -> str:
    """With the model that comes along, which makes pictures that can be measured."""
    t.open_tab()
    t.choose("#svd_clip_checkpoint", "demo")
    t.settles()
    t.one("#svd_clip_tune").get_by_text("Find my settings: drafts").click()
    budget = t.one("#svd_clip_budget input[type=number]")
    budget.fill(str(DRAFTS))
    budget.blur()
    t.one("#svd_clip_tune_all").click()
    t.sees(f"#svd_clip_tune_table li >> nth={DRAFTS - 1}")
    t.sees("#svd_clip_interrupt", "hidden")
    t.settles()
    t.shoot("drafts")
    found = t.page.locator("#svd_clip_tune_table li").all_inner_texts()
    draft = t.request_shown()
    full = t.makes_a_clip("#svd_clip_tune_full")
    assert (full.motion_bucket_id, full.seed) == (draft.motion_bucket_id, draft.seed), (full, draft)
    assert full.num_steps > draft.num_steps, (full, draft)
    t.choose("#svd_clip_checkpoint", t.model.name)
    t.settles()
    t.fill("svd_clip", num_frames=SHORT["num_frames"], num_steps=SHORT["num_steps"])
    return " ".join(found)


def a_container_of_the_web_uis_own_stands_beside_the_clip(t: Tried) -> str:
    """Neo lets its user choose mkv for videos, which no browser plays."""
    if "video_container" not in t.server.call("/sdapi/v1/options"):
        return "this web UI has no setting for it"
    t.open_tab()
    t.server.call("/sdapi/v1/options", {"video_container": "mkv"})
    t.makes_a_clip("#svd_clip_generate")
    t.waits_for("document.querySelector('#svd_clip_clip video').currentTime > 0")
    t.shoot("a_clip_with_mkv")
    t.server.call("/sdapi/v1/options", {"video_container": "mp4"})
    clip = _clip_shown(t)
    other = video.Encoding.read("mkv").name_beside(clip)
    plays, beside = video.probe(clip), video.probe(other)
    assert plays.num_frames == beside.num_frames == SHORT["num_frames"], (plays, beside)
    return f"{clip.name} plays, and {other.name} is there"


def _clip_shown(t: Tried) -> Path:
    """The file that the tab's player plays."""
    source = t.one("#svd_clip_clip video").get_attribute("src")
    assert source is not None
    return Path(unquote(source.partition("file=")[2]))


def _make_files(t: Tried) -> dict[str, Any]:
    """A clip with its frames, in all FORMATS, as the API tells of it."""
    t.server.call("/sdapi/v1/options", {"svd_copies": FORMATS})
    made = t.api_clip(frames=True, motion_bucket_id=61, seed=7)
    t.server.call("/sdapi/v1/options", {"svd_copies": []})
    assert [Path(copy).name.partition(".")[2] for copy in made["copies"]] == ["gif", "webp", "apng", "frames.zip"], made
    return made


def _pictures(made: dict[str, Any]) -> list[Path]:
    return [Path(name) for name in (made["frames"][0], *made["copies"][:-1])]


AFTER_STEPS = (
    a_clip_is_finished_by_an_upscaler_of_the_web_ui,
    settings_come_out_of_every_file,
    settings_are_found_by_drafts,
    the_web_uis_png_info_shows_the_settings,
    a_container_of_the_web_uis_own_stands_beside_the_clip,
)
