"""What controls offer for each model, and where they go when another one is chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_svd.checkpoints.families import FAMILIES
from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS
from lib_svd.ui.choices import FOLLOWING, Made

NUMBERS = [name for name, setting in SETTINGS.items() if setting.kind is not str and name != "seed"]
ALL = [Made(family, 64) for family in FAMILIES.values()]
SHOWN = [(made, name) for made in ALL for name in NUMBERS if made.family.takes(SETTINGS[name])]
families = st.sampled_from(ALL)


def complete(made: Made, **settings):
    """As a clip is ordered. A size comes with the other side, as it does from the tab."""
    if settings.keys() & {"width", "height"}:
        settings = {"width": made.family.width, "height": made.family.height} | settings
    return made.family.complete(ClipRequest(**settings), grid=made.grid)[0]


@pytest.mark.parametrize(("made", "name"), SHOWN, ids=lambda each: each if isinstance(each, str) else each.family.name)
def test_no_slider_offers_what_would_be_refused(made, name):
    low, high, step = made.find_bounds(name)
    kind = SETTINGS[name].kind
    for value in (low, low + step, high - step, high):
        assert getattr(complete(made, **{name: kind(value)}), name) == kind(value)


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.family.name)
def test_the_models_own_values_lie_on_the_sliders(made):
    for name, value in made.list_defaults().items():
        if name in NUMBERS:
            low, high, step = made.find_bounds(name)
            assert low <= value <= high
            assert (value - low) / step == pytest.approx(round((value - low) / step), abs=1e-6), name


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.family.name)
def test_only_the_model_that_takes_a_path_offers_one(made):
    assert made.takes_path == (made.family.name == "sv3d_p")


@given(before=families, after=families)
def test_controls_that_were_not_touched_go_to_the_new_models_values(before, after):
    assert after.follow(before.list_defaults(), before) == after.list_defaults()


@given(before=families, after=families, there=families)
def test_going_by_way_of_another_model_changes_nothing(before, after, there):
    by_way = after.follow(there.follow(before.list_defaults(), before), there)
    assert by_way == after.list_defaults()


def test_what_the_user_changed_stays():
    xt, short = Made(FAMILIES["svd_xt"], 64), Made(FAMILIES["svd"], 64)
    found = short.follow({**xt.list_defaults(), "motion_bucket_id": 90, "num_frames": 20, "fps": 12}, xt)
    assert found == {**short.list_defaults(), "motion_bucket_id": 90, "num_frames": 20, "fps": 12}


def test_what_the_user_changed_is_brought_within_reach():
    xt, sv3d = Made(FAMILIES["svd_xt"], 64), Made(FAMILIES["sv3d_u"], 64)
    found = sv3d.follow({**xt.list_defaults(), "num_frames": 50, "width": 1536, "height": 768}, xt)
    assert (found["num_frames"], found["width"], found["height"]) == (42, 1152, 768)


def test_guidance_that_follows_does_not_cross_guidance_that_stays():
    xt, short = Made(FAMILIES["svd_xt"], 64), Made(FAMILIES["svd"], 64)
    found = short.follow({**xt.list_defaults(), "min_guidance": 2.9}, xt)
    assert (found["min_guidance"], found["max_guidance"]) == (2.9, 2.9)


@given(
    before=families,
    after=families,
    frames=st.integers(1, 50),
    low=st.floats(1, 20),
    high=st.floats(1, 20),
    steps=st.integers(1, 100),
)
def test_a_clip_can_be_asked_for_after_any_change_unless_guidance_was_wrong_before(
    before, after, frames, low, high, steps
):
    changed = {"num_frames": frames, "min_guidance": low, "max_guidance": high, "num_steps": steps}
    found = after.follow({**before.list_defaults(), **changed}, before)
    wanted = {name: found[name] for name in FOLLOWING if name not in ("width", "height")}
    if low > high:
        with pytest.raises(BadRequest, match="Guidance must not fall"):
            complete(after, min_guidance=low, max_guidance=high)
    else:
        complete(after, **wanted)


def test_before_any_model_is_known_the_values_are_those_of_the_most_common_one():
    assert Made.of(None).family.name == "svd_xt"
    assert set(FOLLOWING) == set(Made.of(None).list_defaults())


def test_the_motion_slider_ends_where_training_did():
    made = Made(replace(FAMILIES["svd"], lowest_motion=20, highest_motion=90), 64)
    assert made.find_bounds("motion_bucket_id") == (20, 90, 1)
    wide = Made(FAMILIES["svd"], 64)
    assert made.follow({**wide.list_defaults(), "motion_bucket_id": 200}, wide)["motion_bucket_id"] == 90


def test_a_hint_names_no_number_of_another_model():
    most, demo = Made.of(None), Made(replace(FAMILIES["svd_xt"], motion_bucket_id=127, num_steps=10), 8)
    for name in NUMBERS:
        assert most.write_hint(name) == SETTINGS[name].help
    assert demo.write_hint("motion_bucket_id") == "How much moves. More breaks sooner. 127 is where this model begins."
    assert demo.write_hint("num_steps") == "Steps of the sampler. 10 is where this model begins."
    assert demo.write_hint("fps") == SETTINGS["fps"].help
