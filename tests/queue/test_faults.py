"""Whatever goes wrong while a job is made, it ends in a clip or a sentence, nothing is lost or left, and the next one
is made.
"""

from __future__ import annotations

import errno
import gc
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
from typing import Any

import pytest
import torch
from safetensors import safe_open

from lib_svd import video
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.progress import Progress
from lib_svd.queue import Job, JobQueue, State
from lib_svd.studio import Studio
from lib_svd.testing import FakeQueue, write_checkpoint
from tests.conftest import NARROW, SELF_DESCRIBED, snapshot
from tests.killing import NAMES
from tests.test_faults import write_failing_ffmpeg

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
        assert [name for name in self.list_left() if not name.endswith(".latents.safetensors")] == []
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
