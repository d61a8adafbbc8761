"""Two people at one web UI: each page stops its own clip, whether it waits or is being made."""

from __future__ import annotations

from tests.hosts.smoke.tried import SHORT, Tried

LONG_STEPS = 100


def two_people_stop_their_own(t: Tried) -> str:
    with t.somebody_else() as other:
        other.open_page()
        for each in (t, other):
            each.open_tab()
        other.give_picture()
        for each in (t, other):
            each.fill("svd_clip", num_frames=SHORT["num_frames"], num_steps=LONG_STEPS)
        running = _begins(t, "Sampling")
        waiting = _begins(other, "queue")
        t.page.screenshot(path=t.out / "one_clip_is_made.png")
        other.page.screenshot(path=t.out / "one_clip_waits.png")
        other.one("#svd_clip_interrupt").click()
        other.sees("text=was taken out of the queue")
        other.sees("#svd_clip_interrupt", "hidden")
        left = other.one("#svd_clip_status").inner_text()
        other.page.screenshot(path=t.out / "one_clip_was_taken_out.png")
        _goes_on(t)
        other.fill("svd_clip", num_steps=SHORT["num_steps"])
        before = other.one("#svd_clip_infotext textarea").input_value()
        _begins(other, "queue")
        t.one("#svd_clip_interrupt").click()
        t.sees("text=was stopped")
        other.waits_for("was => document.querySelector('#svd_clip_infotext textarea').value !== was", before)
        assert other.request_shown().num_steps == SHORT["num_steps"]
        t.fill("svd_clip", num_steps=SHORT["num_steps"])
    return f"{running!r} went on beside {waiting!r}: {left!r}; then it was stopped, and the other's was made"


def a_clip_that_waits_for_a_picture_leaves_it_alone(t: Tried) -> str:
    """The picture is somebody else's, of txt2img: the web UI's one Interrupt must not be pressed for it."""
    with t.somebody_else() as other:
        other.open_page()
        other.fill("txt2img", width=64, height=64, steps=LONG_STEPS)
        other.one("#txt2img_generate").click()
        other.waits_for("/[0-9]%/.test(document.querySelector('.progressDiv')?.textContent)")
        t.open_tab()
        said = _begins(t, "queue")
        t.one("#svd_clip_interrupt").click()
        t.sees("text=was taken out of the queue")
        other.sees("#txt2img_interrupt", "hidden")
        other.settles()
        shown = other.one("#html_info_txt2img").inner_text()
        assert f"Steps: {LONG_STEPS}" in shown, shown
        assert "Interrupted" not in t.server.log()
    return f"{said!r} was taken out of the queue, the picture of {LONG_STEPS} steps was made"


def _begins(t: Tried, word: str) -> str:
    """Press Generate; what the bar says, as soon as it has that word."""
    t.one("#svd_clip_generate").click()
    t.waits_for("word => document.querySelector('.progressDiv')?.textContent.includes(word)", word)
    t.waits_for(
        "document.querySelector('.progressDiv')?.getBoundingClientRect().top >= 0"
    )  # not cut by the window's edge
    return t.one(".progressDiv").inner_text()


def _goes_on(t: Tried) -> None:
    """See that the clip has more steps behind it after a while."""
    done = "Number(/Sampling ([0-9]+)/.exec(document.querySelector('.progressDiv')?.textContent)?.[1])"
    t.waits_for(f"was => {done} > was", t.page.evaluate(done))
