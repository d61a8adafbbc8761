"""Training data: pictures that may be used, clips that move as they say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from training import pictures, scenes
from training.clips import Album, Motion, crop, make_clip
from training.measures import measure_direction

FREE = ("CC0", "public domain", "no known copyright restrictions")


@pytest.fixture(scope="module")
def album() -> Album:
    return Album((), 24, seed=3)


def convert_to_frames(frames: torch.Tensor) -> np.ndarray:
    return ((frames + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def test_every_photograph_may_be_used_and_none_is_both_trained_on_and_held_out():
    sources = [*pictures.TRAINING, *pictures.HELD_OUT]
    assert {source.terms for source in sources} <= set(FREE)
    assert len({source.name for source in sources}) == len(sources)


def test_scenes_are_pictures_and_differ():
    drawn = [scenes.draw_scene(np.random.default_rng(i)) for i in range(12)]
    for picture in drawn:
        assert picture.shape == (scenes.SIDE, scenes.SIDE, 3)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() < picture.max() <= 1
    assert np.abs(drawn[0] - drawn[1]).mean() > 0.02


def test_a_scene_is_the_same_for_the_same_seed():
    first, again = (scenes.draw_scene(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("size", [(64, 64), (80, 48), (48, 80)])
def test_crops_and_clips_have_the_size_asked_for(size, album):
    width, height = size
    rng = np.random.default_rng(0)
    assert crop(rng, album, size).shape == (3, height, width)
    frames = make_clip(rng, album, size, 5, Motion(200, 7))
    assert frames.shape == (5, 3, height, width)
    assert -1 <= frames.min() < frames.max() <= 1


def test_the_camera_pans_to_the_right_so_the_picture_goes_to_the_left(album):
    clips = [make_clip(np.random.default_rng(i), album, (64, 64), 8, Motion(150, 7)) for i in range(12)]
    way = np.mean([measure_direction(convert_to_frames(frames)) for frames in clips])
    assert -way.real > 0.9 * abs(way) > 0.2


def test_reach_rises_with_the_motion_and_falls_with_the_frame_rate():
    assert Motion(255, 7).reach == pytest.approx(0.2)
    assert Motion(51, 7).reach == pytest.approx(0.04)
    assert Motion(255, 28).reach == pytest.approx(0.1)


def test_the_pan_is_as_long_as_the_reach(album):
    """The middle of the frame shows what the window's middle was panned to: found again in the first frame."""
    motion, found = Motion(128, 7), []
    for i in range(40):
        frames = convert_to_frames(make_clip(np.random.default_rng(i), album, (64, 64), 3, motion))
        first, last = frames[0], frames[-1]
        grown = round(64 / (1 + 0.6 * motion.reach))
        patch = cv2.resize(last, (grown, grown), interpolation=cv2.INTER_AREA)[8:-8, 8:-8]
        scores = cv2.matchTemplate(first, patch, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, _) = cv2.minMaxLoc(scores)
        if best > 0.95:  # unless something in front hides the way
            found.append(x + patch.shape[1] / 2 - 32)
    assert len(found) > 10
    assert np.median(found) == pytest.approx(motion.reach * 64, abs=1.0)
