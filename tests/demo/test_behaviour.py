"""What the demo checkpoint does, on pictures that it was not trained on: the controls do what their names say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from training.demo import UNSEEN
from training.measures import measure_colour, measure_difference, measure_direction, measure_flow, measure_psnr

NAMES = sorted(UNSEEN)
SEEDS = (0, 1)


def mean_over(measure, demo, names=NAMES, seeds=SEEDS, **settings):
    """Mean of a measure over pictures and seeds."""
    return np.mean([measure(demo.clip(name, seed, **settings)) for name in names for seed in seeds])


def test_pictures_of_five_kinds_are_there():
    assert len(NAMES) >= 5


def test_more_motion_asked_is_more_motion_seen(demo):
    assert mean_over(measure_flow, demo, motion_bucket_id=200) > 3 * mean_over(measure_flow, demo, motion_bucket_id=30)
    assert mean_over(measure_difference, demo, motion_bucket_id=200) > 2 * mean_over(
        measure_difference, demo, motion_bucket_id=30
    )


@pytest.mark.parametrize("name", NAMES)
def test_motion_rises_on_every_picture(name, demo):
    moved = [mean_over(measure_flow, demo, [name], seeds=(0,), motion_bucket_id=motion) for motion in (30, 75, 200)]
    assert moved[1] > 1.3 * moved[0]
    assert moved[2] > 1.3 * moved[1]


def test_the_lowest_motion_stays_near_still(demo):
    assert mean_over(measure_flow, demo, seeds=(0,), motion_bucket_id=1) < 0.15
    assert mean_over(measure_difference, demo, seeds=(0,), motion_bucket_id=1) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_the_first_frame_is_the_picture(name, demo):
    for seed in SEEDS:
        frames = demo.clip(name, seed, motion_bucket_id=75)
        picture = demo.fit_picture(name, frames)
        assert measure_psnr(frames[0], demo.pass_through_vae(picture)) > 30
        assert measure_psnr(frames[0], picture) > 22


def test_more_frames_a_second_move_less_from_one_to_the_next(demo):
    fast, slow = (mean_over(measure_flow, demo, seeds=(0,), motion_bucket_id=127, **fps) for fps in ({}, {"fps": 20}))
    assert slow < 0.8 * fast


@pytest.mark.parametrize("name", NAMES)
def test_the_camera_pans_to_the_right_so_the_picture_goes_to_the_left(name, demo):
    for seed in SEEDS:
        way = measure_direction(demo.clip(name, seed, motion_bucket_id=200))
        assert -way.real > 0.8 * abs(way)


def test_seeds_differ_in_what_the_picture_does_not_tell(demo):
    """What comes into view and how near things are is left to chance; the first frame is not."""

    def measure_difference(name, t):
        ends = [demo.clip(name, seed, motion_bucket_id=200)[t].astype(float) for seed in SEEDS]
        return np.mean([np.abs(a - b).mean() / 255 for a, b in itertools.combinations(ends, 2)])

    first, last = (np.mean([measure_difference(name, t) for name in NAMES]) for t in (0, -1))
    assert last > 0.02
    assert last > 2 * first


def test_augmentation_lets_the_first_frame_leave_the_picture(demo):
    def measure_nearness(strength: float) -> float:
        """Of frame 0 to the picture as the VAE gives it."""
        clips = {name: demo.clip(name, motion_bucket_id=75, noise_aug_strength=strength) for name in NAMES}
        own = {name: demo.pass_through_vae(demo.fit_picture(name, frames)) for name, frames in clips.items()}
        return float(np.mean([measure_psnr(frames[0], own[name]) for name, frames in clips.items()]))

    near, loose, far = measure_nearness(0.02), measure_nearness(0.2), measure_nearness(0.6)
    assert near > loose + 1
    assert loose > far + 1


@pytest.mark.parametrize("motion", [75, 127])
def test_colours_do_not_drift(motion, demo):
    for name in NAMES:
        frames = demo.clip(name, motion_bucket_id=motion)
        drift = max(np.abs(measure_colour(frame) - measure_colour(frames[0])).max() for frame in frames)
        assert drift < 0.05, name


@pytest.mark.parametrize("motion", [75, 127])
def test_things_stay_solid(motion, demo):
    """A frame that dissolves loses its edges: the last one keeps most of the first one's contrast between pixels."""

    def measure_edges(frame):
        grey = frame.mean(-1)
        return np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()

    kept = [
        measure_edges(demo.clip(name, seed, motion_bucket_id=motion)[-1])
        / measure_edges(demo.clip(name, seed, motion_bucket_id=motion)[0])
        for name in NAMES
        for seed in SEEDS
    ]
    assert np.mean(kept) > 0.7
    assert min(kept) > 0.5


@pytest.mark.parametrize("chunk", [1, 3])
def test_decode_memory_does_not_change_the_clip(chunk, demo):
    whole, parts = demo.clip("coffee"), demo.clip("coffee", decode_chunk=chunk)
    assert np.abs(whole.astype(int) - parts).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_live_preview_has_the_colours_of_the_picture(name, demo):
    picture = demo.fit_picture(name, demo.clip(name))
    rough = demo.preview(picture)
    height, width = rough.shape[:2]
    pooled = picture.reshape(height, picture.shape[0] // height, width, picture.shape[1] // width, 3).mean((1, 3))
    assert measure_psnr(rough, pooled) > 15
