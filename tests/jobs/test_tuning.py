"""Looking for settings: on models whose best setting is known it is found, one change at a time, within the budget."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lib_svd import jobs
from lib_svd.animate import Destination, order
from lib_svd.checkpoints import DEMO, recognise
from lib_svd.clip import Clip, SavedClip
from lib_svd.errors import BadRequest, Interrupted
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.jobs.tuning import TUNED
from lib_svd.request import ClipRequest
from lib_svd.review import rate
from lib_svd.studio import Studio
from lib_svd.video import save

pytestmark = pytest.mark.usefixtures("one_thread")
RIGHT = {"speed": 2.0, "standstill": 0.0, "ssim": 0.95, "similarity": 0.95, "drift": 0.5, "saturation": 0.0,
         "warped_error": 0.01, "flicker": 0.001, "cuts": 0.0}  # fmt: skip


def slow_starter(request):
    """Moves from motion 100 on, and tears from 120."""
    motion = request.motion_bucket_id
    return {**RIGHT, "speed": max(0.0, (motion - 90) / 10), "warped_error": 0.08 if motion > 120 else 0.01}


def wild(request):
    """Tears above motion 45."""
    return {**RIGHT, "warped_error": 0.01 if request.motion_bucket_id <= 45 else 0.05 + request.motion_bucket_id / 1e3}


def wanderer(request):
    """Leaves its picture unless guidance holds it."""
    return {**RIGHT, "similarity": 0.6 if request.max_guidance < 4 else 0.92}


def grainy(request):
    """Drifts in its colours unless there is hardly any noise on the picture."""
    return {**RIGHT, "drift": 8.0 if request.noise_aug_strength > 0.01 else 1.0}


KNOWN = {
    slow_starter: lambda request: 96 <= request.motion_bucket_id <= 120,
    wild: lambda request: request.motion_bucket_id <= 45,
    wanderer: lambda request: request.max_guidance >= 4,
    grainy: lambda request: request.noise_aug_strength <= 0.01,
}


@pytest.fixture
def first(tmp_path, checkpoint, picture):
    return order(ClipRequest(seed=3), picture, recognise(checkpoint), Destination(out=tmp_path / "clip.mp4"))


@pytest.fixture
def asked():
    """The requests of all drafts."""
    return []


@pytest.fixture
def make(asked):
    """Makes drafts of a model of which nothing is known but its measures."""

    def make_by(model):
        def make_one(made):
            asked.append(made.request)
            clip = Clip(frames=np.zeros((2, 64, 96, 3), np.uint8), fps=7, infotext=made.request.write_infotext())
            video = save(clip, made.to.out).video
            history.remember(video, made.request, made.picture_path, None)
            return SavedClip(clip=clip, video=video), SimpleNamespace(measures=model(made.request))

        return make_one

    return make_by


@pytest.mark.parametrize("model", KNOWN, ids=lambda each: each.__name__)
def test_the_best_setting_of_a_known_model_is_found(first, make, model):
    drafts = list(jobs.tune(first, 12, make(model)))
    best = jobs.choose_best(drafts)
    assert best.verdict == "nothing is wrong"
    assert KNOWN[model](first.request.replace(**best.settings))


@pytest.mark.parametrize("model", KNOWN, ids=lambda each: each.__name__)
def test_three_motions_come_first_and_then_one_change_at_a_time(first, make, asked, model):
    drafts = list(jobs.tune(first, 12, make(model)))
    assert [each.settings["motion_bucket_id"] for each in drafts[:3]] == [75, 60, 90]
    for number in range(3, len(drafts)):
        now = drafts[number].settings
        changes = [sum(each.settings[name] != now[name] for name in TUNED) for each in drafts[:number]]
        assert min(changes) == 1
    assert len({tuple(each.settings.items()) for each in drafts}) == len(drafts)  # none twice
    assert {(each.seed, each.num_frames, each.fps) for each in asked} == {(3, first.request.num_frames, 7)}


def test_where_nothing_is_wrong_what_the_user_began_with_is_the_best(first, make):
    drafts = list(jobs.tune(first, 8, make(lambda _: RIGHT)))
    assert len(drafts) == 3
    assert jobs.choose_best(drafts).settings["motion_bucket_id"] == first.request.motion_bucket_id


def test_the_budget_is_kept_and_one_can_go_on(first, make):
    drafts = list(jobs.tune(first, 4, make(wild)))
    assert len(drafts) == 4
    more = list(jobs.tune(first, 8, make(wild), drafts))
    assert jobs.choose_best([*drafts, *more]).settings["motion_bucket_id"] <= 45
    assert not {each.saved.video for each in drafts} & {each.saved.video for each in more}


@pytest.mark.parametrize("budget", [-1, 0, 2, 37])
def test_a_budget_that_cannot_be_is_refused(first, make, budget):
    with pytest.raises(BadRequest, match=r"3 to 36 drafts"):
        next(jobs.tune(first, budget, make(wild)))


def test_where_nothing_helps_it_ends(first, make):
    drafts = list(jobs.tune(first, 36, make(lambda _: {**RIGHT, "cuts": 3.0})))
    assert 3 < len(drafts) < 36


def test_every_draft_is_in_the_history_with_its_reason(first, make, tmp_path):
    drafts = list(jobs.tune(first, 6, make(wanderer)))
    notes = {each.video: each.note for each in history.read_entries(tmp_path)}
    assert set(notes) == {each.saved.video for each in drafts}
    for number, each in enumerate(drafts, 1):
        assert notes[each.saved.video] == f"Draft {number} of a search. {each.reason} Found: {each.verdict}."
    assert drafts[3].reason.startswith("Measured: drifts from my picture. Guidance, last frame 3.5: Guidance holds the")


def test_stopping_keeps_the_drafts(first, make):
    def stop(made):
        if len(done) == 2:
            raise Interrupted
        return make(wild)(made)

    done = []
    drafts = jobs.tune(first, 8, stop)
    done += [next(drafts), next(drafts)]
    with pytest.raises(Interrupted):
        next(drafts)
    assert all(each.saved.video.is_file() for each in done)


def test_the_clip_in_full_has_the_settings_of_the_draft_and_all_else_as_asked_for(first, make, tmp_path):
    best = jobs.choose_best(list(jobs.tune(first, 12, make(wanderer))))
    full = jobs.apply_draft(first, best, first.to)
    changed = {name for name in TUNED if getattr(full.request, name) != getattr(first.request, name)}
    assert changed == {"max_guidance"}
    assert (full.request.num_steps, full.request.width, full.request.height) == (
        first.request.num_steps,
        first.request.width,
        first.request.height,
    )


def test_the_demo_is_tuned(tmp_path, picture):
    studio = Studio(make_standalone_host("cpu", "float32"))
    made = order(ClipRequest(seed=1), picture, recognise(DEMO), Destination(out=tmp_path / "clip.mp4"))
    drafts = list(studio.tune(made, 5))
    assert len(drafts) >= 3
    best = jobs.choose_best(drafts)
    assert rate(best.measures) == min(rate(each.measures) for each in drafts)
    assert studio.animate(jobs.apply_draft(made, best, made.to)).video == tmp_path / "clip.mp4"


def test_a_model_that_takes_no_motion_is_refused(first, make, monkeypatch):
    import dataclasses

    family = dataclasses.replace(first.checkpoint.family, conditioning="sv3d_u", title="SV3D")
    turned = dataclasses.replace(first, checkpoint=dataclasses.replace(first.checkpoint, family=family))
    with pytest.raises(BadRequest, match="SV3D turns an object and takes no motion"):
        next(jobs.tune(turned, 8, make(wild)))


@pytest.mark.parametrize(
    ("changed", "cost"),
    [
        ({}, 0.0),
        ({"speed": 0.6}, 0.0),
        ({"speed": 0.375}, 0.5),
        ({"speed": 0.15}, 1.0),
        ({"speed": 0.0}, 1.25),
        ({"speed": 9.0}, 1.33),
        ({"drift": 6.0}, 1.0),
        ({"drift": 600.0}, 1.99),
        ({"similarity": None}, 0.0),
        ({"saturation": -6.0, "flicker": 0.008}, 1.83),
    ],
)
def test_a_clip_costs_what_it_is_off_the_usual(changed, cost):
    assert rate({**RIGHT, **changed}) == pytest.approx(cost, abs=0.01)
