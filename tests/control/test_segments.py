"""A clip in segments: each goes on from the last one's latents, and what is done is never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lib_svd.engine.steering import hold_first
from lib_svd.engine.windows import count_handed, list_segments
from lib_svd.errors import Interrupted, OutOfMemory
from lib_svd.infotext import read_infotext
from lib_svd.jobs import history
from lib_svd.latents import load_latents
from lib_svd.stages import segments
from lib_svd.studio import Studio
from lib_svd.testing import FakeQueue, make_fake_host
from tests.conftest import read_frames_in, snapshot
from tests.control.clips import PICTURE, draw_mask, make_clip, measure_steps

pytestmark = pytest.mark.usefixtures("one_thread")
LONG = {"longer": "segments", "num_frames": 18, "num_steps": 4}  # 8, then 5 more twice


@pytest.mark.parametrize("size", [2, 5, 8, 14, 25])
@pytest.mark.parametrize("num_frames", [2, 8, 9, 26, 49, 100, 145])
def test_segments_are_few_and_equal_and_cover_the_clip(num_frames, size) -> None:
    lengths = list_segments(num_frames, size)
    new = [lengths[0], *(length - count_handed(size) for length in lengths[1:])]

    assert sum(new) == num_frames
    assert max(lengths) <= max(size, 1)
    assert max(lengths) - min(lengths) <= 1
    assert len(lengths) == 1 or sum(new[1:]) > (len(lengths) - 2) * (size - count_handed(size))  # one less cannot do


@pytest.mark.parametrize("num_frames", [18, 26, 40, 100])
def test_a_clip_that_ends_early_is_the_beginning_of_the_longer_one(num_frames) -> None:
    lengths = list_segments(num_frames, 8)
    for ended in range(1, len(lengths) + 1):
        done = lengths[0] + sum(length - count_handed(8) for length in lengths[1:ended])
        assert list_segments(done, 8) == lengths[:ended]


def test_frames_that_are_handed_over_stay_and_new_ones_have_their_colours() -> None:
    first = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    tinted = hold_first(lambda x, sigma: torch.cat([first, first + 1]) + 0.5, first)

    denoised = tinted(torch.zeros(6, 4, 2, 2), torch.tensor(1.0))

    assert torch.equal(denoised[:3], first)
    torch.testing.assert_close(denoised[3:], first + 1)


def test_the_first_segments_are_the_shorter_clip_and_joins_are_no_worse_than_any_step(lib_svd, here) -> None:
    words = ("animate", PICTURE, "--checkpoint", "demo", "--seed", 1, "--longer", "segments")
    long = lib_svd(*words, "--frames", 33, "--frames-dir", "f", "--save-latents", "f.safetensors", "--out", "f.mp4")
    short = lib_svd(*words, "--frames", 13, "--save-latents", "s.safetensors", "--out", "s.mp4")

    assert (long.code, short.code) == (0, 0), long.err + short.err
    whole, beginning = (load_latents(here / name).latents for name in ("f.safetensors", "s.safetensors"))
    assert torch.equal(whole[:13], beginning)
    assert "33 frames are made in 6 segments of 8 at most" in long.err
    assert "after frame 8: " in long.err
    frames = read_frames_in(here / "f").astype(float)
    joins = [7 + 5 * number for number in range(5)]
    steps = measure_steps(frames)
    assert steps[joins].max() < 1.5 * np.median(steps)
    change = np.diff(frames.mean((1, 2)), axis=0)
    jump = np.abs(change[1:-1] - (change[:-2] + change[2:]) / 2).max(1)  # how far off the steps beside it, of 255
    beside = np.delete(jump, [join - 1 for join in joins])
    assert jump[[join - 1 for join in joins]].mean() < np.median(beside) + 1


def test_all_segments_count_as_one_sampling(tmp_path) -> None:
    queue = FakeQueue()

    make_clip(Studio(make_fake_host(tmp_path, queue=queue, svd_review=False)), **LONG)

    sampling = [each for each in queue.reports if each.title == "Sampling"]
    assert {each.total for each in sampling} == {12}
    assert [each.done for each in sampling] == sorted(each.done for each in sampling)
    titles = [each.title for each in queue.reports]
    assert "Sampling" not in titles[titles.index("Decoding") :]


def check_two_segments(studio: Studio, said: str, tmp_path: Path) -> None:
    """The third segment of LONG does not come to an end: the clip is what was done before."""
    shorter = make_clip(Studio(make_fake_host(tmp_path / "b", svd_review=False)), **{**LONG, "num_frames": 13})
    saved = studio.animate(studio.order(studio.make_request({"checkpoint": "demo", "seed": 1, **LONG}), PICTURE))

    assert f"{said} The clip ends with segment 2 of 3, at frame 13." in saved.notes
    assert (saved.clip.frames == shorter).all()
    assert "SVD frames: 13" in read_infotext(saved.video)
    assert history.find_entry(saved.video).settings["num_frames"] == 13
    assert not list(saved.video.parent.glob("*.latents.safetensors"))


def test_a_stop_keeps_what_is_done(tmp_path) -> None:
    stopped = []

    def stop(progress) -> bool:
        stopped.extend([progress] if (progress.title, progress.done) == ("Sampling", 10) else [])
        return bool(stopped)

    studio = Studio(make_fake_host(tmp_path / "a", queue=FakeQueue(stop), svd_review=False))
    check_two_segments(studio, "Sampling was stopped.", tmp_path)


def test_where_memory_ends_what_is_done_is_kept(tmp_path, monkeypatch) -> None:
    sample = segments.sample

    def fail_third(run, *given):
        if run.part[0] == 2:
            raise OutOfMemory.on("cpu")
        return sample(run, *given)

    monkeypatch.setattr(segments, "sample", fail_third)
    studio = Studio(make_fake_host(tmp_path / "a", svd_review=False))
    check_two_segments(studio, str(OutOfMemory.on("cpu")), tmp_path)


def test_a_stop_in_the_first_segment_leaves_nothing(tmp_path) -> None:
    queue = FakeQueue(lambda progress: (progress.title, progress.done) == ("Sampling", 2))
    studio = Studio(make_fake_host(tmp_path, queue=queue, svd_review=False))
    order = studio.order(studio.make_request({"checkpoint": "demo", **LONG}), PICTURE)

    with pytest.raises(Interrupted):
        studio.animate(order)

    assert snapshot(order.to.out.parent) == {}


STOPPED = """
import os, signal, sys
from lib_svd.cli import main
from lib_svd.stages import segments
sample, how = segments.sample, int(sys.argv[1])
def stop_third(run, *given):
    if run.part[0] == 2:
        os.kill(os.getpid(), how)
    return sample(run, *given)
segments.sample, sys.argv = stop_third, sys.argv[2:]
main()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_program_that_is_ended_leaves_the_segments_that_are_done(lib_svd, here, how) -> None:
    words = ["animate", PICTURE, "--checkpoint", "demo", "--seed", 1, "--longer", "segments", "--frames", 18]
    words += ["--steps", 2, "--out", here / "a.mp4", "--quiet"]
    ran = subprocess.run(
        [sys.executable, "-c", STOPPED, str(int(how)), "lib_svd", *map(str, words)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    kept = here / "a.latents.safetensors"
    assert [*snapshot(here)] == [kept.name]
    if how == signal.SIGINT:
        assert (ran.returncode, f"--from-latents {kept} " in ran.stderr) == (130, True), ran.stderr
    again = lib_svd("animate", "--from-latents", kept, "--checkpoint", "demo", "--frames-dir", here / "f")
    assert (again.code, len(read_frames_in(here / "f"))) == (0, 13), again.err


def test_what_must_not_move_stays_over_all_segments(lib_svd, here) -> None:
    mask = draw_mask("half")
    mask.save(here / "mask.png")
    words = ("--checkpoint", "demo", "--seed", 1, "--size", "80x48", "--motion", 200, "--longer", "segments")
    ran = lib_svd(
        "animate", PICTURE, *words, "--frames", 18, "--mask", "mask.png", "--frames-dir", "f", "--out", "a.mp4"
    )

    assert ran.code == 0, ran.err
    moved = np.abs(np.diff(read_frames_in(here / "f").astype(float), axis=0)).mean((0, 3))
    assert moved[:, 52:].mean() < 0.02 * moved[:, :40].mean()
