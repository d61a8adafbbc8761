"""A seamless loop has no seam, and a clip longer than the model's own no joins that are seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib_svd.checkpoints import DEMO, recognise
from lib_svd.engine.windows import place_windows
from lib_svd.errors import Interrupted
from lib_svd.finish.finishing import is_loop
from lib_svd.jobs import reopen_clip
from lib_svd.progress import Stage
from lib_svd.request import ClipRequest
from lib_svd.stages.decode import begin_at_rest
from lib_svd.stages.plan import plan_sampling
from lib_svd.studio import Studio
from lib_svd.testing import FakeQueue, make_fake_host
from tests.conftest import read_frames_in
from tests.control.clips import PICTURE, make_clip, measure_seam, measure_steps

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def studio(tmp_path) -> Studio:
    return Studio(make_fake_host(tmp_path))


@pytest.mark.parametrize("num_frames", [8, 13], ids=["in one piece", "in windows"])
def test_a_seamless_loop_steps_from_its_last_frame_to_its_first_as_anywhere(studio, num_frames) -> None:
    opened, closed = (make_clip(studio, num_frames=num_frames, ending=way) for way in ("open", "loop"))

    assert measure_seam(closed) <= np.median(measure_steps(closed))
    assert measure_seam(opened) > 3 * np.median(measure_steps(opened))  # so that the first line says something
    assert measure_steps(closed).min() > 0.3  # it moves


def test_a_seamless_loop_is_known_for_one_and_decoded_as_one_again(lib_svd, here) -> None:
    words = ("--checkpoint", "demo", "--seed", 1, "--frames", 4, "--ending", "loop", "--out", here / "a.mp4")
    made = lib_svd("animate", PICTURE, *words, "--frames-dir", here / "a", "--save-latents", here / "a.safetensors")
    again = lib_svd(
        *("animate", "--from-latents", here / "a.safetensors", "--checkpoint", "demo"),
        *("--out", here / "b.mp4", "--frames-dir", here / "b", "--decode-chunk", 1),
    )

    assert (made.code, again.code) == (0, 0), made.err + again.err
    assert np.abs(read_frames_in(here / "a").astype(int) - read_frames_in(here / "b")).max() <= 1
    for name in ("a.mp4", "b.mp4"):
        infotext = reopen_clip(here / name).clip.infotext
        assert "SVD ending: Seamless loop" in infotext
        assert is_loop(infotext)


@pytest.mark.parametrize("ending", ["open", "loop"])
def test_nobody_sees_where_the_windows_of_a_long_clip_meet(studio, ending) -> None:
    frames = make_clip(studio, num_frames=24, ending=ending)
    steps, windows = measure_steps(frames), place_windows(24, 8, closed=ending == "loop")
    joins = [int(window[0]) - 1 for window in windows if 0 < window[0] < 23]

    assert len(frames) == 24
    assert len(joins) >= 3
    assert steps[joins].max() <= 1.5 * np.median(steps)


def test_progress_counts_every_window_and_each_may_be_the_last(tmp_path) -> None:
    queue = FakeQueue()
    make_clip(Studio(make_fake_host(tmp_path, queue=queue)), num_frames=20, num_steps=2)
    sampling = [each for each in queue.reports if each.stage is Stage.SAMPLING]

    assert [(each.done, each.total) for each in sampling] == [(done, 8) for done in range(9)]
    stopping = FakeQueue(stops=lambda progress: progress.stage is Stage.SAMPLING and progress.done == 3)
    with pytest.raises(Interrupted, match="Sampling was stopped"):
        make_clip(Studio(make_fake_host(tmp_path, queue=stopping)), num_frames=20, num_steps=2)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_sampling_a_longer_clip_takes_no_more_memory(device) -> None:
    demo = recognise(DEMO)
    plans = []
    for num_frames in (8, 50, 100):
        request, _ = demo.family.complete(ClipRequest(num_frames=num_frames), grid=demo.size_grid)
        window = demo.family.choose_window(request)
        plans.append(plan_sampling(demo.configs, request, window, torch.float16, device, room=10**12))

    assert plans[0] == plans[1] == plans[2]


def test_a_loop_begins_where_it_moves_least() -> None:
    ring = np.array([0, 30, 40, 41, 70], np.uint8).reshape(-1, 1, 1, 1)

    assert begin_at_rest(ring).flatten().tolist() == [41, 70, 0, 30, 40]
