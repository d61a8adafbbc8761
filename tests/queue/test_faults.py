"""Whatever goes wrong while a job is made, it ends in a clip or a sentence, nothing is lost or left, and the next one
is made.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from lib_svd import files, video
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower
from lib_svd.errors import BadOutput
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.infotext import read_infotext
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.queue import Job, JobQueue, State, shelf
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import FakeQueue, write_checkpoint
from tests.conftest import NARROW, SELF_DESCRIBED, snapshot
from tests.killing import NAMES
from tests.test_faults import write_failing_ffmpeg

T = TypeVar("T")
pytestmark = pytest.mark.usefixtures("one_thread", "data_folder")
SHORT = {"num_frames": 2, "num_steps": 2, "seed": 5}
TOO_MUCH = [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()]


class Bench:
    """A queue of jobs on a host of its own, and the folder of its clips.

    Args:
        models: the folder with models.
        clips: where clips go.
        queue: the host's.
    """

    def __init__(self, models: Path, clips: Path, queue: FakeQueue | None = None) -> None:
        self.clips, self.queue = clips, queue or FakeQueue()
        host = make_standalone_host("cpu", model_dirs=(models,), output_dir=clips, options={"svd_review": False})
        self.studio = Studio(replace(host, queue=self.queue))
        self.jobs = JobQueue(self.studio)
        self.jobs.open()

    def make(self, content: bytes, **order: Any) -> Job:
        """Let a job be made to its end."""
        job = self.jobs.add("animate", {**SHORT, **order}, content)
        return self.jobs.await_end(job.id).result(60)

    def list_left(self) -> list[str]:
        """All that is neither a clip nor a job that has ended."""
        ends = (".mp4", ".txt", ".json")
        return [name for name in snapshot(self.clips) if not name.endswith(ends) and "queue" not in name.split("/")[0]]

    def check_next(self, content: bytes) -> None:
        """The next job is made, and nothing unfinished is left beside whole clips."""
        done = self.make(content, seed=6)
        assert (done.state, done.message) == (State.DONE, "")
        for clip in self.clips.glob("*.mp4"):
            assert video.probe(clip).num_frames == 2
            assert clip.with_suffix(".txt").is_file()
        assert [
            name for name in self.list_left() if not re.search(r"\.latents\.safetensors$|_frames\b|^pictures\b", name)
        ] == []
        assert not list(self.clips.glob("queue/**/*.input"))
        assert not list(self.clips.glob("queue/**/*.part"))


@pytest.fixture
def bench(checkpoint, tmp_path) -> Iterator[Bench]:
    opened = Bench(checkpoint.parent, tmp_path / "clips")
    yield opened
    opened.jobs.close()


@pytest.fixture
def content(picture) -> bytes:
    return picture.read_bytes()


def assert_failed(job: Job, *words: str) -> None:
    """It ended in a sentence that holds these words."""
    assert job.state is State.FAILED
    assert [each for each in words if each not in job.message] == []
    assert re.search(r"\.$|: python -m lib_svd animate --from-latents \S+ --checkpoint \S+$", job.message)
    assert "\n" not in job.message


PLACES = {
    "load": (import_module("lib_svd.checkpoints.load"), "fill", 1),
    "image tower": (VisionTower, "forward", 1),
    "encoder": (VaeEncoder, "start_latent", 1),
    "first step": (UNet, "forward", 1),
    "second step": (UNet, "forward", 2),
    "decoder": (VaeDecoder, "decode_steps", 1),
}


@pytest.mark.parametrize("error", TOO_MUCH, ids=["device", "host"])
@pytest.mark.parametrize("place", PLACES)
def test_out_of_memory(bench, content, monkeypatch, place, error):
    """For good, so that no smaller way of doing it helps; what the failed job held is free when it has ended."""
    owner, name, least = PLACES[place]
    real, calls, held = getattr(owner, name), count(1), []

    def run_out(*given: Any, **named: Any) -> Any:
        if next(calls) < least:
            return real(*given, **named)
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        raise error.with_traceback(None)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, run_out)
        failed = bench.make(content)
    said = ("no memory left to load", "close other") if place == "load" else ("no room for this clip", "choose fewer")
    assert_failed(failed, *said)
    error.with_traceback(None).__context__ = None
    gc.collect()
    assert held
    assert [each() for each in held if each() is not None] == []
    assert ("Sampling is not lost" in failed.message) is (place == "decoder")
    assert [name.endswith("latents.safetensors") for name in bench.list_left()] == [True] * (place == "decoder")
    bench.check_next(content)


class Disk:
    """A disk that refuses calls: a full one those that make, name or keep something, a read-only one removals too.

    Attributes:
        calls: how many there were.
        refuses: whether it refuses the call of that number.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.calls, self.refuses, self._code = 0, lambda number: False, code
        for name in NAMES if code == errno.EROFS else {*NAMES} - {"unlink", "rmdir"}:
            monkeypatch.setattr(os, name, self._watch(getattr(os, name)))
        monkeypatch.setattr(io, "open", self._watch(io.open, is_meant=lambda path, mode="r", *_given: mode[0] != "r"))

    def _watch(
        self, real: Callable[..., Any], is_meant: Callable[..., bool] = lambda *given: True
    ) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> T:
            if is_meant(*given):
                self.calls += 1
                if self.refuses(self.calls):
                    raise OSError(self._code, os.strerror(self._code))
            return real(*given, **named)

        return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_any_call(bench, content, monkeypatch, code):
    """That call alone, or that one and all that follow, which is what a full disk does."""
    disk = Disk(monkeypatch, code)
    bench.make(content)
    calls, ends = disk.calls, []
    assert calls > 20
    for first in range(1, calls + 1, 3):
        last = first if first % 2 else calls
        disk.calls, disk.refuses = 0, lambda number, first=first, last=last: first <= number <= last
        try:
            done = bench.make(content)
        except BadOutput:
            ends.append("refused")
        else:
            assert done.state is State.DONE or re.search(r"[.\w]$", done.message), first
            assert (done.state is State.DONE) is bool(done.clips)
            assert "log has more" not in done.message
            ends.append(done.state.value)
        disk.refuses = lambda number: False
        for clip in bench.clips.glob("*.mp4"):
            assert video.probe(clip).num_frames == 2
    assert {"done", "failed", "refused"} == {*ends}
    for module in (files, shelf):
        monkeypatch.setattr(module, "is_left", lambda folder: folder.is_dir())  # as after the program's end
    files.finish_left(bench.clips)
    bench.jobs.close()
    bench.jobs = JobQueue(bench.studio)
    bench.jobs.open()
    bench.check_next(content)


class Acting(FakeQueue):
    """A host's queue in which something happens when a stage is that far, or farther, once.

    Args:
        stage: the stage.
        act: what happens; the user stops the job where it gives True.
        done: how far it must be, in its steps.
    """

    def __init__(self, stage: Stage, act: Callable[[], object], done: int = 1) -> None:
        super().__init__()
        self._stage, self._act, self._done, self.has_acted, self._wants_stop = stage, act, done, False, False

    def run_exclusively(self, job: str, work: Callable[[], T]) -> T:
        self._wants_stop = False
        return super().run_exclusively(job, work)

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        if progress.stage is self._stage and progress.done >= self._done and not self.has_acted:
            self.has_acted = True
            self._wants_stop = bool(self._act())

    def is_interrupted(self) -> bool:
        return self._wants_stop


@pytest.fixture
def open_bench(checkpoint, tmp_path) -> Iterator[Callable[..., Bench]]:
    """Opens a bench on a model of its own, which a test may harm, with a host's queue."""
    opened: list[Bench] = []

    def open_on(queue: FakeQueue) -> Bench:
        (tmp_path / "models").mkdir()
        shutil.copy(checkpoint, tmp_path / "models" / "svd_xt.safetensors")
        opened.append(Bench(tmp_path / "models", tmp_path / "clips", queue))
        return opened[0]

    yield open_on
    for bench in opened:
        bench.jobs.close()


STOPS = [(Stage.LOADING, 0), (Stage.READING, 0), (Stage.READING, 2), (Stage.SAMPLING, 0), (Stage.SAMPLING, 1),
         (Stage.SAMPLING, 2), (Stage.DECODING, 1), (Stage.DECODING, 9)]  # fmt: skip


@pytest.mark.parametrize(("stage", "done"), STOPS, ids=lambda each: getattr(each, "name", each))
def test_the_hosts_interrupt_at_every_stage_leaves_nothing(open_bench, content, stage, done):
    bench = open_bench(Acting(stage, lambda: True, done))
    stopped = bench.make(content)
    assert stopped.state is State.CANCELLED
    assert re.search(r" was stopped\.$", stopped.message)
    assert bench.list_left() == []
    assert list(bench.clips.glob("*.mp4")) == []
    bench.check_next(content)


@pytest.mark.parametrize("stage", [Stage.LOADING, Stage.SAMPLING, Stage.DECODING], ids=lambda stage: stage.name)
def test_a_display_of_progress_that_fails_costs_no_clip(open_bench, content, stage):
    def fail() -> None:
        raise RuntimeError("the display is gone")

    bench = open_bench(Acting(stage, fail, 0 if stage is Stage.LOADING else 1))
    done = bench.make(content)
    assert (done.state, done.message) == (State.DONE, "")
    bench.check_next(content)


@pytest.mark.parametrize("stage", [Stage.SAMPLING, Stage.DECODING], ids=lambda stage: stage.name)
def test_a_folder_of_clips_that_is_removed_in_mid_run_costs_no_clip(open_bench, content, tmp_path, stage):
    bench = open_bench(Acting(stage, lambda: shutil.rmtree(tmp_path / "clips")))
    done = bench.make(content)
    assert (done.state, done.message) == (State.DONE, "")
    assert video.probe(Path(done.clips[0]["path"])).num_frames == 2
    bench.check_next(content)


@pytest.mark.parametrize("stage", [Stage.SAMPLING, Stage.DECODING], ids=lambda stage: stage.name)
@pytest.mark.parametrize("how", ["deleted", "cut", "replaced"])
def test_a_model_that_is_harmed_while_it_is_in_use(open_bench, content, tmp_path, stage, how):
    """The clip that is being made is made; the next one is told, or made with what is there now."""
    path = tmp_path / "models" / "svd_xt.safetensors"

    def harm() -> None:
        if how == "deleted":
            path.unlink()
        elif how == "cut":
            os.truncate(path, path.stat().st_size // 2)
        else:
            write_checkpoint(path, NARROW, seed=9, metadata={"svd.family": "svd_xt", **SELF_DESCRIBED})

    bench = open_bench(Acting(stage, harm))
    job, waiting = (bench.jobs.add("animate", {**SHORT, "checkpoint": path.name}, content) for _ in range(2))
    done, after = (bench.jobs.await_end(each.id).result(60) for each in (job, waiting))
    assert (done.state, done.message) == (State.DONE, "")
    if how == "replaced":
        frames = [video.read_frames(Path(each.clips[0]["path"]))[0] for each in (done, after)]
        assert not np.array_equal(*frames)
    else:
        assert_failed(after, "svd_xt.safetensors")
        write_checkpoint(path, NARROW, metadata={"svd.family": "svd_xt", **SELF_DESCRIBED})
    bench.check_next(content)


@pytest.mark.parametrize("how", ["fails", "killed"])
def test_an_encoder_that_dies_keeps_frames_and_latents(bench, content, tmp_path, monkeypatch, how):
    script = write_failing_ffmpeg(tmp_path)
    if how == "killed":
        script.write_text(script.read_text().replace("sys.exit(3)", "os.kill(os.getpid(), 9)"))
    with monkeypatch.context() as patched:
        patched.setenv("IMAGEIO_FFMPEG_EXE", str(script))
        failed = bench.make(content)
    assert_failed(failed, "The video could not be made: ffmpeg", "The 2 frames are kept", "Sampling is not lost")
    assert len(list(bench.clips.glob("*_frames/*.png"))) == 2
    assert len(list(bench.clips.glob("*.latents.safetensors"))) == 1
    assert list(bench.clips.glob("*.mp4")) == []
    bench.check_next(content)


def test_tabs_and_programs_at_once(bench, content):
    """Two tabs and three programs: each has its clips, each of them once."""
    made: list[tuple[int, Path]] = []

    def work_in_tab(seed: int) -> None:
        order = bench.studio.order(bench.studio.make_request({**SHORT, "seed": seed}), io.BytesIO(content))
        made.append((seed, bench.studio.animate(order).video))

    def ask(seed: int) -> None:
        done = bench.make(content, seed=seed)
        made.append((seed, Path(done.clips[0]["path"])))

    threads = [threading.Thread(target=ask if seed % 5 > 1 else work_in_tab, args=(seed,)) for seed in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {seed for seed, _ in made} == {*range(10)}
    assert len({path for _, path in made}) == 10
    for seed, path in made:
        assert ClipRequest.from_infotext(read_infotext(path)).seed == seed
    bench.check_next(content)


def test_a_clock_that_is_set_back_changes_no_order_and_loses_no_job(bench, content, monkeypatch):
    clock, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + clock[0])
    first = bench.make(content)
    clock[0] = -86_400.0
    waiting = [bench.jobs.add("animate", {**SHORT, "seed": seed}, content) for seed in range(3)]
    ended = [bench.jobs.await_end(job.id).result(60) for job in waiting]
    assert [job.state for job in (first, *ended)] == [State.DONE] * 4
    assert sorted(ended, key=lambda job: Path(job.clips[0]["path"]).name) == ended
    assert 0 <= bench.jobs.wait < 60
    again = JobQueue(bench.studio)
    for module in (files, shelf):
        monkeypatch.setattr(module, "is_left", lambda folder: folder.is_dir())
    again.open()
    assert {job.id for job in again.list_jobs()} == {job.id for job in (first, *ended)}
    again.close()
    bench.check_next(content)
