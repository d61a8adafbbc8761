"""What a user does in the SVD tab, after its first clip."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from lib_svd.request import ClipRequest
from tests.hosts.smoke.tried import SHORT, Tried

CARDS = "[...document.querySelectorAll('.svd-card')].map(card => card.dataset.clip)"
HISTORY = "#svd_clip_tabs > .tab-nav button >> text=History"


def a_preset_and_a_speed_move_the_controls(t: Tried) -> str:
    t.choose("#svd_clip_preset", "Product")
    t.sees("#svd_clip_preset_reason >> text=The thing must stay what it is")
    motion = t.number("motion_bucket_id")
    assert motion == 40, motion
    t.one("#svd_clip_speed_draft").click()
    t.waits_for("document.querySelector('#svd_clip_schedule input').value === 'Align Your Steps'")
    steps = t.number("num_steps")
    t.choose("#svd_clip_preset", "Baseline")
    t.sees("#svd_clip_preset_reason >> text=Where to begin")
    t.fill("svd_clip", num_frames=SHORT["num_frames"], num_steps=SHORT["num_steps"])
    return f"Product: motion {motion:.0f}; Draft: {steps:.0f} steps of Align Your Steps"


def the_crop_is_dragged(t: Tried) -> str:
    seen = "document.querySelector('#svd_clip_seen img').src"
    before = t.page.evaluate(seen)
    t.one("#svd_clip_shape_1_1").click()
    t.waits_for(f"was => {seen} !== was", before)
    t.settles()
    area, frame = (t.one(f".svd-crop-{part}").bounding_box() for part in ("area", "frame"))
    assert area is not None
    assert frame is not None
    assert frame["width"] == pytest.approx(frame["height"], rel=0.03), frame
    assert frame["height"] == pytest.approx(area["height"], rel=0.03), (frame, area)
    before = t.page.evaluate(seen)
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    t.page.mouse.move(x, y)
    t.page.mouse.down()
    t.page.mouse.move(x - area["width"], y, steps=4)
    t.page.mouse.up()
    t.waits_for(f"was => {seen} !== was", before)
    wanted = frame["width"] / area["width"] / 2  # the frame's middle, where it touches the left
    assert t.number("focus_x") == pytest.approx(wanted, abs=0.01), (t.number("focus_x"), wanted)
    t.shoot("the_crop_is_dragged")
    return f"focus {t.number('focus_x')}, and another preview"


def a_sweep_makes_two_clips_in_one_job(t: Tried) -> str:
    t.one("#svd_clip_sweep").get_by_text("Sweep: one setting").click()
    t.one("#svd_clip_values :is(textarea, input)").fill("60, 90")
    before = t.one("#svd_clip_infotext textarea").input_value()
    t.one("#svd_clip_sweep_all").click()
    t.waits_for("/Clip 2 of 2/.test(document.querySelector('.progressDiv')?.textContent)")
    progress = t.one(".progressDiv").inner_text()
    t.waits_for("was => document.querySelector('#svd_clip_infotext textarea').value !== was", before)
    t.sees("#svd_clip_interrupt", "hidden")
    columns = t.page.locator("#svd_clip_sweep_table th a").all_inner_texts()
    assert columns[-2:] == ["60", "90"], columns
    t.shoot("a_sweep")
    t.one("#svd_clip_sweep_shown").get_by_text("90", exact=True).click()
    t.waits_for("document.querySelector('#svd_clip_clip video').src.includes('-90.mp4')")
    t.sees("#svd_clip_measures >> text=Speed")
    assert t.request_shown().motion_bucket_id == 90
    return f"{progress}; a column each, and the clip of 90 is shown"


def a_mark_is_kept_and_one_change_is_advised_and_made(t: Tried) -> str:
    first = t.request_shown()
    t.choose("#svd_clip_wrong", "too chaotic")
    t.sees("#svd_clip_advice >> text=You said: too chaotic.")
    advice = t.one("#svd_clip_advice").inner_text()
    t.one("#svd_clip_mark_motion").get_by_text("4", exact=True).click()
    t.one("#svd_clip_keep").click()
    t.sees("#svd_clip_kept >> text=Kept.")
    t.shoot("a_review")
    changed = _list_changed(first, t.makes_a_clip("#svd_clip_apply"))
    assert len(changed) == 1, changed
    assert t.page.locator("#svd_clip_sweep_shown input:checked").count() == 0  # the clip is not of the sweep
    return f"{advice[:60]}...; the next clip differs in {changed[0]}"


def of_two_changes_one_is_taken_back(t: Tried) -> str:
    first, line = t.request_shown(), t.one("#svd_clip_changes")
    assert not line.is_visible()
    t.fill("svd_clip", motion_bucket_id=first.motion_bucket_id + 20, fps=12)
    t.sees("#svd_clip_changes")
    t.sees("#svd_clip_changes >> text=you changed FPS and Motion")
    t.shoot("two_changes")
    t.choose("#svd_clip_changes_kept", "FPS")
    t.one("#svd_clip_changes_keep").click()
    t.sees("#svd_clip_changes", "hidden")
    t.settles()
    left = t.number("motion_bucket_id"), t.number("fps")
    assert left == (first.motion_bucket_id, 12), left
    return "FPS is kept, Motion is as it was"


def the_history_compares_restores_and_throws_away(t: Tried) -> str:
    t.one(HISTORY).click()
    t.sees(".svd-card")
    t.waits_for("[...document.querySelectorAll('.svd-card video')].every(video => video.readyState > 1)")
    cards = t.page.evaluate(CARDS)
    newest, swept = cards[0], next(card for card in cards if card.endswith("-60.mp4"))
    _choose_card(t, newest)
    _choose_card(t, swept)
    t.shoot("the_history")
    t.one("#svd_clip_history_compare").click()
    t.sees(".svd-compare video >> nth=1")
    differing = t.page.locator(".svd-differs td:first-child").all_inner_texts()
    t.shoot("a_comparison")
    _choose_card(t, newest)
    before = t.one("#svd_clip_infotext textarea").input_value()
    t.one("#svd_clip_history_restore").click()
    t.sees("#svd_clip_generate")
    t.waits_for("was => document.querySelector('#svd_clip_infotext textarea').value !== was", before)
    back = t.request_shown()
    assert t.number("motion_bucket_id") == back.motion_bucket_id
    t.fill("svd_clip", motion_bucket_id=back.motion_bucket_id + 20, fps=12)
    t.sees("#svd_clip_changes >> text=you changed FPS and Motion")
    assert t.one("#svd_clip_clip video").get_attribute("src").endswith(swept.rsplit("/", 1)[-1])  # type: ignore[union-attr]
    t.one(HISTORY).click()
    t.settles()
    t.one("#svd_clip_history_trash").click()
    t.sees("#svd_clip_history_said >> text=now.")
    said = re.sub("/.*/", ".../", t.one("#svd_clip_history_said").inner_text())
    assert swept not in t.page.evaluate(CARDS)
    t.open_tab()
    t.sees("#svd_clip_clip video", "detached")
    return f"two compared, {', '.join(differing)} differ; one restored, Animate in front; {said}"


def _choose_card(t: Tried, path: str) -> None:
    t.one(f'.svd-card[data-clip="{path}"]').click()


def _list_changed(first: ClipRequest, second: ClipRequest) -> list[str]:
    return [name for name, value in asdict(first).items() if value != asdict(second)[name]]


TAB_STEPS = (
    a_preset_and_a_speed_move_the_controls,
    the_crop_is_dragged,
    a_sweep_makes_two_clips_in_one_job,
    a_mark_is_kept_and_one_change_is_advised_and_made,
    of_two_changes_one_is_taken_back,
    the_history_compares_restores_and_throws_away,
)
