"""Pictures of a txt2img job become clips: which ones, with which seed, and what happens where that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lib_svd.clip import SavedClip
from lib_svd.errors import BadRequest
from lib_svd.hook import REMEMBERED, Hook, PictureJob
from lib_svd.hosts.standalone import StandaloneHost
from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"num_frames": 2, "num_steps": 2}
SIZE = (96, 64)


class StoppableHost(StandaloneHost):
    """Stops while the clip of that number is sampled."""

    stop_in: int | None = None
    clips = 0
    sampling = False

    def report(self, done: int, total: int, stage: str, preview: Any = None) -> None:
        self.clips += stage == "Reading the picture" and done == 0
        self.sampling = stage == "Sampling"

    def interrupted(self) -> bool:
        return self.sampling and self.clips == self.stop_in


@pytest.fixture
def host(checkpoint, tmp_path) -> StoppableHost:
    return StoppableHost("cpu", model_dirs=(checkpoint.parent,), output_dir=tmp_path / "clips")


@pytest.fixture
def hook(host) -> Hook:
    return Hook(Studio(host), lambda saved: f"<{saved.video.name}>")


@pytest.fixture
def started(hook, checkpoint) -> Callable[..., PictureJob]:
    """A job with the accordion on, and two pictures made."""

    def start(**settings: Any) -> PictureJob:
        values = {"checkpoint": checkpoint.name, **SHORT, **settings}
        job = hook.started(lambda _: (True, values, False), (), SIZE)
        assert job is not None
        for number in range(2):
            picture = Image.new("RGB", SIZE, (90 * number, 40, 200))
            picture.already_saved_as = f"/somewhere/0000{number}-5.png"
            job.pictures.append(picture)
        return job

    return start


def made(hook: Hook, job: PictureJob, skipped: Callable[[], bool] = lambda: False) -> list[SavedClip | str]:
    return list(hook.animated(job, ["a dog", "a cat"], [41, 42], skipped))


def settings_of(clip: SavedClip) -> ClipRequest:
    return ClipRequest.from_infotext(clip.clip.infotext)


def test_nothing_happens_while_the_accordion_is_off(hook):
    assert hook.started(lambda _: (False, {}, False), (), SIZE) is None


def test_each_picture_becomes_a_clip_with_its_own_seed_name_and_infotext(hook, started):
    first, second = made(hook, started())
    assert [settings_of(clip).seed for clip in (first, second)] == [41, 42]
    assert [clip.video.name for clip in (first, second)] == ["00000-5-svd-0001.mp4", "00001-5-svd-0001.mp4"]
    assert 'SVD picture: "a dog"' in first.clip.infotext
    assert 'SVD picture: "a cat"' in second.clip.infotext


def test_the_history_names_the_file_that_the_picture_was_saved_as(hook, started, tmp_path):
    job = started()
    job.pictures[0].already_saved_as = str(tmp_path / "00000-5.png")
    job.pictures[0].save(tmp_path / "00000-5.png")
    made(hook, job)
    pictures = {each.video.name: each.picture for each in history.entries(tmp_path / "clips")}
    assert pictures["00000-5-svd-0001.mp4"] == str(tmp_path / "00000-5.png")


def test_a_seed_that_was_set_is_the_seed_of_every_clip(hook, started):
    assert [settings_of(clip).seed for clip in made(hook, started(seed=7))] == [7, 7]


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
        ({"motion_bucket_id": 999}, "SVD motion must be from 1 to 255"),
        ({"checkpoint": "gone.safetensors"}, "No model is called 'gone.safetensors'"),
        ({"width": 100, "height": 100}, "Width and height must be multiples of"),
        ({"num_frame": 3}, "'num_frame' is not a setting"),
    ],
)
def test_what_cannot_be_done_is_known_before_the_pictures_and_told_after(hook, started, host, settings, reason):
    job = started(**settings)
    assert job.parameters == {}
    (told,) = made(hook, job)
    assert told.startswith(f"Animate with SVD: {reason}")
    assert host.clips == 0


def test_controls_that_cannot_be_read_are_a_problem_too(hook):
    def read(values: Sequence[Any]) -> Any:
        raise BadRequest("Frames must be a number.")

    assert hook.started(read, (), SIZE).problems == ["Animate with SVD: Frames must be a number."]


def test_interrupt_ends_all_clips_and_skip_only_one(hook, started, host):
    host.stop_in = 1
    (told,) = made(hook, started())
    assert "was stopped" in told
    host.clips = 0
    told, clip = made(hook, started(), skipped=lambda: True)
    assert "was stopped" in told
    assert settings_of(clip).seed == 42


@pytest.mark.parametrize("error", [MemoryError("none left"), ZeroDivisionError("a bug")])
def test_a_failure_is_told_and_no_other_picture_is_tried(hook, started, monkeypatch, caplog, error):
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("lib_svd.animate.condition", fails)
    (told,) = made(hook, started())
    assert str(error) in told
    assert "could not be animated" in caplog.text


def test_the_page_finds_the_clips_of_a_job_by_the_hosts_description_of_it(hook, started):
    job = started()
    made(hook, job)
    hook.keep(job, "20261122")
    names = "".join(f"<{Path(clip.video).name}>" for clip in job.clips)
    assert hook.shown(json.dumps({"job_timestamp": "20261122"})) == names
    for other in (json.dumps({"job_timestamp": "1"}), "{}", "", "no JSON", "[]"):
        assert hook.shown(other) == ""


def test_jobs_are_not_remembered_for_ever(hook):
    job = PictureJob(settings={}, with_frames=False, parameters={}, problems=[])
    for number in range(REMEMBERED + 10):
        hook.keep(job, str(number))
    assert len(hook._shown) == REMEMBERED
