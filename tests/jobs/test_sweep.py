"""A sweep changes one setting and nothing else, and does no work twice."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from lib_svd import jobs
from lib_svd.animate import Destination, animate, order
from lib_svd.checkpoints import load, recognise
from lib_svd.engine.vae import VaeEncoder
from lib_svd.errors import BadRequest, Interrupted
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.infotext import read_infotext
from lib_svd.jobs import history
from lib_svd.progress import Bar
from lib_svd.request import ClipRequest
from lib_svd.video import Encoding, probe

pytestmark = pytest.mark.usefixtures("one_thread")
MOTION = jobs.find_sweepable("motion")


@pytest.fixture
def first(tmp_path, checkpoint, picture):
    return order(ClipRequest(seed=3), picture, recognise(checkpoint), Destination(out=tmp_path / "all.mp4"))


@pytest.fixture
def swept(checkpoint, first):
    def sweep_values(setting, values, host=None):
        host = host or make_standalone_host("cpu", "float32")
        svd = load(recognise(checkpoint), host)
        return jobs.sweep(jobs.make_orders(first, setting, values), setting, host, lambda *_: svd)

    return sweep_values


def test_clips_differ_in_the_swept_setting_alone(swept, tmp_path):
    done = list(swept(MOTION, (30, 90, 200)))
    assert [each.value for each in done] == [30, 90, 200]
    settings = [ClipRequest.from_infotext(read_infotext(tmp_path / f"all-{value}.mp4")) for value in (30, 90, 200)]
    assert [each.motion_bucket_id for each in settings] == [30, 90, 200]
    assert len({each.replace(motion_bucket_id=1) for each in settings}) == 1
    assert len({each.saved.clip.frames.tobytes() for each in done}) == 3


def test_a_clip_of_a_sweep_is_the_clip_that_one_gets_alone(swept, first, tmp_path, checkpoint):
    together = list(swept(MOTION, (30, 200)))[1]
    host = make_standalone_host("cpu", "float32")
    to = Destination(out=tmp_path / "alone.mp4")
    order = replace(first, request=first.request.replace(motion_bucket_id=200), to=to)
    alone = animate(order, host)
    np.testing.assert_array_equal(together.saved.clip.frames, alone.clip.frames)


@pytest.mark.parametrize(
    ("setting", "values", "encoded"),
    [
        ("motion", (30, 90, 200), 1),
        ("max_guidance", (1.5, 2.5), 1),
        ("num_steps", (2, 3), 1),
        ("noise_aug_strength", (0.0, 0.1), 2),
        ("seed", (1, 2, 3), 3),
    ],
)
def test_what_did_not_change_is_not_encoded_again(setting, values, encoded, swept, monkeypatch):
    calls = []
    original = VaeEncoder.start_latent
    monkeypatch.setattr(VaeEncoder, "start_latent", lambda self, x: (calls.append(1), original(self, x))[1])
    assert len(list(swept(jobs.find_sweepable(setting), values))) == len(values)
    assert len(calls) == encoded


def test_each_clip_is_measured(swept, first):
    for each in swept(MOTION, (30, 200)):
        assert each.review.motion.flow >= 0
        assert -1 <= each.review.fidelity.ssim <= 1
        assert -1 <= each.review.fidelity.similarity <= 1


def test_stopping_keeps_what_is_done(swept, tmp_path):
    stop = threading.Event()
    host = make_standalone_host("cpu", "float32", stop=stop)
    clips = swept(MOTION, (30, 90, 200), host)
    first = next(clips)
    stop.set()
    with pytest.raises(Interrupted):
        next(clips)
    assert probe(first.saved.video).num_frames == 5
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["all-30.mp4"]


def test_all_clips_are_in_one_video_with_what_was_swept(swept, tmp_path):
    whole = jobs.save_grid(list(swept(MOTION, (30, 90, 200))), MOTION, tmp_path / "all.mp4", Encoding())
    found = probe(whole.video)
    assert (found.num_frames, found.width, found.height) == (5, 2 * 96, 2 * (64 + 14))
    assert "SVD motion: 30, 90, 200" in read_infotext(whole.video)
    listed = history.find_entry(whole.video)  # it has no one motion, and says so
    assert (listed.settings["motion_bucket_id"], listed.settings["seed"]) == (None, 3)
    assert listed.note == "Motion 30, 90, 200, side by side"


def test_every_clip_of_a_grid_has_its_label_below():
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, (4, 40, 60, 3), np.uint8) for _ in range(3)]
    sheet = jobs.make_grid(clips, ["Motion 30", "Motion 90", "Motion 200"])
    labels = []
    for i, clip in enumerate(clips):
        top, left = i // 2 * (40 + 14), i % 2 * 60
        np.testing.assert_array_equal(sheet[:, top : top + 40, left : left + 60], clip)
        labels.append(sheet[:, top + 40 : top + 54, left : left + 60])
    assert all(label.max() > 150 for label in labels)
    assert len({label.tobytes() for label in labels}) == 3


def test_a_grid_is_nearly_square_holds_the_last_frame_and_fits_a_player():
    clips = [np.full((n, 40, 60, 3), 10 * n, np.uint8) for n in (2, 5, 3, 4)]
    sheet = jobs.make_grid(clips, list("abcd"))
    assert sheet.shape == (5, 2 * (40 + 14), 2 * 60, 3)
    assert (sheet[4, 5, 5] == 20).all()
    assert jobs.make_grid([np.zeros((2, 576, 1024, 3), np.uint8)] * 30, ["x"] * 30).shape[2] <= 4096


@pytest.mark.parametrize(
    ("text", "values"),
    [
        *[("60,75,90", (60, 75, 90)), (" 60 , 90,60", (60, 90)), ("", (60, 75, 90))],
        *[("60-62", (60, 61, 62)), ("10, 60-61", (10, 60, 61))],
    ],
)
def test_values_are_read_once_each(text, values):
    assert jobs.read_values(MOTION, text) == values


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        ("motion", "60", "2 to 36 different values"),
        ("motion", "60,900", "from 1 to 255"),
        ("motion", "60,many", "must be a number"),
        ("motion", "1-200", "2 to 36 different values"),
        ("seed", "1-9999999999", "2 to 36 different values"),
        ("motion", "62-60", "2 to 36 different values"),
        ("max_guidance", "2-many", "must be a number"),
        ("fps", "", "2 to 36 different values"),
        ("motion", ",".join(map(str, range(1, 40))), "2 to 36 different values"),
    ],
)
def test_values_that_cannot_be_are_refused(setting, text, said):
    with pytest.raises(BadRequest, match=said):
        jobs.read_values(jobs.find_sweepable(setting), text)


def test_a_setting_that_cannot_be_swept_is_refused_with_those_that_can():
    with pytest.raises(BadRequest, match=r"choose one of .*, motion, augmentation, guidance-first-frame, "):
        jobs.find_sweepable("width")


def test_a_value_that_the_model_cannot_do_is_refused_before_anything_is_made(first, tmp_path):
    with pytest.raises(BadRequest):
        jobs.make_orders(first, jobs.find_sweepable("max_guidance"), (0.5, 2.0))
    assert list(tmp_path.glob("*.mp4")) == []


def test_seeds_to_choose_the_best_of_need_no_values():
    assert jobs.read_values(jobs.find_sweepable("seed"), "") == (1, 2, 3, 4)


def test_the_bar_runs_once_through_all_clips(swept):
    bar, shares, said = Bar(), [], []

    def report(progress, preview):
        shares.append(bar.move(progress))
        said.append(progress.title)

    host = make_standalone_host("cpu", "float32", on_report=report)
    shares.clear()
    list(swept(MOTION, (30, 200), host))
    begun = next(i for i, stage in enumerate(said) if stage.startswith("Clip 1 of 2: Sampling"))
    assert shares[begun:] == sorted(shares[begun:])
    ends = {stage: share for stage, share in zip(said, shares, strict=True) if stage.endswith("Decoding")}
    assert ends == {"Clip 1 of 2: Decoding": 0.5, "Clip 2 of 2: Decoding": 1.0}


def test_a_clip_that_cannot_be_measured_does_not_end_the_sweep(swept, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr("lib_svd.jobs.noting.review", fail)
    done = list(swept(MOTION, (30, 200)))
    assert [each.measures for each in done] == [{}, {}]
    assert all("was not measured" in each.saved.notes[-1] for each in done)
