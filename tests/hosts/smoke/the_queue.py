"""The queue of jobs: filled in the tab and by API, beside pictures of the web UI's own, and after a kill."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.hosts.smoke.server import encode_base64
from tests.hosts.smoke.tried import SHORT, Tried

JOBS = "/svd/v1/jobs"
LONG_STEPS = 100
KILLED_STEPS = 15
BEFORE_A_KILL = 4
ENDS = ("done", "failed", "cancelled")


def clips_wait_in_the_queue_beside_pictures(t: Tried) -> str:
    """Three are added in the tab; one is cancelled there, and a picture is made between the others."""
    t.open_tab()
    t.fill("svd_clip", num_frames=SHORT["num_frames"], num_steps=LONG_STEPS, seed=901)
    for seed in (901, 902, 903):
        t.fill("svd_clip", seed=seed, num_steps=LONG_STEPS if seed == 901 else SHORT["num_steps"])
        t.one("#svd_clip_enqueue").click()
        t.sees(f"#svd_clip_status >> text=Added with seed {seed}")
    _open_queue(t)
    t.sees(".svd-job[data-state=running] progress")
    t.sees(".svd-job[data-state=running] img[src^='data:image/jpeg']")
    t.shoot("the_queue")
    seen = t.one(".svd-job[data-state=running]").inner_text()
    t.one(".svd-job[data-state=waiting]:has-text('seed 902,') [data-act=cancel]").click()
    t.sees(".svd-job[data-state=cancelled]:has-text('seed 902,')")
    picture = t.server.call("/sdapi/v1/txt2img", {"prompt": "a cat", "steps": 2, "width": 64, "height": 64})
    assert len(picture["images"]) == 1
    for seed in (901, 903):
        t.sees(f".svd-job[data-state=done]:has-text('seed {seed},') a")
    t.shoot("the_queue_when_it_is_done")
    states = {job["order"].get("seed"): job["state"] for job in t.server.call(JOBS)}  # what other steps asked for, too
    assert [states[seed] for seed in (901, 902, 903)] == ["done", "cancelled", "done"], states
    t.one("#svd_clip_tabs button:has-text('Animate')").click()
    t.fill("svd_clip", num_steps=SHORT["num_steps"])
    return seen.replace("\n", ", ")


def a_folder_is_one_job(t: Tried) -> str:
    """In the folder that the web UI's settings name; what is there is not made again."""
    with TemporaryDirectory() as folder:
        for number in range(2):
            shutil.copy(t.picture, Path(folder) / f"photo {number}{t.picture.suffix}")
        t.server.call("/sdapi/v1/options", {"svd_picture_dir": folder})
        t.open_tab()
        _open_queue(t)
        t.page.get_by_text("A folder at once").click()
        t.one("#svd_clip_folder :is(input, textarea)").fill(folder)
        t.one("#svd_clip_folder_look").click()
        t.sees("#svd_clip_folder_said >> text=2 to be made.")
        t.one("#svd_clip_folder_add").click()
        t.sees("#svd_clip_folder_said >> text=Added: ")
        t.sees(f".svd-job[data-state=done]:has-text('{folder}') a")
        t.shoot("a_folder")
        order = {"kind": "folder", "folder": folder, **SHORT, "checkpoint": t.model.name}
        by_api = _await_end(t, t.server.call(JOBS, order, 202))
        again = _await_end(t, t.server.call(JOBS, order, 202))
        elsewhere = t.server.call(JOBS, {**order, "folder": "/etc"}, 422)
    made = [len(job["clips"]) for job in t.server.call(JOBS) if job["kind"] == "folder"]
    # Two files of the same bytes are one clip.
    assert (by_api["state"], again["state"], again["clips"]) == ("done", "done", []), (by_api, again)
    t.one("#svd_clip_tabs button:has-text('Animate')").click()
    return f"{made} clips; {elsewhere['message']}"


def jobs_go_on_after_a_kill(t: Tried) -> str:
    """As many as before, each made once."""
    asked = {**SHORT, "checkpoint": t.model.name, "picture": encode_base64(t.picture), "num_steps": KILLED_STEPS}
    jobs = [t.server.call(JOBS, {**asked, "seed": 950 + number}, 202) for number in range(BEFORE_A_KILL)]
    t.server.wait(lambda: len(_list_states(t, jobs, "done")) == 1, "one clip")
    t.page.goto("about:blank")  # an open page would say that the server is gone
    t.server.kill()
    seconds = t.server.start()
    ended = [_await_end(t, job) for job in jobs]
    assert [job["state"] for job in ended] == ["done"] * BEFORE_A_KILL, ended
    seeds = [clip["settings"]["seed"] for job in ended for clip in job["clips"]]
    assert seeds == [950 + number for number in range(BEFORE_A_KILL)], seeds
    t.open_page()
    t.open_tab()
    t.give_picture()
    return f"{BEFORE_A_KILL} jobs of which one was done, killed, started again in {seconds:.0f} s: all done, each once"


def _open_queue(t: Tried) -> None:
    t.one("#svd_clip_tabs button:has-text('Queue')").click()
    t.sees(".svd-jobs")


def _list_states(t: Tried, jobs: list[dict[str, Any]], state: str) -> list[str]:
    ids = {job["id"] for job in jobs}
    return [job["id"] for job in t.server.call(JOBS) if job["id"] in ids and job["state"] == state]


def _await_end(t: Tried, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended."""
    t.server.wait(lambda: t.server.call(f"{JOBS}/{job['id']}")["state"] in ENDS, "a job's end")
    return t.server.call(f"{JOBS}/{job['id']}")  # type: ignore[no-any-return]


QUEUE_STEPS = (clips_wait_in_the_queue_beside_pictures, a_folder_is_one_job)
