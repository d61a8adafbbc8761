"""A queue goes into a zip and comes out of it, on another machine too; what is no such zip is refused."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from lib_svd.errors import BadInput, BadOutput
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue, State, bundle
from lib_svd.queue.bundle import load_jobs, save_jobs
from lib_svd.studio import Studio

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"num_frames": 2, "num_steps": 2}


@pytest.fixture
def queue_in(checkpoint, tmp_path):
    """A queue with a folder of its own, which does not begin by itself."""

    def make(name: str) -> JobQueue:
        host = make_standalone_host(
            "cpu",
            model_dirs=(checkpoint.parent,),
            output_dir=tmp_path / name,
            options={"svd_review": False},
        )
        host.folders.find_output_dir()
        return JobQueue(Studio(host))

    return make


def test_jobs_go_from_one_machine_to_another_with_their_pictures(queue_in, picture, tmp_path):
    here, there = queue_in("here"), queue_in("there")
    for seed in (5, 6):
        here.add("animate", {**SHORT, "seed": seed}, picture.read_bytes(), title=f"cat {seed}")
    path = save_jobs(here, tmp_path / "here" / "queue-svd-0001.zip")
    added, refused = load_jobs(there, path)
    assert ([job.title for job in added], refused) == (["cat 5", "cat 6"], [])
    assert [job.order["seed"] for job in there.list_jobs()] == [5, 6]
    there.open()
    ended = [there.await_end(job.id).result(60) for job in added]
    assert [job.state for job in ended] == [State.DONE] * 2
    there.close()


def test_a_job_that_cannot_be_here_is_said_and_the_others_come(queue_in, picture, tmp_path):
    here, there = queue_in("here"), queue_in("there")
    here.add("animate", {**SHORT, "seed": 5}, picture.read_bytes())
    path = save_jobs(here, tmp_path / "here" / "queue.zip")
    with zipfile.ZipFile(path, "a") as packed:
        told = {"kind": "animate", "title": "", "order": {"checkpoint": "gone", "seed": 1}}
        packed.writestr("002/job.json", json.dumps(told))
        packed.writestr("002/input", picture.read_bytes())
    added, refused = load_jobs(there, path)
    assert len(added) == 1
    assert [each.startswith("No model is called 'gone'") for each in refused] == [True]


def test_nothing_is_saved_where_nothing_waits(queue_in, tmp_path):
    with pytest.raises(BadInput, match="No job waits"):
        save_jobs(queue_in("here"), tmp_path / "here" / "queue.zip")


def test_a_place_that_cannot_be_written_is_said(queue_in, picture, tmp_path):
    here = queue_in("here")
    here.add("animate", SHORT, picture.read_bytes())
    with pytest.raises(BadOutput, match="cannot be written"):
        save_jobs(here, tmp_path / "gone" / "queue.zip")


def zip_files(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 and no more",
        zip_files({}),
        zip_files({"a.txt": "x"}),
        zip_files({"1/job.json": "{"}),
        zip_files({"1/job.json": "[]"}),
        zip_files({"1/job.json": json.dumps({"kind": "animate", "order": 7, "title": ""})}),
        zip_files({"1/job.json": json.dumps({"kind": "animate", "order": {}})}),
        zip_files({"1/job.json": " " * 3_000_000}),
        zip_files({f"{n}/job.json": "{}" for n in range(300)}),
    ],
    ids=range(10),
)
def test_what_is_no_saved_queue_is_refused_in_a_sentence(queue_in, tmp_path, content):
    path = tmp_path / "queue.zip"
    path.write_bytes(content)
    queue = queue_in("there")
    with pytest.raises(BadInput, match=r"^queue\.zip holds no queue that was saved here"):
        load_jobs(queue, path)
    assert queue.list_jobs() == []


def test_a_zip_of_very_much_is_refused_by_its_list(queue_in, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "MOST_BYTES", 1000)
    path = tmp_path / "queue.zip"
    path.write_bytes(zip_files({"1/job.json": "{}", "1/input": "x" * 2000}))
    with pytest.raises(BadInput, match="holds no queue"):
        load_jobs(queue_in("there"), path)
