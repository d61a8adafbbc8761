"""The extension in a web UI, as its user sees it, with gradio 4.40 and 3.41.2."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode

import pytest

from tests.hosts.webpage.conftest import ROOT, serve, wait_for
from tests.hosts.webpage.driver import Driver

TAB = "svd_clip"
SMALL = {"prompt": "a hill", "steps": 2, "width": 96, "height": 64, "seed": 5}
SVD = {"num_steps": 3, "motion_bucket_id": 60}


@pytest.fixture
def tab(on, picture):
    """The tab, with a picture in it."""
    on.open(TAB)
    on.upload(f"{TAB}_picture", picture)
    on.page.wait_for_selector(f"#{TAB}_seen img")
    return on


def wait_until_seen(on, element, text, seconds=20):
    wait_for(lambda: text in on.read_text(element), seconds, lambda: f"{element}: {on.read_text(element)!r}")


def run_picture_job(on, part):
    on.write(f"{part}_width", 96)
    on.write(f"{part}_height", 64)
    on.write(f"{part}_steps", 3)
    on.write(f"{part}_seed", 7)


def test_a_picture_becomes_a_clip_that_plays(tab, webui):
    assert "96x64" in tab.read_text(f"{TAB}_seen_note")
    shown = tab.get_picture(f"{TAB}_seen").size
    assert shown[0] / shown[1] == pytest.approx(96 / 64, rel=0.03)
    tab.generate(TAB)
    tab.page.wait_for_selector(".progressDiv")
    tab.finish(TAB)
    found = tab.check_playing(f"{TAB}_clip")
    assert (found["width"], found["height"]) == (96, 64)
    assert len(tab.list_pictures(TAB)) == 5
    assert "Steps: 3" in tab.read(f"{TAB}_infotext")
    wait_until_seen(tab, f"{TAB}_status", "5 frames of 96x64")
    clips = list((webui.data / "outputs" / "svd").rglob("*.mp4"))
    assert clips
    assert all(clip.with_suffix(".txt").exists() for clip in clips)


@pytest.mark.parametrize("how", ["Interrupt", "Skip", "Esc"])
def test_a_clip_can_be_stopped(tab, how):
    tab.write(f"{TAB}_num_steps", 100)  # so many that a page that is slow still sees them
    tab.write(f"{TAB}_num_frames", 100)
    tab.generate(TAB)
    tab.page.wait_for_function("/Sampling.*%.*ETA/.test(document.querySelector('.progressDiv')?.textContent)")
    tab.page.wait_for_selector(f"#{TAB}_gallery .livePreview img")
    if how == "Esc":
        tab.page.keyboard.press("Escape")
    else:
        tab.page.click(f"#{TAB}_{how.lower()}")
    tab.finish(TAB)
    wait_for(lambda: tab.read_text(f"{TAB}_status") != "", 30, lambda: "nothing is said")
    assert tab.see(f"#{TAB}_status .error").count() == 0
    assert tab.see(f"#{TAB}_clip video").count() == 0


def test_two_people_stop_their_own_clips(tab, webui, picture):
    other = Driver(tab.page.context.browser.new_page())
    other.page.goto(webui.address)
    other.page.wait_for_function("Object.keys(opts).length > 0")
    other.open(TAB)
    other.upload(f"{TAB}_picture", picture)
    other.page.wait_for_selector(f"#{TAB}_seen img")
    for each in (tab, other):
        each.write(f"{TAB}_num_steps", 100)
        each.write(f"{TAB}_num_frames", 100)
    wait_until_says(tab, "Sampling")
    tab.page.evaluate("window.scrollBy(0, 500)")  # not by the wheel, which scrolls what it is over
    tab.page.wait_for_function(
        "window.scrollY > 300 && document.querySelector('.progressDiv')?.getBoundingClientRect().top >= 0"
    )
    wait_until_says(other, "In queue: 1")
    other.page.click(f"#{TAB}_interrupt")
    other.finish(TAB)
    wait_until_seen(other, f"{TAB}_status", "was taken out of the queue before it was begun")
    tab.page.wait_for_function("/Sampling/.test(document.querySelector('.progressDiv')?.textContent)")

    for setting, value in (("num_steps", 3), ("num_frames", 5)):
        other.write(f"{TAB}_{setting}", value)
    wait_until_says(other, "In queue: 1")
    tab.page.click(f"#{TAB}_interrupt")
    tab.finish(TAB)
    wait_until_seen(tab, f"{TAB}_status", "was stopped")
    other.finish(TAB)
    wait_until_seen(other, f"{TAB}_status", "5 frames of 96x64")
    assert "Steps: 3" in other.read(f"{TAB}_infotext")
    other.page.close()


def wait_until_says(tab, text):
    """Press Generate, and wait until the bar says so."""
    tab.generate(TAB)
    tab.page.wait_for_function("text => document.querySelector('.progressDiv')?.textContent.includes(text)", arg=text)


def test_without_a_picture_a_sentence_says_so(on):
    on.open(TAB)
    on.page.click(f"#{TAB}_generate")
    wait_until_seen(on, f"{TAB}_status", "There is no picture yet")
    on.finish(TAB)


def test_sv3d_has_controls_of_its_own(on):
    on.open(TAB)
    assert not on.see(f"#{TAB}_elevation").is_visible()
    wait_for(lambda: "svd_xt" in on.read(f"{TAB}_checkpoint"), 30, lambda: on.read(f"{TAB}_checkpoint"))
    on.choose(f"{TAB}_checkpoint", "sv3d_p")
    on.page.wait_for_selector(f"#{TAB}_elevation", state="visible")
    on.choose(f"{TAB}_checkpoint", "svd_xt")
    on.page.wait_for_selector(f"#{TAB}_elevation", state="hidden")


@pytest.mark.parametrize("source", ["txt2img", "img2img", "extras"])
def test_a_gallery_sends_its_picture_to_the_tab(on, picture, source):
    on.open(source)
    if source != "txt2img":
        on.upload(f"{source}_image", picture)
    if source != "extras":
        run_picture_job(on, source)
    on.generate(source)
    on.finish(source)
    made = on.get_picture(f"{source}_gallery").size
    on.page.click(f"#{source}_send_to_{TAB}")
    assert on.get_picture(f"{TAB}_picture").size == made
    assert on.shown_tab() == TAB


def test_the_history_plays_and_restores_a_clip_and_what_is_sent_comes_before_it(tab, picture):
    history = f"#{TAB}_tabs > .tab-nav button:has-text('History')"
    tab.generate(TAB)
    tab.finish(TAB)
    made = tab.read(f"{TAB}_infotext")
    tab.write(f"{TAB}_motion_bucket_id", 33)
    tab.page.click(history)
    tab.page.wait_for_function("document.querySelector('.svd-card video')?.readyState > 0")
    tab.page.locator(".svd-card").first.click()
    tab.page.click(f"#{TAB}_history_restore")
    tab.page.wait_for_selector(f"#{TAB}_generate", state="visible")
    wait_for(lambda: tab.read(f"{TAB}_motion_bucket_id") != "33", 30, lambda: "motion is not restored")
    assert tab.read(f"{TAB}_infotext") == made
    tab.page.click(history)
    tab.page.wait_for_selector(f"#{TAB}_picture", state="hidden")
    tab.open("extras")
    tab.upload("extras_image", picture)
    tab.generate("extras")
    tab.finish("extras")
    tab.page.click(f"#extras_send_to_{TAB}")
    tab.page.wait_for_selector(f"#{TAB}_picture", state="visible")


def test_frames_go_back_to_other_tabs_and_into_the_tab_again(tab):
    tab.generate(TAB)
    tab.finish(TAB)
    tab.page.wait_for_selector(f"#{TAB}_gallery img")
    for target in ("img2img", "extras"):
        tab.open(TAB)
        tab.page.click(f"#{TAB}_send_to_{target}")
        assert tab.get_picture(f"{target}_image").size == (96, 64)
        assert tab.shown_tab() == target
    tab.open(TAB)
    assert tab.get_picture(f"{TAB}_picture").size == (150, 100)
    tab.page.click(f"#{TAB}_continue")
    wait_for(lambda: tab.get_picture(f"{TAB}_picture").size == (96, 64), 30, lambda: "the picture stays")


def test_pictures_are_animated_where_it_is_switched_on(on, webui):
    run_picture_job(on, "txt2img")
    on.write("txt2img_batch_count", 2)
    on.generate("txt2img")
    on.finish("txt2img")
    assert on.see("#txt2img_svd_clips video").count() == 0
    on.unfold("txt2img_svd", "txt2img_svd_enable")
    corner = "button => getComputedStyle(button).borderTopLeftRadius"
    assert on.page.eval_on_selector("#txt2img_svd_speed_best", corner) != "0px"  # scripts stand in a group
    on.page.check("#txt2img_svd_enable input")
    wait_for(lambda: on.read("txt2img_svd_num_frames") == "5", 30, lambda: on.read("txt2img_svd_checkpoint"))
    before = set((webui.data / "outputs" / "svd").rglob("*.mp4"))
    on.generate("txt2img")
    on.finish("txt2img")
    on.check_playing("txt2img_svd_clips")
    assert on.see("#txt2img_svd_clips video").count() in (2, 4)  # gradio 3 gives an id twice
    assert len(on.list_pictures("txt2img")) == 3  # and none of the grid
    assert "SVD steps: 3" in on.list_pictures("txt2img")[1].info["parameters"]
    clips = set((webui.data / "outputs" / "svd").rglob("*.mp4")) - before
    assert len(clips) == 2
    assert all("SVD picture: " in clip.with_suffix(".txt").read_text() for clip in clips)


NO_TIME = """
from types import SimpleNamespace

from modules import call_queue

call_queue.time = SimpleNamespace(perf_counter=lambda: 0.0)
"""


def test_two_jobs_that_take_as_long_each_show_their_own_clip(webui, tmp_path, picture, blank):
    (tmp_path / "same" / "scripts").mkdir(parents=True)
    (tmp_path / "same" / "scripts" / "same.py").write_text(NO_TIME)
    data = tmp_path / "data"
    shutil.copytree(webui.data / "models", data / "models")
    with serve(webui.host, data, tmp_path / "same", ROOT) as running:
        blank.goto(running.address)
        on = Driver(blank)
        run_picture_job(on, "txt2img")
        on.unfold("txt2img_svd", "txt2img_svd_enable")
        on.page.check("#txt2img_svd_enable input")
        wait_for(lambda: on.read("txt2img_svd_num_frames") == "5", 30, lambda: on.read("txt2img_svd_checkpoint"))
        shown = []
        for seed in (7, 8):
            on.write("txt2img_seed", seed)
            on.generate("txt2img")
            on.finish("txt2img")
            on.page.wait_for_function(
                "was => ![null, undefined, was].includes(document.querySelector('#txt2img_svd_clips video')?.src)",
                arg=shown[-1] if shown else None,
            )
            shown.append(on.page.eval_on_selector("#txt2img_svd_clips video", "video => video.src"))
            assert "0.0 sec." in on.read_text("html_log_txt2img")


def test_a_plot_over_a_setting_makes_a_clip_for_each_value(on):
    run_picture_job(on, "txt2img")
    on.choose("tab_txt2img #script_list", "X/Y/Z plot")
    plot = "script_txt2img_xyz_plot"
    on.page.wait_for_selector(f"#{plot}_x_type", state="visible")
    on.choose(f"{plot}_x_type", "[SVD] Motion")
    on.write(f"{plot}_x_values", "60, 90")
    on.generate("txt2img")
    on.finish("txt2img")
    wait_until_seen(on, "txt2img_svd_clips", "switch on Animate with SVD")
    on.unfold("txt2img_svd", "txt2img_svd_enable")
    on.page.check("#txt2img_svd_enable input")
    wait_for(lambda: on.read("txt2img_svd_num_frames") == "5", 30, lambda: on.read("txt2img_svd_checkpoint"))
    on.generate("txt2img")
    on.finish("txt2img")
    on.check_playing("txt2img_svd_clips")
    assert on.see("#txt2img_svd_clips video").count() in (2, 4)  # gradio 3 gives an id twice
    infotexts = [picture.info["parameters"] for picture in on.list_pictures("txt2img")[1:]]
    assert ["SVD motion: 60" in infotexts[0], "SVD motion: 90" in infotexts[1]] == [True, True]


def test_a_page_at_rest_asks_the_server_for_nothing(on):
    run_picture_job(on, "txt2img")
    on.generate("txt2img")
    on.finish("txt2img")
    asked = []
    on.page.on("request", lambda request: asked.append(request.url))

    def is_nothing_asked() -> bool:
        asked.clear()
        on.page.wait_for_timeout(3000)
        return asked == []

    wait_for(is_nothing_asked, 60, lambda: f"asked for {asked}")


def test_png_info_gives_settings_back_to_accordion_and_tab(on, webui, tmp_path):
    answer = webui.ask("/sdapi/v1/txt2img", {**SMALL, "alwayson_scripts": {"svd": {"args": [SVD]}}})
    (tmp_path / "picture.png").write_bytes(b64decode(answer["images"][0]))
    on.open("pnginfo")
    on.upload("pnginfo_image", tmp_path / "picture.png")
    wait_until_seen(on, "pnginfo_html2", "SVD motion: 60")
    on.page.click("#txt2img_tab")
    wait_for(lambda: on.read("txt2img_prompt") == "a hill", 30, lambda: on.read("txt2img_prompt"))
    on.unfold("txt2img_svd", "txt2img_svd_enable")
    wait_for(lambda: on.page.is_checked("#txt2img_svd_enable input"), 30, lambda: "it stays off")
    wait_for(lambda: on.read("txt2img_svd_motion_bucket_id") == "60", 30, lambda: on.read("txt2img_svd_num_steps"))
    on.open("pnginfo")
    on.page.click(f"#pnginfo_send_to_{TAB}")
    assert on.get_picture(f"{TAB}_picture").size == (96, 64)
    motion = f"{TAB}_motion_bucket_id"
    wait_for(lambda: on.read(motion) == "60", 30, lambda: on.read(motion))


def test_the_api_runs_a_plot(webui):
    (plot,) = [
        script
        for script in webui.ask("/sdapi/v1/script-info")
        if script["name"] == "x/y/z plot" and not script["is_img2img"]
    ]
    motion = plot["args"][0]["choices"].index("[SVD] Motion")
    given = [motion, "60, 90", [], 0, "", [], 0, "", []]
    sent = {**SMALL, "script_name": "x/y/z plot", "script_args": given, "alwayson_scripts": {"SVD": {"args": [SVD]}}}
    info = json.loads(webui.ask("/sdapi/v1/txt2img", sent)["info"])
    assert len(info["extra_generation_params"]["SVD clips"]) == 2
    assert ["SVD motion: 60" in info["infotexts"][1], "SVD motion: 90" in info["infotexts"][2]] == [True, True]


@pytest.mark.parametrize("part", ["txt2img", "img2img"])
def test_the_api_gives_pictures_and_clips(webui, part):
    sent = {**SMALL, "alwayson_scripts": {"SVD": {"args": [SVD]}}}
    if part == "img2img":
        sent["init_images"] = webui.ask("/sdapi/v1/txt2img", SMALL)["images"]
    answer = webui.ask(f"/sdapi/v1/{part}", sent)
    assert len(answer["images"]) == 2
    assert b64decode(answer["images"][1])[4:8] == b"ftyp"
    assert "SVD steps: 3" in json.loads(answer["info"])["infotexts"][0]


def test_pictures_are_kept_where_they_cannot_be_animated(on, webui):
    sent = {**SMALL, "alwayson_scripts": {"SVD": {"args": [{"checkpoint": "nowhere.safetensors"}]}}}
    answer = webui.ask("/sdapi/v1/txt2img", sent)
    assert len(answer["images"]) == 1
    assert "nowhere.safetensors" in answer["info"]
    run_picture_job(on, "txt2img")
    on.unfold("txt2img_svd", "txt2img_svd_enable")
    on.page.check("#txt2img_svd_enable input")
    wait_for(lambda: on.read("txt2img_svd_num_frames") == "5", 30, lambda: on.read("txt2img_svd_checkpoint"))
    hidden = webui.data / "models" / "svd" / "svd_xt.safetensors"
    hidden.rename(hidden.with_suffix(".away"))
    try:
        on.generate("txt2img")
        on.finish("txt2img")
    finally:
        hidden.with_suffix(".away").rename(hidden)
    assert on.get_picture("txt2img_gallery").size == (96, 64)
    wait_until_seen(on, "html_log_txt2img", "Animate with SVD")


def test_after_reload_ui_there_is_one_tab_and_it_works(on, webui, picture, complaints):
    before = webui.ask("/probe/state")["started"]
    on.reload_ui()
    complaints.clear()  # gradio was surprised
    assert webui.ask("/probe/state")["started"] > before
    assert [name.strip() for name in on.see("#tabs > .tab-nav > button").all_inner_texts()].count("SVD") == 1
    on.open(TAB)
    on.upload(f"{TAB}_picture", picture)
    on.page.wait_for_selector(f"#{TAB}_seen img")
    on.generate(TAB)
    on.finish(TAB)
    on.check_playing(f"{TAB}_clip")


def test_a_tab_that_cannot_be_built_leaves_the_web_ui_alone(webui, tmp_path):
    copy = tmp_path / "svd"
    for part in ("scripts", "lib_svd", "javascript"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "preload.py", copy)
    broken = copy / "lib_svd" / "ui" / "tab.py"
    begin = "    with gr.Blocks("
    broken.write_text(broken.read_text("utf-8").replace(begin, f"    raise OSError('no')\n{begin}"))
    data = tmp_path / "host"
    data.mkdir()
    with serve(webui.host, data, copy) as running:
        assert "could not be built" in running.log()
        config = json.dumps(running.ask("/config"))
        assert "tab_txt2img" in config
        assert "The SVD tab could not be built (OSError: no): the log has more." in config
        assert "svd_clip_generate" not in config
        assert len(running.ask("/sdapi/v1/txt2img", SMALL)["images"]) == 1
