"""Pictures of a txt2img job become clips: which ones, with which seed, and what happens where that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from PIL import Image

from lib_svd import animate
from lib_svd.clip import SavedClip
from lib_svd.errors import BadRequest, OutOfMemory
from lib_svd.hook import REMEMBERED, Hook, PictureJob
from lib_svd.jobs import history
from lib_svd.ports import Host
from lib_svd.progress import Progress, Stage
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import FakeQueue, make_fake_host

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"num_frames": 2, "num_steps": 2}
SIZE = (96, 64)


class Stop:
    """Stops while the clip of that number is sampled."""

    clip: int | None = None
    clips = 0

    def __call__(self, progress: Progress) -> bool:
        self.clips += progress.stage is Stage.READING and progress.done == 0
        return progress.stage is Stage.SAMPLING and self.clips == self.clip


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def host(checkpoint, tmp_path, stop) -> Host:
    return make_fake_host(tmp_path, checkpoint.parent, queue=FakeQueue(stop))


@pytest.fixture
def hook(host) -> Hook:
    return Hook(Studio(host), lambda saved: f"<{saved.video.name}>")


@pytest.fixture
def started(hook, checkpoint) -> Callable[..., PictureJob]:
    """A job with the accordion on, and two pictures made."""

    def start(changes: dict[str, Any] | None = None, **settings: Any) -> PictureJob:
        values = {"checkpoint": checkpoint.name, **SHORT, **settings}
        job = hook.start(lambda _: (True, values, False), (), SIZE, changes or {})
        assert job is not None
        for number in range(2):
            picture = Image.new("RGB", SIZE, (90 * number, 40, 200))
            picture.already_saved_as = f"/somewhere/0000{number}-5.png"
            job.pictures.append(picture)
        return job

    return start


def make_clips(hook: Hook, job: PictureJob, skipped: Callable[[], bool] = lambda: False) -> list[SavedClip | str]:
    return list(hook.animate(job, ["a dog", "a cat"], [41, 42], skipped))


def read_settings(clip: SavedClip) -> ClipRequest:
    return ClipRequest.from_infotext(clip.clip.infotext)


def test_nothing_happens_while_the_accordion_is_off(hook):
    assert hook.start(lambda _: (False, {}, False), (), SIZE, {}) is None


def test_each_picture_becomes_a_clip_with_its_own_seed_name_and_infotext(hook, started):
    first, second = make_clips(hook, started())
    assert [read_settings(clip).seed for clip in (first, second)] == [41, 42]
    assert [clip.video.name for clip in (first, second)] == ["00000-5-svd-0001.mp4", "00001-5-svd-0001.mp4"]
    assert 'SVD picture: "a dog"' in first.clip.infotext
    assert 'SVD picture: "a cat"' in second.clip.infotext


def test_the_history_names_the_file_that_the_picture_was_saved_as(hook, started, tmp_path):
    job = started()
    job.pictures[0].already_saved_as = str(tmp_path / "00000-5.png")
    job.pictures[0].save(tmp_path / "00000-5.png")
    make_clips(hook, job)
    pictures = {each.video.name: each.picture for each in history.read_entries(tmp_path / "clips")}
    assert pictures["00000-5-svd-0001.mp4"] == str(tmp_path / "00000-5.png")


def test_a_picture_that_was_saved_as_a_jpeg_is_kept_without_loss(hook, started, tmp_path):
    job = started()
    job.pictures[0] = Image.effect_noise(SIZE, 90).convert("RGB")
    job.pictures[0].already_saved_as = str(tmp_path / "00000-5.jpg")
    job.pictures[0].save(tmp_path / "00000-5.jpg")
    make_clips(hook, job)
    (kept,) = (each.picture for each in history.read_entries(tmp_path / "clips") if each.video.name.startswith("00000"))
    with Image.open(kept) as picture:
        assert picture.tobytes() == job.pictures[0].tobytes()


def test_a_seed_that_was_set_is_the_seed_of_every_clip(hook, started):
    assert [read_settings(clip).seed for clip in make_clips(hook, started(seed=7))] == [7, 7]


def test_the_pictures_infotext_says_how_it_is_animated_and_leaves_open_what_follows_the_picture(started):
    parameters = started(motion_bucket_id=90).parameters
    assert parameters["SVD motion"] == "90"
    assert parameters["SVD frames"] == "2"
    assert parameters["SVD steps"] == "2"
    assert not {"SVD seed", "SVD size", "Steps", "Seed"} & parameters.keys()
    fixed = started(seed=7, width=128, height=64).parameters
    assert (fixed["SVD seed"], fixed["SVD size"]) == ("7", "128x64")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"motion_bucket_id": 999}, "Motion must be from 1 to 255"),
        ({"checkpoint": "gone.safetensors"}, "No model is called 'gone.safetensors'"),
        ({"width": 100, "height": 100}, "Width and height must be multiples of"),
        ({"num_frame": 3}, "'num_frame' is not a setting"),
    ],
)
def test_what_cannot_be_done_is_known_before_the_pictures_and_told_after(hook, started, stop, settings, reason):
    job = started(**settings)
    assert job.parameters == {}
    (told,) = make_clips(hook, job)
    assert told.startswith(f"Animate with SVD: {reason}")
    assert stop.clips == 0


def test_controls_that_cannot_be_read_are_a_problem_too(hook):
    def read(values: Sequence[Any]) -> Any:
        raise BadRequest("Frames must be a number.")

    assert hook.start(read, (), SIZE, {}).problems == ["Animate with SVD: Frames must be a number."]


def test_interrupt_ends_all_clips_and_skip_only_one(hook, started, stop):
    stop.clip = 1
    (told,) = make_clips(hook, started())
    assert "was stopped" in told
    stop.clips = 0
    told, clip = make_clips(hook, started(), skipped=lambda: True)
    assert "was stopped" in told
    assert read_settings(clip).seed == 42


@pytest.mark.parametrize("error", [MemoryError("none left"), ZeroDivisionError("a bug")])
def test_a_failing_clip_costs_itself_alone(hook, started, monkeypatch, caplog, error):
    condition, failed = animate.condition, []

    def fail_once(*given: Any) -> Any:
        if not failed:
            failed.append(True)
            raise error
        return condition(*given)

    monkeypatch.setattr("lib_svd.animate.condition", fail_once)
    told, clip = make_clips(hook, started())
    assert str(error) in told
    assert "could not be animated" in caplog.text
    assert read_settings(clip).seed == 42


def test_what_goes_for_all_pictures_of_a_batch_is_said_once(hook, started, monkeypatch):
    def fail(*_: Any) -> None:
        raise OutOfMemory("There is no room.")

    monkeypatch.setattr("lib_svd.animate.condition", fail)
    assert make_clips(hook, started()) == ["Animate with SVD: There is no room."]


def test_a_picture_whose_seed_is_beyond_those_of_clips_is_animated_and_that_is_noted(hook, started):
    first, second = hook.animate(started(), ["", ""], [2**32, 2**32 + 5], lambda: False)
    assert [read_settings(each).seed for each in (first, second)] == [0, 5]
    assert "The picture's seed 4294967296 is beyond those of clips: 0 is taken." in first.notes
    own, _ = hook.animate(started({"seed": 3}), ["", ""], [2**32, 2**32], lambda: False)
    assert not [note for note in own.notes if "seed" in note]


def test_a_cell_of_a_plot_has_its_own_value_in_place_of_the_accordions(hook, started):
    job = started({"motion_bucket_id": 90}, motion_bucket_id=60, fps=6)
    assert (job.parameters["SVD motion"], job.parameters["SVD fps"]) == ("90", "6")
    assert [(read_settings(clip).motion_bucket_id, read_settings(clip).fps) for clip in make_clips(hook, job)] == [
        (90, 6)
    ] * 2


def test_what_a_cell_of_a_plot_cannot_do_is_told_for_that_cell(hook, started):
    (told,) = make_clips(hook, started({"min_guidance": 9.0}, max_guidance=3.0))
    assert "Guidance must not fall" in told
    assert len(make_clips(hook, started({"min_guidance": 2.0}, max_guidance=3.0))) == 2


def describe(key: str) -> str:
    return json.dumps({"job_timestamp": key})


def join_names(clips: list[SavedClip | str]) -> str:
    return "".join(f"<{clip.video.name}>" for clip in clips)


def test_the_page_finds_the_clips_of_a_job_by_the_hosts_description_of_it(hook, started):
    clips = make_clips(hook, started())
    assert hook.keep(clips, "20261122", {"Hires": 2}) == {"Hires": 2, "SVD clips": [str(c.video) for c in clips]}
    assert hook.render(describe("20261122")) == join_names(clips)
    for other in (describe("1"), "{}", "", "no JSON", "[]"):
        assert hook.render(other) == ""


def test_the_cells_of_a_plot_are_shown_and_described_together(hook, started):
    first, second = make_clips(hook, started(seed=1)), make_clips(hook, started(seed=2))
    given_out = hook.keep([*first, "The first <cell> stopped."], "7", {"Script": "plot"})
    hook.keep([*second, "The second <cell> stopped."], "7", {}, is_first=False, is_commented=False)
    assert given_out["Script"] == "plot"
    assert given_out["SVD clips"] == [str(clip.video) for clip in (*first, *second)]
    assert given_out["SVD error"] == "The second <cell> stopped."
    # the first one's sentences are among the comments that the host shows
    assert (
        hook.render(describe("7")) == f"{join_names(first)}{join_names(second)}<p>The second &lt;cell&gt; stopped.</p>"
    )


def test_what_goes_for_all_parts_of_a_job_is_said_once(hook):
    for is_first in (True, False):
        hook.keep(["No model."], "7", {}, is_first=is_first, is_commented=False)
    assert hook.render(describe("7")) == "<p>No model.</p>"


def test_another_job_within_the_same_second_is_another_job(hook, started):
    hook.keep(make_clips(hook, started(seed=1)), "7", {})
    clips = make_clips(hook, started(seed=2))
    assert hook.keep(clips, "7", {}) == {"SVD clips": [str(clip.video) for clip in clips]}
    assert hook.render(describe("7")) == join_names(clips)


def test_a_job_without_a_clip_says_why(hook, started):
    (told,) = sentences = make_clips(hook, started(motion_bucket_id=999))
    assert hook.keep(sentences, "8", {}) == {"SVD error": told}
    assert hook.render(describe("8")) == ""


def test_why_a_job_was_refused_is_shown_in_its_place_however_often_a_busy_page_asks(hook, started):
    hook.keep(make_clips(hook, started()), "9", {})
    hook.refuse(BadRequest("Motion <is> wrong."))
    assert "<p>" not in hook.render(describe("9"))  # too early: the job before
    for _ in range(2):
        assert hook.render("") == "<p>Animate with SVD: Motion &lt;is&gt; wrong.</p>"
    started()
    assert hook.render("") == ""


def test_jobs_are_not_remembered_for_ever(hook):
    for number in range(REMEMBERED + 10):
        hook.keep(["It was stopped."], str(number), {}, is_commented=False)
    assert [hook.render(describe(str(number))) != "" for number in (0, 9, 10, 59)] == [False, False, True, True]
