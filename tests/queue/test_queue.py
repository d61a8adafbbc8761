"""Jobs wait, are made in their order, are cancelled and moved, and each ends in a clip or a sentence."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib_svd import video
from lib_svd.errors import BadCheckpoint, BadInput, BadOutput, BadPicture, BadRequest, Busy
from lib_svd.files import NOTED
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.queue import Job, JobQueue, NoSuchJob, State, queue
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from tests.conftest import await_result, snapshot

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def studio(checkpoint, tmp_path) -> Studio:
    options = {"svd_review": False}
    host = make_standalone_host("cpu", model_dirs=(checkpoint.parent,), output_dir=tmp_path / "clips", options=options)
    return Studio(host)


@pytest.fixture
def jobs(studio) -> Iterator[JobQueue]:
    opened = JobQueue(studio)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def content(picture) -> bytes:
    return picture.read_bytes()


class Gate:
    """The host's queue is held, as by a long txt2img job, until `open`."""

    def __init__(self, studio: Studio) -> None:
        self._held, self._free = threading.Event(), threading.Event()
        self._holder = threading.Thread(target=studio.host.queue.run_exclusively, args=("other", self._hold))
        self._holder.start()
        assert self._held.wait(10)

    def _hold(self) -> None:
        self._held.set()
        assert self._free.wait(60)

    def open(self) -> None:
        self._free.set()
        self._holder.join()


def await_end(jobs: JobQueue, job: Job) -> Job:
    return jobs.await_end(job.id).result(60)


def test_a_job_becomes_a_clip_that_the_history_knows(jobs, content):
    job = jobs.add("animate", {**SHORT, "seed": 7, "frames": True, "also": ["gif"]}, content)
    assert job.state is State.WAITING
    done = await_end(jobs, job)
    assert (done.state, done.message) == (State.DONE, "")
    (clip,) = done.clips
    assert video.probe(Path(clip["path"])).num_frames == 2
    assert (clip["settings"]["seed"], len(clip["frames"])) == (7, 2)
    assert [Path(copy).suffix for copy in clip["copies"]] == [".gif"]
    assert history.find_entry(Path(clip["path"])).settings["seed"] == 7


def test_jobs_are_made_in_their_order_and_each_has_a_seed_of_its_own(jobs, studio, content):
    gate = Gate(studio)
    first, second, third = (jobs.add("animate", SHORT, content) for _ in range(3))
    assert jobs.move(third.id, 1).state is State.WAITING
    assert [job.id for job in jobs.list_jobs() if job.state is State.WAITING] == [third.id, second.id]
    assert [jobs.find_position(jobs.find(job.id)) for job in (third, second)] == [1, 2]
    gate.open()
    made = [await_end(jobs, job) for job in (first, second, third)]
    assert [job.state for job in made] == [State.DONE] * 3
    paths = [Path(job.clips[0]["path"]).name for job in made]
    assert paths == ["clip-svd-0001.mp4", "clip-svd-0003.mp4", "clip-svd-0002.mp4"]
    assert len({job.clips[0]["settings"]["seed"] for job in made}) == 3


def test_a_job_that_waits_is_cancelled_and_so_is_one_that_runs(jobs, studio, content, tmp_path):
    gate = Gate(studio)
    running, waiting, last = (jobs.add("animate", SHORT, content) for _ in range(3))
    while jobs.find(running.id).state is not State.RUNNING:
        time.sleep(0.002)
    assert jobs.cancel(waiting.id).state is State.CANCELLED
    for _ in range(2):  # its turn in the web UI has not come: at once, and as often as somebody presses
        assert jobs.cancel(running.id).state is State.CANCELLED
    gate.open()
    assert await_end(jobs, last).state is State.DONE
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 1
    assert jobs.cancel(last.id).state is State.DONE


def test_a_job_in_mid_sampling_is_stopped_and_leaves_nothing(jobs, content, tmp_path):
    job = jobs.add("animate", {**SHORT, "num_steps": 100}, content)
    while not (live := jobs.look(jobs.find(job.id))) or live.step < 2 or "Sampling" not in live.stage:
        assert not jobs.find(job.id).state.is_end
        time.sleep(0.002)
    jobs.cancel(job.id)
    assert await_end(jobs, job).state is State.CANCELLED
    assert await_end(jobs, job).message.endswith(".")
    assert [name for name in snapshot(tmp_path / "clips") if "clip" in name] == []
    assert await_end(jobs, jobs.add("animate", SHORT, content)).state is State.DONE


def test_progress_and_preview_of_the_job_that_runs(jobs, content):
    job = jobs.add("animate", {**SHORT, "num_steps": 60}, content)
    seen: list[tuple[str, float]] = []
    previews = set()
    while not jobs.find(job.id).state.is_end:
        live = jobs.look(job, wants_preview=True)
        if live is not None:
            seen.append((live.stage, live.share))
            previews.add(live.preview[:22])
        time.sleep(0.002)  # or it would keep the job from its work
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert {"Sampling"} <= {stage.split(" ")[0] for stage, _ in seen}
    assert "data:image/jpeg;base64" in previews
    assert jobs.look(jobs.find(job.id)) is None


@pytest.mark.parametrize(
    ("kind", "order", "error", "sentence"),
    [
        ("animate", {"motion_bucket_id": 999}, BadRequest, "Motion must be from 1 to 255"),
        ("animate", {"motion": 60}, BadRequest, "'motion' is not a setting"),
        ("animate", {"checkpoint": "gone"}, BadCheckpoint, "No model is called 'gone'"),
        ("animate", {"also": ["tape"]}, BadInput, ""),
        ("animate", {"also": 7}, BadRequest, '"also" must be a list of formats'),
        ("animate", {"frames": "some"}, BadRequest, '"frames" must be true or false'),
        ("paint", {}, BadRequest, '"kind" must be one of animate, extend, sweep, folder, finish'),
        (7, {}, BadRequest, '"kind" must be one of'),
        ("sweep", {"sweep": "beauty"}, BadRequest, "'beauty' cannot be swept"),
        ("sweep", {"sweep": "motion", "values": "1"}, BadRequest, "A sweep takes 2 to 36"),
        ("extend", {"clip": "none.mp4"}, BadRequest, "A clip is extended from its own frame"),
        ("finish", {"clip": "none.mp4"}, BadRequest, "Say which clip"),
    ],
)
def test_what_cannot_be_done_does_not_come_into_the_queue(jobs, content, tmp_path, kind, order, error, sentence):
    with pytest.raises(error, match=f"^{sentence}"):
        jobs.add(kind, order, content)
    assert jobs.list_jobs() == []
    assert not list((tmp_path / "clips").glob("queue/*/*"))


def test_a_picture_that_is_none_does_not_come_into_the_queue(jobs):
    with pytest.raises(BadPicture):
        jobs.add("animate", SHORT, b"no picture")
    with pytest.raises(BadRequest, match="There is no picture yet"):
        jobs.add("animate", SHORT)


def test_a_clip_goes_on_from_its_last_frame_with_its_own_settings(jobs, content):
    first = await_end(jobs, jobs.add("animate", {**SHORT, "seed": 3, "motion_bucket_id": 33}, content)).clips[0]
    second = await_end(jobs, jobs.add("extend", {"clip": Path(first["path"]).name, "fps": 9})).clips[0]
    assert (second["settings"]["motion_bucket_id"], second["fps"], second["num_frames"]) == (33, 9, 2)
    assert second["settings"]["seed"] != 3
    with pytest.raises(BadRequest, match='"frame" must be from 0 to 1'):
        jobs.add("extend", {"clip": Path(first["path"]).name, "frame": 2})
    with pytest.raises(BadInput, match="There is no clip"):
        jobs.add("extend", {"clip": "../clips/gone.mp4"})


def test_a_sweep_is_a_job_of_several_clips(jobs, content):
    order = {**SHORT, "sweep": "motion", "values": [60, 90], "seed": 4}
    done = await_end(jobs, jobs.add("sweep", order, content))
    assert (done.state, done.message) == (State.DONE, "")
    assert [Path(clip["path"]).name for clip in done.clips] == [
        *("sweep-svd-0001-60.mp4", "sweep-svd-0001-90.mp4", "sweep-svd-0001.mp4"),
    ]
    assert [clip["settings"]["motion_bucket_id"] for clip in done.clips[:2]] == [60, 90]


def test_a_clip_is_finished_as_a_job(jobs, content):
    made = await_end(jobs, jobs.add("animate", {**SHORT, "num_frames": 4}, content)).clips[0]
    name = Path(made["path"]).name
    there = await_end(jobs, jobs.add("finish", {"clip": name, "loop": "pingpong"}))
    sent = await_end(jobs, jobs.add("finish", {"loop": "pingpong"}, Path(made["path"]).read_bytes()))
    assert [job.clips[0]["num_frames"] for job in (there, sent)] == [6, 6]
    assert history.find_entry(Path(there.clips[0]["path"])).source == name


def test_a_failure_is_a_sentence_and_the_next_job_is_made(jobs, studio, content, monkeypatch):
    def fail(*given, **named):
        raise RuntimeError("the cable was pulled")

    with monkeypatch.context() as patched:
        patched.setattr(Studio, "animate", fail)
        failed = await_end(jobs, jobs.add("animate", SHORT, content))
    assert (failed.state, failed.error) == (State.FAILED, "RuntimeError")
    assert failed.message == "The job could not be done (RuntimeError: the cable was pulled): the log has more."
    assert await_end(jobs, jobs.add("animate", SHORT, content)).state is State.DONE


def test_the_queue_is_bounded_in_number_and_in_bytes(jobs, studio, content, monkeypatch):
    gate = Gate(studio)
    monkeypatch.setattr(queue, "MOST_WAITING", 2)
    one, _ = (jobs.add("animate", SHORT, content) for _ in range(2))
    with pytest.raises(Busy, match=r"2 jobs are waiting already: ask again when some are done."):
        jobs.add("animate", SHORT, content)
    monkeypatch.setattr(queue, "MOST_WAITING", 9)
    monkeypatch.setattr(queue, "MOST_BYTES", 2 * len(content))
    with pytest.raises(Busy):
        jobs.add("animate", SHORT, content)
    jobs.forget(one.id)
    third = jobs.add("animate", SHORT, content)
    gate.open()
    assert await_end(jobs, third).state is State.DONE
    assert 0 < jobs.wait <= 3600


def test_what_has_ended_is_forgotten_and_its_clips_stay(jobs, content, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "MOST_ENDED", 2)
    made = [await_end(jobs, jobs.add("animate", SHORT, content)) for _ in range(3)]
    with pytest.raises(NoSuchJob, match="There is no job"):
        jobs.find(made[0].id)
    jobs.forget(made[1].id)
    assert [job.id for job in jobs.list_jobs()] == [made[2].id]
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 3
    jobs.forget(made[2].id)
    assert not (tmp_path / "clips" / "queue").exists()


@pytest.mark.parametrize("position", [0, -1])
def test_a_job_moves_to_positions_that_there_are(jobs, studio, content, position):
    gate = Gate(studio)
    jobs.add("animate", SHORT, content)
    waiting = jobs.add("animate", SHORT, content)
    with pytest.raises(BadRequest, match="A position is 1 for the next job"):
        jobs.move(waiting.id, position)
    assert jobs.move(waiting.id, 99).state is State.WAITING
    gate.open()
    done = await_end(jobs, waiting)
    with pytest.raises(BadRequest, match=r"The job is done: only one that waits can be moved."):
        jobs.move(done.id, 1)


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_left(studio, content, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "queue").write_text("a file in the way")
    jobs = JobQueue(studio)
    with pytest.raises(BadOutput, match=r"The job cannot be kept in .*: make room there"):
        jobs.add("animate", SHORT, content)
    assert jobs.list_jobs() == []


def test_a_disk_that_is_full_in_mid_queue_costs_no_clip(jobs, content, monkeypatch):
    def fill_up(*given):
        raise OSError(28, "No space left on device")

    job = jobs.add("animate", {**SHORT, "num_steps": 20}, content)
    monkeypatch.setattr("lib_svd.queue.shelf._write", fill_up)
    assert await_end(jobs, job).state is State.DONE
    assert Path(await_end(jobs, job).clips[0]["path"]).is_file()


def test_somebody_elses_file_in_the_queue_stays_and_stops_nothing(studio, content, tmp_path):
    first = JobQueue(studio)
    job = first.add("animate", SHORT, content)
    (own,) = (tmp_path / "clips" / "queue").iterdir()
    ours = own / f"{job.id}.json"
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("0" * 16 + ".json", ours.read_text()), ("c.json", "7")):
        (own / name).write_text(text)
    broken = {**json.loads(ours.read_text()), "id": "f" * 16, "place": "first"}
    (own / ("f" * 16 + ".json")).write_text(json.dumps(broken))
    left = own.rename(own.with_name("svd-00000000-1-1-00000000"))  # another machine's, long ago
    os.utime(left, (0, 0))
    second = JobQueue(studio)
    second.open()
    assert [each.id for each in second.list_jobs()] == [job.id]
    assert await_end(second, job).state is State.DONE
    second.close()
    assert {path.name for path in next((tmp_path / "clips" / "queue").iterdir()).iterdir()} >= {"a.json", "c.json"}


def test_a_program_that_ends_orderly_goes_on_at_the_next_start(studio, content):
    first = JobQueue(studio)
    first.open()
    running = first.add("animate", {**SHORT, "num_steps": 100}, content)
    waiting = first.add("animate", SHORT, content)
    while first.find(running.id).state is not State.RUNNING:
        time.sleep(0.002)
    first.close()
    first._thread.join(30)
    assert [job.state for job in first.list_jobs()] == [State.WAITING, State.WAITING]
    assert [job.attempts for job in first.list_jobs()] == [0, 0]
    assert {job.id for job in first.list_jobs()} == {running.id, waiting.id}


def test_the_noted_settings_are_all_that_a_request_has(jobs, content):
    clip = await_end(jobs, jobs.add("animate", SHORT, content)).clips[0]
    assert Path(clip["path"]).with_suffix(NOTED).is_file()
    assert ClipRequest.from_infotext(clip["infotext"]).num_frames == 2


def test_who_stops_waiting_for_a_job_stops_neither_it_nor_those_who_wait_too(jobs, studio, content):
    gate = Gate(studio)
    first, second = (jobs.add("animate", SHORT, content) for _ in range(2))

    async def leave() -> None:
        waiting = asyncio.ensure_future(asyncio.wait_for(asyncio.wrap_future(jobs.await_end(first.id)), 0.01))
        with pytest.raises(asyncio.TimeoutError):
            await waiting

    await_result(leave())
    gate.open()
    assert [await_end(jobs, job).state for job in (first, second)] == [State.DONE] * 2
