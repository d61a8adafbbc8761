"""The stand-alone page in a real browser, in the versions of gradio that web UIs have and in today's."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from lib_svd.infotext import read_infotext
from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from tests.browser.tab import (
    EVALUATIONS,
    FEW,
    choose,
    choose_long_clip,
    choose_model,
    choose_picture,
    delay_answers,
    find_part,
    generate,
    let_answers_come,
    open_history,
    read_request,
    read_shown,
    set_number,
    shoot,
    wait_for_change,
)

ROOT = Path(__file__).parents[2]

PLAYING = """async () => {
    const video = document.querySelector("#svd_clip_clip video");
    const moved = () => new Promise((done) => video.addEventListener("timeupdate", done, {once: true}));
    await moved();
    const first = video.currentTime;
    await moved();
    return {width: video.videoWidth, height: video.videoHeight, moved: video.currentTime !== first,
            loops: video.loop, paused: video.paused};
}"""

MIDDLE = """() => {
    const seen = document.querySelector("#svd_clip_seen img");
    const pen = new OffscreenCanvas(seen.naturalWidth, seen.naturalHeight).getContext("2d");
    pen.drawImage(seen, 0, 0);
    const {data, width, height} = pen.getImageData(0, 0, seen.naturalWidth, seen.naturalHeight);
    const dark = [...Array(width * height).keys()].filter((at) => data[4 * at + 2] < 128);
    const mean = (of) => dark.reduce((sum, at) => sum + of(at) + 0.5, 0) / dark.length;
    return [mean((at) => at % width) / width, mean((at) => Math.floor(at / width)) / height];
}"""
"""Where what is not white is in the picture that the model will see, as shares of it."""

HEIGHTS = """marks => new Set(marks.map((mark) => mark.getBoundingClientRect().top)).size"""


def test_a_picture_becomes_a_clip_that_plays_by_itself(tab, served, picture):
    choose_picture(tab, picture)
    generate(tab)
    find_part(tab, "clip", "video").scroll_into_view_if_needed()
    found = tab.evaluate(PLAYING)
    assert found == {"width": 96, "height": 64, "moved": True, "loops": True, "paused": False}
    expect(find_part(tab, "gallery", ".thumbnail-item")).to_have_count(5)
    assert read_request(tab).num_frames == 5
    assert "Seconds" in find_part(tab, "status").inner_text()
    newest = max(served.folder.glob("*.mp4"), key=lambda path: path.stat().st_mtime)
    assert ClipRequest.from_infotext(read_infotext(newest)) == read_request(tab)
    with tab.expect_download() as download:
        tab.get_by_text("Download clip").click()
    assert Path(download.value.path()).read_bytes() == newest.read_bytes()
    shoot(tab, "clip")


def test_a_new_user_sees_the_demo_move(tab_of_a_new_user, picture):
    tab = tab_of_a_new_user
    expect(find_part(tab, "checkpoint", "input")).to_have_value("Demo, 64 px: see how it works")
    expect(find_part(tab, "about")).to_contain_text("There is no SVD model yet")
    choose_picture(tab, picture)
    generate(tab)
    find_part(tab, "clip", "video").scroll_into_view_if_needed()
    found = tab.evaluate(PLAYING)
    assert (found["width"], found["height"], found["moved"]) == (80, 48, True)
    box = find_part(tab, "clip", "video").bounding_box()
    assert (box["width"], box["height"]) == (480, 288)
    shoot(tab, "demo")


def test_what_is_pressed_before_the_models_are_there_waits_for_them(blank, served_to_a_new_user, picture):
    """The list comes when all else is on the page already, as it does where a disk is slow."""
    expect.set_options(timeout=60_000)
    held: list[Route] = []
    blank.route("**/run/predict*", lambda route: held.append(route))
    blank.goto(served_to_a_new_user.address)
    find_part(blank, "picture", "input[type=file]").set_input_files(picture)
    expect(find_part(blank, "picture", "img")).to_be_visible()
    find_part(blank, "generate").click()
    find_part(blank, "generate").click()
    blank.wait_for_timeout(500)
    assert find_part(blank, "about", "b").count() == 0
    blank.route("**/run/predict*", lambda route: route.continue_())
    for request in held:
        request.continue_()
    expect(find_part(blank, "seen", "img")).to_be_visible()
    expect(find_part(blank, "infotext", "textarea")).to_have_value(re.compile("SVD checkpoint: demo.safetensors"))
    assert len([*served_to_a_new_user.folder.glob("*.mp4")]) == 1
    assert blank.get_by_text("not in the list of choices").count() == 0


def test_a_clip_is_reviewed_one_change_is_applied_and_notes_are_kept(tab_of_a_new_user, served_to_a_new_user):
    """The demo at motion 200 is said to be too chaotic: 75 is tried with the same seed and nothing else changed."""
    tab = tab_of_a_new_user
    expect(find_part(tab, "review")).to_be_hidden()
    choose_picture(tab, ROOT / "examples" / "lighthouse.jpg")
    set_number(tab, "motion_bucket_id", 200)
    set_number(tab, "seed", 5)
    set_number(tab, "num_steps", FEW)
    generate(tab)
    first = read_request(tab)
    expect(find_part(tab, "measures")).to_contain_text("the camera moves")
    assert_marks_in_one_row(tab)
    expect(find_part(tab, "measures", "svg")).not_to_have_count(0)
    choose(tab, "wrong", "too chaotic")
    expect(find_part(tab, "advice")).to_contain_text("You said: too chaotic. Set Motion to 75.")
    find_part(tab, "note", "input, textarea").last.fill("the tower bends")
    find_part(tab, "mark_motion").get_by_text("2", exact=True).click()
    find_part(tab, "keep").click()
    expect(find_part(tab, "kept")).to_contain_text("Kept.")
    shoot(tab, "review")
    before = find_part(tab, "infotext", "textarea").input_value()
    find_part(tab, "apply").click()
    expect(find_part(tab, "infotext", "textarea")).not_to_have_value(before)
    assert read_request(tab) == first.replace(motion_bucket_id=75)
    newest = history.read_entries(served_to_a_new_user.folder)
    assert [each.settings["motion_bucket_id"] for each in newest[:2]] == [75, 200]
    assert (newest[1].marks, newest[1].note) == ({"motion": 2}, "the tower bends")
    assert newest[0].measures["flow"] < 0.7 * newest[1].measures["flow"]
    expect(find_part(tab, "note", "input, textarea").last).to_have_value("")


def assert_marks_in_one_row(tab: Page) -> None:
    for width in (700, 1400):
        tab.set_viewport_size({"width": width, "height": 1000})
        for name in history.MARKED:
            marks = tab.locator(f"#svd_clip_mark_{name} label:has(input):visible")
            assert (marks.count(), marks.evaluate_all(HEIGHTS)) == (5, 1)


def test_several_changes_since_the_last_clip_are_said_and_one_is_kept(tab_of_a_new_user):
    tab = tab_of_a_new_user
    choose_picture(tab, ROOT / "examples" / "lighthouse.jpg")
    set_number(tab, "seed", 5)
    set_number(tab, "num_steps", FEW)
    generate(tab)
    changes_said = find_part(tab, "changes")
    expect(find_part(tab, "measures")).to_contain_text("Speed")
    with delay_answers(tab):
        set_number(tab, "motion_bucket_id", 60)
    set_number(tab, "fps", 12)
    let_answers_come(tab)
    expect(changes_said).to_contain_text("you changed FPS and Motion")
    shoot(tab, "changes")
    choose(tab, "changes_kept", "Motion")
    find_part(tab, "changes_keep").click()
    expect(find_part(tab, "fps", "input[type=number]")).to_have_value("7")
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_have_value("60")
    expect(changes_said).not_to_be_visible()
    set_number(tab, "num_steps", 20)
    expect(changes_said).to_be_visible()
    find_part(tab, "generate").click()
    expect(tab.locator(".progressDiv")).to_contain_text("Sampling")
    expect(changes_said).not_to_be_visible()
    expect(find_part(tab, "generate")).to_be_visible()
    find_part(tab, "random_seed").click()
    set_number(tab, "num_steps", 4)
    expect(changes_said).to_contain_text("you changed Steps, and the seed will be drawn anew")
    find_part(tab, "continue").click()
    expect(changes_said).not_to_be_visible()


def test_one_setting_is_swept_in_one_job_and_each_clip_is_shown_when_it_is_chosen(tab_of_a_new_user):
    tab = tab_of_a_new_user
    choose_picture(tab, ROOT / "examples" / "lighthouse.jpg")
    set_number(tab, "seed", 5)
    find_part(tab, "sweep").get_by_text("Sweep: one setting").click()
    find_part(tab, "values", "input, textarea").last.fill("20, 75, 200")
    before = find_part(tab, "infotext", "textarea").input_value()
    find_part(tab, "sweep_all").click()
    expect(tab.locator(".progressDiv")).to_contain_text(re.compile(r"Clip [23] of 3: \S+ \d+/\d+: \d+ %.* left"))
    expect(find_part(tab, "infotext", "textarea")).not_to_have_value(before)
    expect(find_part(tab, "sweep_table", "th a")).to_have_text(["20", "75", "200"])
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"sweep-svd-0001\.mp4"))
    expect(find_part(tab, "review")).to_be_hidden()
    shoot(tab, "sweep")
    tab.wait_for_timeout(1000)
    expect(find_part(tab, "status")).to_contain_text("Time taken")
    find_part(tab, "sweep_shown").get_by_text("200", exact=True).click()
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"sweep-svd-0001-200\.mp4"))
    expect(find_part(tab, "measures")).to_contain_text("the camera moves")
    assert read_request(tab).motion_bucket_id == 200
    shoot(tab, "swept")
    set_number(tab, "num_steps", FEW)
    generate(tab)
    expect(find_part(tab, "sweep_shown", "input:checked")).to_have_count(0)
    find_part(tab, "sweep_shown").get_by_text("200", exact=True).click()
    expect(find_part(tab, "clip", "video")).to_have_attribute("src", re.compile(r"sweep-svd-0001-200\.mp4"))


def test_a_preset_is_where_a_clip_begins_and_is_there_when_the_page_loads_again(tab_of_a_new_user):
    tab = tab_of_a_new_user
    choose(tab, "preset", "Product")
    expect(find_part(tab, "preset_reason")).to_contain_text("The thing must stay what it is")
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_have_value("40")
    shoot(tab, "preset")
    tab.reload()
    expect(find_part(tab, "about")).to_contain_text("made for 8 frames of 64x64")
    expect(find_part(tab, "preset", "input")).to_have_value("Product")
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_have_value("40")
    expect(find_part(tab, "num_steps", "input[type=number]")).to_have_value("10")


def test_a_model_brings_its_own_values_and_what_was_changed_stays(tab, served):
    choose_model(tab, "svd_xt")
    expect(find_part(tab, "about")).to_contain_text("Stable Video Diffusion XT")
    expect(find_part(tab, "orbit")).not_to_be_visible()
    set_number(tab, "fps", 12)
    choose_model(tab, "sv3d_p")
    expect(find_part(tab, "orbit")).to_be_visible()
    expect(find_part(tab, "max_guidance", "input[type=number]")).to_have_value("2.5")
    expect(find_part(tab, "fps", "input[type=number]")).to_have_value("12")
    shoot(tab, "sv3d")


def test_sv3d_sees_the_object_of_a_transparent_picture_in_the_middle(tab, served, tmp_path):
    thing = Image.new("RGBA", (320, 160), (0, 0, 0, 0))
    thing.paste((230, 120, 20, 255), (20, 60, 80, 120))
    thing.save(tmp_path / "thing.png")
    choose_picture(tab, tmp_path / "thing.png")
    choose_model(tab, "svd_xt")
    expect(find_part(tab, "cut_out")).not_to_be_visible()
    choose_model(tab, "sv3d_p")
    expect(find_part(tab, "seen_note")).to_contain_text(
        "was cut out by its own transparency and centred; it fills 92 %"
    )
    tab.wait_for_function("() => document.querySelector('#svd_clip_seen img')?.naturalWidth")
    assert tab.evaluate(MIDDLE) == pytest.approx([0.5, 0.5], abs=0.05)
    set_number(tab, "object_fill", 0.5)
    expect(find_part(tab, "seen_note")).to_contain_text("it fills 50 %")
    for name, text in (("elevation", "0, 30"), ("orbit", "dynamic")):
        find_part(tab, name, "input, textarea").fill(text)
    find_part(tab, "generate").click()
    expect(find_part(tab, "status")).to_contain_text("set Elevation to one number from -45 to 45")
    find_part(tab, "elevation", "input, textarea").fill("20")
    generate(tab)
    asked = read_request(tab)
    assert (asked.elevation, asked.orbit, asked.object_fill) == (20, "dynamic", 0.5)
    shoot(tab, "object")


def test_the_model_is_remembered_after_a_reload(tab):
    for name, title in (("sv3d_p", "Stable Video 3D"), ("svd_image_decoder", "image decoder")):
        choose_model(tab, name)
        expect(find_part(tab, "about")).to_contain_text(title)
        tab.reload()
        expect(find_part(tab, "about")).to_contain_text(title)


CUT_OFF = """() => Array.from(document.querySelectorAll(".svd-row input[type=number]")).filter((field) => {
    const [own, block] = [field.getBoundingClientRect(), field.closest(".block").getBoundingClientRect()];
    return own.width > 0 && (own.right > block.right || own.left < block.left);
}).map((field) => field.closest("[id^=svd_clip_]").id)"""


@pytest.mark.parametrize("width", [1400, 700])
def test_no_number_is_cut_off(tab, width):
    tab.set_viewport_size({"width": width, "height": 1000})
    find_part(tab, "more").get_by_text("More settings").click()
    expect(find_part(tab, "guidance_high", "input[type=number]")).to_be_visible()
    assert tab.evaluate(CUT_OFF) == []


def test_a_seed_is_reused_and_drawn_again(tab, picture):
    choose_picture(tab, picture)
    generate(tab)
    find_part(tab, "reuse_seed").click()
    seed = find_part(tab, "seed", "input")
    expect(seed).to_have_value(str(read_request(tab).seed))
    find_part(tab, "random_seed").click()
    expect(seed).to_have_value("-1")


def test_a_clip_goes_on_from_the_last_frame_and_from_a_chosen_one(tab, served, picture, tmp_path):
    choose_picture(tab, picture)
    find_part(tab, "with_frames", "input").check()
    generate(tab)
    newest = max(served.folder.glob("*.mp4"), key=lambda path: path.stat().st_mtime).with_suffix("")
    frames = sorted(newest.glob("*.png"))
    assert len(frames) == 5
    before = read_shown(tab, "picture")
    find_part(tab, "continue").click()
    wait_for_change(tab, "picture", before)
    assert is_same_picture(tab, frames[-1], tmp_path)
    height, below = measure_gallery(tab)
    assert below < 20
    with tab.expect_response("**/run/predict*"):  # the choice has nothing to show for itself
        find_part(tab, "gallery", ".thumbnail-item").nth(1).click()
    assert measure_gallery(tab)[0] == height
    before = read_shown(tab, "picture")
    find_part(tab, "continue").click()
    wait_for_change(tab, "picture", before)
    assert is_same_picture(tab, frames[1], tmp_path)


def measure_gallery(tab: Page) -> tuple[float, float]:
    """Pixels of the whole, and of what is empty below the last frame."""
    whole, last = (
        find_part(tab, "gallery").bounding_box(),
        find_part(tab, "gallery", ".thumbnail-lg").last.bounding_box(),
    )
    return whole["height"], whole["y"] + whole["height"] - last["y"] - last["height"]


def is_same_picture(tab: Page, frame: Path, folder: Path) -> bool:
    """Whether the tab's picture has the very pixels of a file."""
    script = """async () => {
        const shown = document.querySelector("#svd_clip_picture img");
        await shown.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [shown.naturalWidth, shown.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(shown, 0, 0);
        return [canvas.width, canvas.height, ...context.getImageData(0, 0, canvas.width, canvas.height).data];
    }"""
    width, height, *pixels = tab.evaluate(script)
    wanted = np.asarray(Image.open(frame).convert("RGB"))
    return np.array_equal(np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3], wanted)


@pytest.mark.parametrize("how", ["button", "escape"])
def test_a_clip_is_stopped(tab, served, picture, how):
    choose_long_clip(tab, picture)
    clips = len(list(served.folder.glob("*.mp4")))
    find_part(tab, "generate").click()
    expect(tab.locator(".progressDiv")).to_contain_text(re.compile(rf"Sampling \d+/{EVALUATIONS}: \d+ %.* left"))
    expect(tab.locator(".livePreview")).to_be_visible()
    preview, room = tab.locator(".livePreview").bounding_box(), find_part(tab, "gallery").bounding_box()
    assert preview["height"] <= room["height"]
    if how == "button":
        shoot(tab, "progress")
        find_part(tab, "interrupt").click()
    else:
        tab.keyboard.press("Escape")
    expect(find_part(tab, "status")).to_contain_text("was stopped")
    expect(find_part(tab, "generate")).to_be_visible()
    expect(tab.locator(".progressDiv")).to_have_count(0)
    assert len(list(served.folder.glob("*.mp4"))) == clips


def test_progress_and_how_it_ended_are_shown_again_after_a_reload(tab, picture):
    choose_long_clip(tab, picture)
    load_again_meanwhile(tab)
    expect(tab.locator(".progressDiv")).to_contain_text("Sampling")
    tab.keyboard.press("Escape")
    expect(find_part(tab, "status")).to_contain_text("was stopped")
    expect(find_part(tab, "generate")).to_be_visible()
    expect(tab.locator(".progressDiv")).to_have_count(0)
    choose_picture(tab, picture)
    set_number(tab, "num_steps", 40)
    load_again_meanwhile(tab)
    expect(find_part(tab, "clip", "video")).to_be_visible(timeout=300_000)  # a busy machine takes minutes
    expect(find_part(tab, "status")).to_contain_text("5 frames of 96x64")
    expect(find_part(tab, "review")).to_be_visible()
    assert read_request(tab).num_steps == 40


def load_again_meanwhile(tab: Page) -> None:
    """Begin a clip, and load the page again while it is being made."""
    find_part(tab, "generate").click()
    expect(tab.locator(".progressDiv")).to_contain_text("Sampling")
    tab.reload()


def test_the_bar_never_goes_back(tab, picture):
    choose_picture(tab, picture)
    set_number(tab, "num_steps", 40)
    tab.evaluate("""() => {
        window.shares = [];
        new MutationObserver(() => {
            const bar = document.querySelector(".progressDiv .progress");
            if (bar) window.shares.push(parseFloat(bar.style.transform.slice("scaleX(".length)) || 0);
        }).observe(document.body, {subtree: true, childList: true, attributes: true});
    }""")
    generate(tab)
    shares = tab.evaluate("() => window.shares")
    assert len(set(shares)) > 3
    assert shares == sorted(shares)


def test_what_cannot_be_done_is_said_in_a_sentence(tab, picture):
    tab.keyboard.press("Control+Enter")
    status = find_part(tab, "status", ".error")
    expect(status).to_have_text(re.compile("^There is no picture yet: "))
    choose_picture(tab, picture)
    set_number(tab, "min_guidance", 9)
    find_part(tab, "generate").click()
    expect(status).to_have_text(re.compile("^Guidance must not fall"))
    expect(find_part(tab, "generate")).to_be_visible()


def test_a_picture_that_cannot_be_used_is_told_from_one_that_can(tab, tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "icon.png")
    find_part(tab, "picture", "input[type=file]").set_input_files(tmp_path / "icon.png")
    said = find_part(tab, "seen_note", ".error")
    expect(said).to_contain_text("choose a larger picture")
    expect(said).to_have_css("font-weight", "600")


def test_what_is_no_picture_is_a_sentence_on_the_page_and_nothing_in_the_log(tab, served, picture, tmp_path):
    whole = picture.read_bytes()
    files = {"dog.jpg": b"no picture at all", "cut.png": whole[: len(whole) // 2], "dog.svg": b"<svg></svg>"}
    before = served.log.read_text()
    statuses: list[int] = []
    tab.on("response", lambda answer: statuses.append(answer.status))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        find_part(tab, "picture", "input[type=file]").set_input_files(tmp_path / name)
        said = find_part(tab, "seen_note", ".error")
        expect(said).to_contain_text(re.compile(f"({re.escape(name)}|The picture) is "))
        assert "/" not in said.inner_text()
        find_part(tab, "generate").click()
        expect(find_part(tab, "status", ".error")).to_have_text(said.inner_text())
        expect(find_part(tab, "generate")).to_be_visible()
        tab.reload()
        expect(find_part(tab, "about")).to_contain_text("made for 5 frames")
    assert [status for status in statuses if status >= 400] == []
    assert "Traceback" not in served.log.read_text()[len(before) :]


def test_nothing_is_asked_of_other_sites(tab, served, picture):
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.reload()
    expect(find_part(tab, "about")).to_contain_text("made for 5 frames")
    choose_picture(tab, picture)
    generate(tab)
    open_history(tab)
    strange = re.compile(r"^(?!data:|blob:)(?!(http|ws)://127\.0\.0\.1:)")
    assert len(asked) > 10
    assert [url for url in asked if strange.search(url)] == []
    with urllib.request.urlopen(served.address, timeout=20) as answer:
        html = answer.read().decode()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self' ")
    assert re.findall(r'<(?:script|link)[^>]+(?:src|href)="(?:https?:)?//', html) == []


def test_only_the_folder_of_the_clips_is_served(served, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for route in ("file=", "gradio_api/file="):  # gradio 6 has none but the second, the others none but the first
        with pytest.raises(urllib.error.HTTPError, match=r"403|404"):
            urllib.request.urlopen(f"{served.address}/{route}{secret}", timeout=20)
