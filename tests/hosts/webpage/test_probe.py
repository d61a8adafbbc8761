"""The test host itself, by an extension that does one of each thing."""

from __future__ import annotations

import io
import json
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from tests.hosts.webpage.conftest import ROOT, wait_for
from tests.hosts.webpage.driver import Driver


def choose_small(on: Driver, part: str, steps: int = 6) -> None:
    on.write(f"{part}_width", 64)
    on.write(f"{part}_height", 64)
    on.write(f"{part}_steps", steps)
    on.write(f"{part}_seed", 7)


def open_probe_script(on: Driver, part: str) -> None:
    on.see(f"#script_{part}_probe_script_accordion").get_by_text("Probe script").first.click()
    on.page.wait_for_selector(f"#script_{part}_probe_script_on", state="visible")


def test_the_page_has_every_tab_but_the_one_that_cannot_be_built(on, webui):
    tabs = on.see("#tabs > .tab-nav > button").all_inner_texts()
    assert [tab.strip() for tab in tabs][:4] == ["Txt2img", "Img2img", "Extras", "PNG Info"]
    assert "Probe" in [tab.strip() for tab in tabs]
    assert "ui_tabs of" in webui.log()


def test_txt2img_makes_a_picture_and_shows_progress(on, webui):
    choose_small(on, "txt2img", steps=60)
    on.write("txt2img_prompt", "a hill")
    on.generate("txt2img")
    on.page.wait_for_function("/\\d+%/.test(document.querySelector('.progressDiv')?.textContent)")
    on.page.wait_for_selector("#txt2img_gallery .livePreview img")
    on.finish("txt2img")
    shown = on.get_picture("txt2img_gallery")
    assert shown.size == (64, 64)
    assert shown.info["parameters"].startswith("a hill\nSteps: 60, Sampler: Euler a")
    assert "Seed: 7" in on.page.inner_text("#html_info_txt2img")
    assert len(list((webui.data / "outputs" / "txt2img-images").rglob("*.png"))) >= 1


@pytest.mark.parametrize("how", ["button", "key"])
def test_interrupt_ends_a_job(on, webui, how):
    made = set((webui.data / "outputs" / "txt2img-images").rglob("*.png"))
    choose_small(on, "txt2img", steps=150)
    on.write("txt2img_batch_count", 16)
    on.generate("txt2img")
    # A web UI forgets an interrupt that comes before the job has begun, and the bar is there before that.
    on.page.wait_for_function("/\\d+%/.test(document.querySelector('.progressDiv')?.textContent)")
    if how == "button":
        on.page.click("#txt2img_interrupt")
    else:
        on.page.keyboard.press("Escape")
    on.finish("txt2img", 90)
    after = set((webui.data / "outputs" / "txt2img-images").rglob("*.png"))
    assert len(after - made) < 16


def test_several_pictures_have_a_grid_before_them_and_scripts_add_more(on):
    choose_small(on, "txt2img")
    on.write("txt2img_batch_count", 2)
    open_probe_script(on, "txt2img")
    on.page.check("#script_txt2img_probe_script_on input")
    on.write("script_txt2img_probe_script_note", "of mine, here")
    on.generate("txt2img")
    on.finish("txt2img")
    log = on.log("txt2img")
    assert "turned 7: before_process, process, sampling ['c', 'noise', 'uc', 'x'], image 0, sampling" in log
    shown = on.list_pictures("txt2img")
    assert len(shown) == 4
    assert shown[0].size == (128, 64)
    assert 'Probe note: "of mine, here"' in shown[1].info["parameters"]
    turned = np.asarray(shown[1].rotate(180).convert("RGB"), int)
    assert np.abs(turned - np.asarray(shown[3].convert("RGB"), int)).max() <= 2


def test_a_tab_of_an_extension_runs_jobs_with_a_preview(on, picture):
    on.open("probe")
    on.upload("probe_image", picture)
    on.generate("probe")
    on.page.wait_for_selector("#probe_gallery .livePreview img")
    on.page.wait_for_function("document.querySelector('.progressDiv')?.textContent.includes('Counting')")
    on.page.keyboard.press("Escape")
    on.finish("probe")
    assert "interrupted word" in on.log("probe")
    assert on.get_picture("probe_gallery").size == (150, 100)


def test_an_error_of_a_job_is_shown(on):
    on.open("probe")
    on.write("probe_word", "fail")
    on.generate("probe")
    on.finish("probe")
    assert "ValueError: as was asked <for>" in on.log("probe")


def test_a_picture_goes_from_a_gallery_to_other_tabs(on):
    choose_small(on, "txt2img")
    on.generate("txt2img")
    on.finish("txt2img")
    on.page.wait_for_selector("#txt2img_gallery img")
    for button, tab, element in (
        ("txt2img_send_to_probe", "probe", "probe_image"),
        ("txt2img_send_to_img2img", "img2img", "img2img_image"),
        ("txt2img_send_to_extras", "extras", "extras_image"),
    ):
        on.open("txt2img")
        on.page.click(f"#{button}")
        assert on.get_picture(element).size == (64, 64)
        assert on.shown_tab() == tab


def test_img2img_and_extras_make_pictures_of_pictures(on, picture):
    on.open("img2img")
    choose_small(on, "img2img")
    on.upload("img2img_image", picture)
    on.generate("img2img")
    on.finish("img2img")
    assert on.get_picture("img2img_gallery").size == (64, 64)
    on.page.click("#img2img_send_to_extras")
    on.page.wait_for_selector("#extras_image img")
    on.generate("extras")
    on.finish("extras")
    assert on.get_picture("extras_gallery").size == (128, 128)


def test_png_info_gives_settings_back_to_controls(on, webui, tmp_path):
    sent = {"prompt": "kept", "steps": 3, "width": 64, "height": 64, "seed": 99}
    sent["alwayson_scripts"] = {"PROBE SCRIPT": {"args": [True, "once more"]}}
    (tmp_path / "picture.png").write_bytes(b64decode(webui.ask("/sdapi/v1/txt2img", sent)["images"][0]))
    on.open("pnginfo")
    on.upload("pnginfo_image", tmp_path / "picture.png")
    on.page.wait_for_function("document.querySelector('#pnginfo_html2').innerText.includes('once more')")
    on.page.click("#pnginfo_send_to_probe")
    on.page.wait_for_selector("#probe_image img")
    wait_for(lambda: on.read("probe_seed") == "99", 30, lambda: on.read("probe_seed"))
    on.open("pnginfo")
    on.page.click("#txt2img_tab")
    wait_for(lambda: on.read("txt2img_prompt") == "kept", 30, lambda: on.read("txt2img_prompt"))
    open_probe_script(on, "txt2img")
    assert on.read("script_txt2img_probe_script_note") == "once more"
    assert on.page.is_checked("#script_txt2img_probe_script_on input")


def test_the_api_runs_scripts_and_passes_strings_through(webui):
    sent = {"prompt": "a", "steps": 2, "width": 64, "height": 64, "seed": 5, "save_images": False}
    answer = webui.ask("/sdapi/v1/txt2img", {**sent, "alwayson_scripts": {"probe SCRIPT": {"args": [True, "n"]}}})
    assert answer["images"][-1] == "aGVsbG8="
    assert len(answer["images"]) == 3
    assert json.loads(answer["info"])["infotexts"][0].endswith("Probe note: n, Version: stub")
    plain = webui.ask("/sdapi/v1/txt2img", sent)
    assert len(plain["images"]) == 1
    again = webui.ask("/sdapi/v1/img2img", {**sent, "init_images": plain["images"]})
    assert Image.open(io.BytesIO(b64decode(again["images"][0]))).size == (64, 64)
    told = webui.ask("/sdapi/v1/png-info", {"image": plain["images"][0]})
    assert told["parameters"]["Seed"] == "5"
    assert "probe script" in webui.ask("/sdapi/v1/scripts")["txt2img"]
    assert [each["name"] for each in webui.ask("/sdapi/v1/script-info")].count("probe script") == 2


def test_settings_are_shown_saved_and_read(on, webui):
    assert webui.ask("/probe/state")["flag"] == "none"
    on.open("settings")
    on.see("#settings > .tab-nav").get_by_text("Probe", exact=True).click()
    on.write("setting_probe_word", "changed")
    on.page.click("#settings_submit")
    on.page.wait_for_function("document.querySelector('#settings_result').innerText.includes('probe_word')")
    assert webui.ask("/probe/state")["word"] == "changed"
    assert json.loads((webui.data / "config.json").read_text())["probe_word"] == "changed"
    assert "probe_word" not in webui.ask("/sdapi/v1/options")


def test_reload_ui_runs_scripts_again_and_the_page_still_works(on, webui, complaints):
    before = webui.ask("/probe/state")["started"]
    on.reload_ui()
    complaints.clear()  # gradio was surprised
    assert webui.ask("/probe/state")["started"] > before
    choose_small(on, "txt2img")
    on.generate("txt2img")
    on.finish("txt2img")
    assert on.get_picture("txt2img_gallery").size == (64, 64)


def test_the_extension_is_found_where_hosts_look_for_it(webui):
    assert (webui.data / "extensions" / ROOT.name).resolve() == ROOT
