"""What a user does, one step after the other; each says what was seen, or raises."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from lib_svd import video
from lib_svd.animate import Destination, animate, order
from lib_svd.checkpoints import recognise
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.request import ClipRequest
from tests.hosts.smoke.after_the_clip import AFTER_STEPS
from tests.hosts.smoke.in_the_tab import TAB_STEPS
from tests.hosts.smoke.own_scripts import scripts_in_the_page_give_pictures_and_clips
from tests.hosts.smoke.server import encode_base64
from tests.hosts.smoke.the_queue import QUEUE_STEPS, jobs_go_on_after_a_kill
from tests.hosts.smoke.tried import SHORT, TABS, Tried
from tests.hosts.smoke.two_people import (
    LONG_STEPS,
    a_clip_that_waits_for_a_picture_leaves_it_alone,
    two_people_stop_their_own,
)

OTHER_PICTURE = "was => document.querySelector('#svd_clip_seen img')?.getAttribute('src') !== was"
CLIPS = "[...document.querySelectorAll('#img2img_svd_clips video')].map(video => video.src)"
GIVEN = {"List of prompt inputs": "a cat\na dog", "Pixels to expand": 64}
"""In place of defaults by which scripts have nothing to do, or too much for a small picture."""
CLOSE = 1  # of 255: two encodings of float frames that differ by less than 1e-4


def the_page_loads_without_an_error(t: Tried) -> str:
    t.open_page()
    t.open_tab()
    assert t.errors == [], t.errors
    return f"{t.tab_names()}"


def our_tab_is_told_apart_and_all_open(t: Tried) -> str:
    ours = t.one(f"{TABS} .selected").inner_text().strip()
    assert t.tab_names().count(ours) == 1, t.tab_names()
    opened = []
    for button in t.page.locator(f"{TABS} button").filter(has_text="SVD").all():
        button.click()
        opened.append((button.inner_text().strip(), t.one("#tabs > .tabitem:visible").get_attribute("id")))
        t.page.screenshot(path=t.out / f"opened_{opened[-1][1]}.png")
    assert opened.count((ours, "tab_svd_clip")) == 1, opened
    t.open_tab()
    assert t.errors == [], t.errors
    return f"{opened}"


def the_tab_makes_a_clip_that_plays(t: Tried) -> str:
    t.give_picture()
    t.fill("svd_clip", num_frames=SHORT["num_frames"], num_steps=SHORT["num_steps"])
    t.one("#svd_clip_generate").click()
    t.sees("#svd_clip_clip video")
    t.sees("#svd_clip_interrupt", "hidden")
    t.waits_for("document.querySelector('#svd_clip_clip video').currentTime > 0")
    shown = t.page.locator("#svd_clip_gallery img").count()
    assert shown >= SHORT["num_frames"], f"{shown} frames in the gallery"
    said = t.one("#svd_clip_status").inner_text()
    assert "<" not in said, said
    width, height = (t.one("#svd_clip_clip video").evaluate(f"v => v.video{side}") for side in ("Width", "Height"))
    return f"a clip of {width}x{height} plays, {shown} frames beside it"


def the_tab_is_interrupted(t: Tried) -> str:
    t.fill("svd_clip", num_steps=LONG_STEPS)
    t.one("#svd_clip_generate").click()
    t.sees(".progressDiv")
    t.waits_for("/Sampling [2-9]/.test(document.querySelector('.progressDiv')?.textContent)")
    t.page.screenshot(path=t.out / "a_clip_is_being_made.png")
    shown = t.one(".progressDiv").inner_text()
    t.one("#svd_clip_interrupt").click()
    t.sees("text=was stopped")
    t.fill("svd_clip", num_steps=SHORT["num_steps"])
    return f"stopped at: {shown}"


def txt2img_sends_its_picture(t: Tried) -> str:
    t.page.evaluate("switch_to_txt2img()")
    t.fill("txt2img", width=64, height=64, steps=2)
    t.one("#txt2img_generate").click()
    t.sees("#txt2img_gallery img")
    t.settles()
    before = t.one("#svd_clip_seen img").get_attribute("src")
    t.one("#txt2img_send_to_svd_clip").click()
    t.sees("#svd_clip_generate")
    t.waits_for(OTHER_PICTURE, before)
    said = t.one("#svd_clip_seen_note").inner_text()
    assert "transparent" not in said, said  # of what the web UI hides in the alpha
    return f"the picture stands in the SVD tab: {said.splitlines()[0]}"


def the_last_frame_goes_to_img2img_and_is_animated_there(t: Tried) -> str:
    t.makes_a_clip("#svd_clip_generate")
    t.one("#svd_clip_send_to_img2img").click()
    t.sees("#img2img_generate")
    t.settles()
    t.one("#img2img_svd").get_by_text("Animate with SVD").first.click()
    t.one("#img2img_svd_enable input[type=checkbox]").check()
    t.settles()
    corner = t.one("#img2img_svd_speed_best").evaluate("button => getComputedStyle(button).borderTopLeftRadius")
    assert corner != "0px", "the web UI's own styles reach into the accordion"
    t.fill("img2img_svd", num_frames=SHORT["num_frames"], num_steps=SHORT["num_steps"])
    t.fill("img2img", steps=2, width=64, height=64)
    t.one("#img2img_generate").click()
    t.sees("#img2img_svd_clips video")
    t.one("#img2img_svd_clips video").scroll_into_view_if_needed()
    t.settles()
    return f"under the gallery: {t.one('#img2img_svd_clips').inner_text()[:80]!r}"


def the_pictures_stay_in_the_gallery_beside_their_clips(t: Tried) -> str:
    t.fill("img2img", batch_size=2)
    before = t.page.evaluate(CLIPS)
    t.one("#img2img_generate").click()
    t.waits_for(f"was => {CLIPS}.length === 2 && !{CLIPS}.some(clip => was.includes(clip))", before)
    t.settles()
    pictures = t.page.locator("#img2img_gallery .thumbnail-item img:visible").count()
    assert pictures >= 2, f"{pictures} pictures in the gallery"
    t.one("#img2img_gallery").scroll_into_view_if_needed()
    t.page.screenshot(path=t.out / "pictures_and_clips.png")
    before = t.one("#svd_clip_seen img").get_attribute("src")
    t.one("#img2img_send_to_svd_clip").click()
    t.waits_for(OTHER_PICTURE, before)
    t.page.evaluate("switch_to_img2img()")
    t.fill("img2img", batch_size=1)
    return f"{pictures} in the gallery, two clips below it; the one chosen goes to the SVD tab"


def a_plot_animates_every_cell_and_refuses_a_bad_value(t: Tried) -> str:
    plot = "#script_img2img_xyz_plot"
    t.choose("#tab_img2img #script_list", "X/Y/Z plot")
    t.sees(f"{plot}_x_type")
    t.choose(f"{plot}_x_type", "[SVD] Motion")
    t.settles()  # until then the host puts back what stood there
    values = t.one(f"{plot}_x_values :is(textarea, input)")
    values.fill("60, 999")
    t.one("#img2img_generate").click()
    t.sees("#img2img_svd_clips >> text=Motion must be from 1 to 255, not 999.")
    values.fill("60, 90")
    t.one("#img2img_generate").click()
    t.waits_for(f"new Set({CLIPS}).size === 2")
    t.one("#img2img_svd_clips video").scroll_into_view_if_needed()
    t.settles()
    shown = t.one("#img2img_svd_clips").inner_text()
    assert [f"SVD motion: {motion}" in shown for motion in (60, 90)] == [True, True], shown
    t.page.screenshot(path=t.out / "a_plot_in_img2img.png")
    t.choose("#tab_img2img #script_list", "None")
    return "two clips under the gallery; not 999, with the reason"


def a_page_at_rest_asks_for_nothing(t: Tried) -> str:
    asked: list[str] = []
    t.page.on("request", lambda request: asked.append(request.url))
    t.page.wait_for_timeout(3000)
    assert len(asked) <= 3, asked[:5]
    return f"{len(asked)} requests in 3 s"


def the_api_animates(t: Tried) -> str:
    models = t.server.call("/svd/v1/models")
    assert t.model.name in [model["name"] for model in models], models
    made = t.api_clip(frames=True)
    t.first_clip = frames = [np.asarray(Image.open(path)) for path in made["frames"]]
    (t.out / "clip.mp4").write_bytes(base64.b64decode(made["video"]))
    found = video.probe(t.out / "clip.mp4")
    assert (found.num_frames, found.width, found.height) == (4, 128, 128)
    refused = t.server.call("/svd/v1/animate", {"motion_bucket_id": 999}, expected=422)
    assert refused["message"].startswith("Motion must be"), refused
    return f"{len(frames)} frames; refused with: {refused['message']}"


def a_clip_equals_the_stand_alone_one(t: Tried) -> str:
    settings = ClipRequest(seed=1, **SHORT)
    with TemporaryDirectory() as folder:
        own = order(settings, t.picture, recognise(t.model), Destination(out=Path(folder) / "alone.mp4"))
        frames = animate(own, make_standalone_host("cpu")).clip.frames
    most = max(int(abs(a.astype(int) - b.astype(int)).max()) for a, b in zip(frames, t.first_clip, strict=True))
    assert most <= CLOSE, f"off by {most} of 255"
    return f"largest difference {most} of 255"


def the_hook_animates_by_api(t: Tried) -> str:
    picture = encode_base64(t.picture)
    script = {"SVD": {"args": [{"checkpoint": t.model.name, **SHORT}]}}
    body = {"init_images": [picture], "steps": 2, "width": 64, "height": 64, "seed": 3, "alwayson_scripts": script}
    answer = t.server.call("/sdapi/v1/img2img", body)
    image, clip = (base64.b64decode(text) for text in answer["images"])
    parameters = Image.open(io.BytesIO(image)).info["parameters"]
    assert "SVD motion: 75" in parameters, parameters
    (t.out / "hook.mp4").write_bytes(clip)
    assert video.probe(t.out / "hook.mp4").num_frames == SHORT["num_frames"]
    script["SVD"]["args"][0]["checkpoint"] = "nowhere.safetensors"
    refused = t.server.call("/sdapi/v1/img2img", body)
    assert len(refused["images"]) == 1
    reason = re.search(r'"SVD error": "([^"]*)', refused["info"])
    assert reason is not None, refused["info"]
    return f"a picture and a clip; without a model the picture and: {reason[1][:70]}..."


def the_api_plots_over_a_setting(t: Tried) -> str:
    controls = _find_plot(t)
    labels, given = ([control[name] for control in controls] for name in ("label", "value"))
    for axis in "XYZ":
        given[labels.index(f"{axis} type")] = 0
    first = labels.index("X type")
    given[first : first + 2] = [controls[first]["choices"].index("[SVD] Motion"), "60-90 (+30)"]
    given[labels.index("Include Sub Images")] = True
    script = {"SVD": {"args": [{"checkpoint": t.model.name, **SHORT}]}}
    body = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 3, "alwayson_scripts": script}
    body |= {"script_name": "x/y/z plot", "script_args": given}
    info = json.loads(t.server.call("/sdapi/v1/txt2img", body)["info"])
    texts = [Path(clip).with_suffix(".txt").read_text("utf-8") for clip in info["extra_generation_params"]["SVD clips"]]
    assert [ClipRequest.from_infotext(text).motion_bucket_id for text in texts] == [60, 90], texts
    assert ["SVD motion: 60" in info["infotexts"][1], "SVD motion: 90" in info["infotexts"][2]] == [True, True], info
    assert not any("SVD clips" in text for text in info["infotexts"]), info
    script["SVD"]["args"][0]["enabled"] = False
    refused = t.server.call("/sdapi/v1/txt2img", body, expected=500)
    assert "switch on Animate with SVD" in str(refused), refused
    return f"clips of motion 60 and 90; switched off: {str(refused)[:160]}"


def clips_go_with_the_hosts_own_scripts(t: Tried) -> str:
    """Those that are chosen from a list, nearly all by their own defaults; one that fails without us is passed over."""
    picture, seen = _shrink(t.picture), []
    for script in t.server.call("/sdapi/v1/script-info"):
        if script["is_alwayson"] or script["name"] in ("x/y/z plot", "custom code"):
            continue
        given = [GIVEN.get(control["label"], control["value"]) for control in script["args"]]
        body = {"prompt": "a|cat", "steps": 1, "width": 128, "height": 128, "seed": 3, "init_images": [picture]}
        body |= {"script_name": script["name"], "script_args": given}
        path = "/sdapi/v1/img2img" if script["is_img2img"] else "/sdapi/v1/txt2img"
        if t.server.ask(path, body)[0] != 200:
            seen.append(f"{script['name']}: fails without us")
            continue
        ours = {"SVD": {"args": [{"checkpoint": t.model.name, **SHORT}]}}
        answer = t.server.call(path, {**body, "alwayson_scripts": ours})
        pictures = [Image.open(io.BytesIO(base64.b64decode(text))).size for text in answer["images"]]
        info = json.loads(answer["info"])
        told = info["extra_generation_params"]
        clips = {*told.get("SVD clips", [])}
        assert clips or "from parts" in told["SVD error"], (script["name"], info)
        assert len(clips) <= len(pictures), (script["name"], clips)
        assert all(Path(clip).is_file() for clip in clips), clips
        assert not any("SVD clips" in text for text in info["infotexts"]), info
        seen.append(f"{script['name']}: {len(pictures)} pictures, {len(clips) or 'a sentence and no'} clips")
    assert seen
    return "; ".join(seen)


def _shrink(picture: Path) -> str:
    """In base64, so that a script which cuts it into tiles has few."""
    stream = io.BytesIO()
    Image.open(picture).convert("RGB").resize((192, 128)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def memory_does_not_grow_over_three_clips(t: Tried) -> str:
    sizes = []
    loads = t.server.log().count("Loading")
    for seed in (11, 12, 13):
        made = t.api_clip(seed=seed)
        sizes.append(t.server.resident_mb())
    assert "load" not in made["seconds"] or t.server.log().count("Loading") == loads
    assert sizes[2] <= 1.05 * sizes[0], sizes
    return " ".join(f"{size:.0f}" for size in sizes) + " MB"


def sd_checkpoints_switch_and_come_back(t: Tried) -> str:
    names = t.sd

    def drawn(name: str) -> str:
        settings = {"override_settings": {"sd_model_checkpoint": name}, "override_settings_restore_afterwards": False}
        body = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 5, **settings}
        return str(t.server.call("/sdapi/v1/txt2img", body)["images"][0])

    first, other = drawn(names[0]), drawn(names[1])
    again = t.api_clip(frames=True)
    back = drawn(names[0])
    _assert_same_clip(t, again)
    assert len({*_read_pixels(first)}) > 1, f"{names[0]} draws one colour"
    assert _read_pixels(first) == _read_pixels(back), f"{names[0]} draws another picture than before"
    assert _read_pixels(first) != _read_pixels(other), f"{names[0]} and {names[1]} draw the same picture"
    return f"{names[0]}, {names[1]}, a clip, {names[0]} with the same picture as before"


def everything_unloads_and_comes_back(t: Tried) -> str:
    t.server.call("/sdapi/v1/unload-checkpoint", {})
    _assert_same_clip(t, t.api_clip(frames=True))
    picture = t.server.call("/sdapi/v1/txt2img", {"prompt": "a cat", "steps": 1, "width": 64, "height": 64})
    assert len(picture["images"]) == 1
    return "the same clip after unloading, then a picture"


def the_ui_reloads(t: Tried) -> str:
    before = list(t.errors)
    t.page.evaluate("document.querySelector('#settings_restart_gradio').click()")
    t.settles()
    t.page.goto("about:blank")
    t.errors = before  # the old page could not reach a server that is away
    t.server.wait_started()
    t.open_page()
    t.open_tab()
    _assert_same_clip(t, t.api_clip(frames=True))
    assert _find_plot(t)[0]["choices"].count("[SVD] Motion") == 1
    return "the tab is there again, the clip the same"


def nothing_went_wrong_unseen(t: Tried) -> str:
    assert t.errors == [], sorted(set(t.errors))
    traces = re.findall(r"Traceback.*?\n\S[^\n]*", t.server.log(), re.DOTALL)
    ours = [trace for trace in traces if "lib_svd" in trace and "lib_svd.errors.BadRequest" not in trace]  # as asked
    assert ours == [], ours[0]
    return f"no error in the console, no traceback of ours in the log; {t.left_open} of gradio's streams left open"


def _find_plot(t: Tried) -> list[dict[str, Any]]:
    """The controls of txt2img's X/Y/Z plot, the list of axes for X first."""
    scripts = t.server.call("/sdapi/v1/script-info")
    (plot,) = [each for each in scripts if each["name"] == "x/y/z plot" and not each["is_img2img"]]
    return plot["args"]  # type: ignore[no-any-return]


def _assert_same_clip(t: Tried, made: dict[str, Any]) -> None:
    frames = [np.asarray(Image.open(path)) for path in made["frames"]]
    assert all(np.array_equal(a, b) for a, b in zip(frames, t.first_clip, strict=True)), "another clip than before"


def _read_pixels(text: str) -> bytes:
    return Image.open(io.BytesIO(base64.b64decode(text))).tobytes()


STEPS = (
    the_page_loads_without_an_error,
    our_tab_is_told_apart_and_all_open,
    the_tab_makes_a_clip_that_plays,
    the_tab_is_interrupted,
    *TAB_STEPS,
    *AFTER_STEPS,
    *QUEUE_STEPS,
    txt2img_sends_its_picture,
    the_last_frame_goes_to_img2img_and_is_animated_there,
    the_pictures_stay_in_the_gallery_beside_their_clips,
    a_plot_animates_every_cell_and_refuses_a_bad_value,
    scripts_in_the_page_give_pictures_and_clips,
    two_people_stop_their_own,
    a_clip_that_waits_for_a_picture_leaves_it_alone,
    a_page_at_rest_asks_for_nothing,
    the_api_animates,
    a_clip_equals_the_stand_alone_one,
    the_hook_animates_by_api,
    the_api_plots_over_a_setting,
    clips_go_with_the_hosts_own_scripts,
    memory_does_not_grow_over_three_clips,
    sd_checkpoints_switch_and_come_back,
    everything_unloads_and_comes_back,
    the_ui_reloads,
    jobs_go_on_after_a_kill,
    nothing_went_wrong_unseen,
)
