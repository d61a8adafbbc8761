"""A clip with a fault gets that fault's advice and no other: one change, and why."""

from __future__ import annotations

import pytest
import torch

from lib_svd.review import review
from lib_svd.review.advice import advise, list_faults
from lib_svd.review.words import FAULTS
from tests.requests import complete
from tests.review import clips

pytestmark = pytest.mark.usefixtures("one_thread")
MADE_WITH = complete(motion_bucket_id=127, noise_aug_strength=0.05, min_guidance=1.0, max_guidance=2.5)
MOVING = clips.make_pan(3)


def embed_unlike(seen):
    """A tower to which the end of a clip is nothing like its beginning."""
    return torch.stack([torch.eye(len(seen))[0 if i < 3 else i] for i in range(len(seen))])


FAULTY = {
    "static": (clips.make_pan(0), None),
    "chaotic": (clips.dissolve(MOVING, 0.8), None),
    "leaves": (MOVING, embed_unlike),
    "flickers": (clips.add_flicker(MOVING, 10), None),
    "colours": (clips.add_drift(MOVING, 60), None),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_clip_with_a_fault_is_found_to_have_it_first(fault):
    frames, embed = FAULTY[fault]
    assert list_faults(review(frames, frames[0], embed).measures)[:1] == [fault]


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (clips.add_flicker(MOVING, 25), "flickers"),
        (clips.fade(MOVING, 0.2), "colours"),
        (clips.add_grain(clips.make_pan(0), 10), "static"),
        (clips.add_grain(clips.make_pan(0), 25), "static"),
        (clips.add_flicker(clips.make_pan(0), 25), "flickers"),
        (clips.add_drift(clips.make_pan(0), 60), "colours"),
        (clips.cut(MOVING), "chaotic"),
        (clips.cut(clips.make_pan(0)), "chaotic"),
        (clips.add_grain(MOVING, 80), "chaotic"),
    ],
    ids=["flicker", "fade", "grain", "much grain", "still flicker", "still drift", "cut", "two stills", "noise"],
)
def test_a_fault_does_not_look_like_another(made, fault):
    assert list_faults(review(made).measures) == [fault]


@pytest.mark.parametrize("made", [MOVING, clips.make_zoom(3), clips.make_walker(4), clips.add_grain(MOVING, 5)])
def test_a_good_clip_gets_no_advice(made):
    found = review(made, made[0], lambda seen: torch.ones(len(seen), 4)).measures
    assert list_faults(found) == []
    assert advise(found, MADE_WITH) is None


@pytest.mark.parametrize("said", FAULTS)
def test_what_the_user_says_counts_and_changes_one_setting_alone(said):
    found = advise(review(MOVING).measures, MADE_WITH, said)
    changed = MADE_WITH.replace(**found.change)
    assert found.fault == said
    assert "You said" in found.found
    assert found.reason.endswith(".")
    differing = [name for name in vars(MADE_WITH) if getattr(changed, name) != getattr(MADE_WITH, name)]
    assert differing == [found.setting]


def change(said, frames=MOVING, **settings):
    found = advise(review(frames).measures, MADE_WITH.replace(**settings), said)
    return found.setting, found.value


@pytest.mark.parametrize(
    ("said", "settings", "expected"),
    [
        ("chaotic", {"motion_bucket_id": 127}, ("motion_bucket_id", 75)),
        ("chaotic", {"motion_bucket_id": 80}, ("motion_bucket_id", 60)),
        ("chaotic", {"motion_bucket_id": 25, "noise_aug_strength": 0.04}, ("noise_aug_strength", 0.01)),
        ("chaotic", {"motion_bucket_id": 25, "noise_aug_strength": 0.0}, ("zoom", 1.25)),
        ("chaotic", {"motion_bucket_id": 25, "noise_aug_strength": 0.0, "zoom": 2.0}, (None, None)),
        ("chaotic", {"motion_bucket_id": 25, "noise_aug_strength": 0.0, "fit": "letterbox"}, (None, None)),
        ("static", {"motion_bucket_id": 30}, ("motion_bucket_id", 75)),
        ("static", {"motion_bucket_id": 75}, ("motion_bucket_id", 94)),
        ("static", {"motion_bucket_id": 255, "noise_aug_strength": 0.02}, ("noise_aug_strength", 0.04)),
        ("static", {"motion_bucket_id": 255, "noise_aug_strength": 0.9}, ("noise_aug_strength", 1.0)),
        ("leaves", {"max_guidance": 2.5}, ("max_guidance", 3.0)),
        ("leaves", {"max_guidance": 5.0}, ("zoom", 1.25)),
        ("flickers", {"decode": "reference"}, ("decode", "exact")),
        ("flickers", {"num_steps": 12}, ("num_steps", 25)),
        ("flickers", {"motion_bucket_id": 127}, ("motion_bucket_id", 75)),
        ("colours", {"noise_aug_strength": 0.05}, ("noise_aug_strength", 0.01)),
    ],
)
def test_the_change_goes_the_way_that_works(said, settings, expected):
    assert change(said, **settings) == expected


def test_colours_that_grow_call_for_less_guidance():
    grey = MOVING.mean(-1, keepdims=True)
    t = clips.np.linspace(0.6, 0, clips.T)[:, None, None, None]
    growing = clips.round_levels((1 - t) * MOVING + t * grey)
    assert change("colours", growing) == ("max_guidance", 2.0)


def test_a_first_frame_that_leaves_the_picture_calls_for_less_noise_on_it():
    found = advise(review(MOVING, MOVING[0][::-1]).measures, MADE_WITH, "leaves")
    assert (found.setting, found.value) == ("noise_aug_strength", 0.02)
