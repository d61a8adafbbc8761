"""A folder as a job: a clip of every picture, none made twice, and what has none is said."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib_svd.errors import BadInput, BadOutput, BadRequest
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.queue import Job, JobQueue, State, queue
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from tests.conftest import save_picture

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two pictures, one in a folder below, and one that is none."""
    folder = tmp_path / "pictures" / "holiday"
    (folder / "more").mkdir(parents=True)
    save_picture(folder / "boat 2.png", 150, 100)
    save_picture(folder / "boat 10.png", 151, 100)
    save_picture(folder / "more" / "sea.png", 152, 100)
    return folder


@pytest.fixture
def studio(checkpoint, tmp_path, folder) -> Studio:
    host = make_standalone_host(
        "cpu",
        model_dirs=(checkpoint.parent,),
        output_dir=tmp_path / "clips",
        options={"svd_review": False},
        picture_dirs=(tmp_path / "pictures",),
    )
    return Studio(host)


@pytest.fixture
def jobs(studio) -> Iterator[JobQueue]:
    opened = JobQueue(studio)
    opened.open()
    yield opened
    opened.close()


def make(jobs: JobQueue, **order: object) -> Job:
    job = jobs.add("folder", {**SHORT, **order})
    return jobs.await_end(job.id).result(60)


def list_pictures(job: Job) -> list[str]:
    """The pictures of a job's clips, by the names that these have."""
    return [Path(clip["path"]).name.rpartition("-")[0] for clip in job.clips]


def test_every_picture_becomes_a_clip_and_none_is_made_twice(jobs, folder, tmp_path):
    first = make(jobs, folder="holiday")
    assert (first.state, first.message) == (State.DONE, "")
    assert list_pictures(first) == ["boat 2", "boat 10"]
    seeds = [clip["settings"]["seed"] for clip in first.clips]
    assert len({*seeds}) == 2
    entries = [history.find_entry(Path(clip["path"])) for clip in first.clips]
    assert [Path(entry.picture).name for entry in entries] == ["boat 2.png", "boat 10.png"]
    again = make(jobs, folder=str(folder), recursive=True)
    assert list_pictures(again) == ["sea"]
    other = make(jobs, folder="holiday", motion_bucket_id=33)
    assert [clip["settings"]["seed"] for clip in other.clips] == seeds
    assert [clip["settings"]["motion_bucket_id"] for clip in other.clips] == [33, 33]
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 5


def test_a_picture_that_cannot_be_used_is_said_and_the_others_are_made(jobs, folder, tmp_path):
    (folder / "broken.png").write_bytes(b"no picture")
    ended = make(jobs, folder="holiday", also=["gif"])
    assert (ended.state, ended.error) == (State.FAILED, "NotAllMade")
    assert ended.message.startswith("One picture has no clip. broken.png: ")
    assert list_pictures(ended) == ["boat 2", "boat 10"]
    assert len(list((tmp_path / "clips").glob("*.gif"))) == 2
    with (tmp_path / "clips" / "report.csv").open(encoding="utf-8", newline="") as file:
        told = {row["picture"]: row["state"] for row in csv.DictReader(file)}
    assert told == {"boat 2.png": "made", "boat 10.png": "made", "broken.png": "passed over"}


def test_one_that_is_stopped_or_ended_goes_on_where_it_was(jobs, studio, folder):
    job = jobs.add("folder", {**SHORT, "num_steps": 40, "folder": "holiday"})
    while len(jobs.find(job.id).clips) < 1:
        assert not jobs.find(job.id).state.is_end
        time.sleep(0.002)
    live = jobs.look(jobs.find(job.id))
    jobs.close()
    jobs._thread.join(30)
    assert live is None or 0 <= live.share <= 1
    assert jobs.find(job.id).state is State.WAITING
    after = JobQueue(studio)
    after.open()
    ended = after.await_end(after.add("folder", {**SHORT, "num_steps": 40, "folder": "holiday"}).id).result(60)
    assert (ended.state, list_pictures(ended)) == (State.DONE, ["boat 10"])
    after.close()


def test_progress_is_that_of_all_clips(jobs, folder):
    job = jobs.add("folder", {**SHORT, "num_steps": 9, "folder": "holiday"})
    seen = []
    while not jobs.find(job.id).state.is_end:
        live = jobs.look(job)
        if live is not None and live.steps:
            seen.append((live.stage, live.share))
        time.sleep(0.002)
    assert {"Clip 1 of 2: Sampling", "Clip 2 of 2: Sampling"} <= {stage for stage, _ in seen}
    shares = [share for _, share in seen]
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("order", "error", "words"),
    [
        ({}, BadRequest, '"folder" must be text'),
        ({"folder": "nowhere"}, BadInput, "There is no folder 'nowhere' where pictures may be read: name one in "),
        ({"folder": "/etc"}, BadInput, "There is no folder '/etc' where pictures may be read: name one in "),
        ({"folder": "holiday/../../clips"}, BadInput, "cannot hold both pictures and clips"),
        ({"folder": "holiday/../.."}, BadInput, "There is no folder 'holiday/../..' where pictures may be read"),
        ({"folder": "holiday/boat 2.png"}, BadInput, "There is no folder"),
        ({"folder": "empty"}, BadRequest, "There are no pictures in "),
        ({"folder": "holiday", "recursive": 7}, BadRequest, '"recursive" must be true or false'),
        ({"folder": "holiday", "motion_bucket_id": 999}, BadRequest, "Motion must be from 1 to 255"),
        ({"folder": "holiday", "also": ["tape"]}, BadInput, "tape"),
    ],
)
def test_what_cannot_be_done_does_not_come_into_the_queue(jobs, tmp_path, order, error, words):
    (tmp_path / "pictures" / "empty").mkdir()
    with pytest.raises(error) as refused:
        jobs.add("folder", {**SHORT, **order})
    assert words in str(refused.value)
    assert jobs.list_jobs() == []


def test_somebody_elses_report_is_not_replaced(jobs, folder, tmp_path):
    (tmp_path / "clips").mkdir(exist_ok=True)
    (tmp_path / "clips" / "report.html").write_text("mine")
    ended = make(jobs, folder="holiday")
    assert (ended.state, ended.error) == (State.FAILED, BadOutput.__name__)
    assert (tmp_path / "clips" / "report.html").read_text() == "mine"


def test_the_seed_that_is_given_is_that_of_all(jobs, folder):
    assert [clip["settings"]["seed"] for clip in make(jobs, folder="holiday", seed=5).clips] == [5, 5]
    text = make(jobs, folder="holiday", seed=-1).clips[0]["infotext"]
    assert ClipRequest.from_infotext(text).seed not in (None, -1, 5)


def test_a_job_of_very_many_clips_can_be_read_again(jobs, folder, monkeypatch):
    """The last ones are listed."""
    monkeypatch.setattr(queue, "MOST_CLIPS", 2)
    assert list_pictures(make(jobs, folder="holiday", recursive=True)) == ["boat 10", "sea"]


def test_a_folder_is_found_where_a_picture_before_it_has_its_name(jobs, folder, tmp_path):
    (tmp_path / "clips").mkdir(exist_ok=True)
    (tmp_path / "clips" / "holiday").write_text("a file")
    assert len(make(jobs, folder="holiday").clips) == 2
