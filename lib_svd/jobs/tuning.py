"""Find settings for a picture: drafts at three motions, then one change at a time, as the measures advise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from lib_svd.animate import Destination, Order, order
from lib_svd.clip import SavedClip
from lib_svd.errors import BadOutput, BadRequest
from lib_svd.jobs import history
from lib_svd.jobs.pictures import keep_companions
from lib_svd.request import CompleteRequest
from lib_svd.review import FAULTS, Measures, Review, advise, list_faults, list_near_faults, rate
from lib_svd.settings import SETTINGS
from lib_svd.speeds import choose_steps

LEAST, MOST = 3, 36  # drafts
DRAFT_SIDE = 512  # pixels of a draft's longer side, where the model works at such a size
SPREAD = (1.0, 0.8, 1.2)  # of the motion to begin with; of 75 that is 75, 60 and 90
TUNED = ("motion_bucket_id", "noise_aug_strength", "min_guidance", "max_guidance", "zoom")
"""Settings that are looked for; steps and size are those of the drafts."""

Proposal = tuple[dict[str, float], str]
"""Values of TUNED, and why they are tried."""
Make = Callable[[Order], tuple[SavedClip, Review | None]]
"""Carries out an order, measures the clip and notes it in the history."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One draft, and why it was made."""

    settings: dict[str, float]  # of TUNED
    reason: str
    saved: SavedClip
    measures: Measures = field(default_factory=dict)  # empty: it could not be measured

    @property
    def rank(self) -> float:
        """What speaks against it, see `review.rate`; nothing is worse than a clip that could not be measured."""
        return round(rate(self.measures), 2) if self.measures else math.inf

    @property
    def verdict(self) -> str:
        """What the measures say is wrong, in words."""
        if not self.measures:
            return "could not be measured"
        return ", ".join(FAULTS[fault] for fault in list_faults(self.measures)) or "nothing is wrong"


def tune(first: Order, budget: int, make: Make, drafts: Sequence[Draft] = ()) -> Iterator[Draft]:
    """Make drafts, each of one change to the best before it, until nothing is wrong, nothing helps, or the budget ends.

    Every draft is a clip of the history, with the reason in its note.

    Args:
        first: the clip that is wanted, with the settings to begin from; drafts are smaller and take fewer steps.
        budget: how many drafts to make, LEAST to MOST.
        make: makes a clip.
        drafts: those made before, to go on from.

    Raises:
        BadRequest: the budget is too small or too large.
        what `make` raises; the drafts given out before stay.
    """
    if not LEAST <= budget <= MOST:
        raise BadRequest(f"Settings are looked for with {LEAST} to {MOST} drafts, not {budget}.")
    family = first.checkpoint.family
    if family.conditioning != "svd":
        raise BadRequest(f"{family.title} turns an object and takes no motion: choose a model that animates a scene.")
    done = list(drafts)
    for settings, reason in islice(_propose(first, done), budget):
        made = _make(first, len(done) + 1, settings, reason, make)
        done.append(made)
        yield made


def choose_best(drafts: Sequence[Draft]) -> Draft:
    """Choose the draft that the least speaks against; of equals the first, which changed least. There must be one."""
    return min(drafts, key=lambda each: each.rank)


def apply_draft(first: Order, draft: Draft, to: Destination) -> Order:
    """Order the clip that is wanted with the settings of a draft, in full; raises BadInput where it cannot be
    written.
    """
    request = first.request.replace(**draft.settings)
    keep_companions(first, to.out.parent)
    made = order(request, first.original, first.checkpoint, to, source=first.source, kept_in=())
    return replace(made, picture_path=first.picture_path)


def _propose(first: Order, done: Sequence[Draft]) -> Iterator[Proposal]:
    """Propose what to try next, each by what came of those before, which `done` then holds; nothing twice."""
    tried = [each.settings for each in done]
    begun = (each for each in _propose_beginnings(first) if each[0] not in tried)
    while found := next(begun, None) or next(
        (each for each in _propose_steps(first, done) if each[0] not in tried), None
    ):
        tried.append(found[0])
        yield found


def _propose_beginnings(first: Order) -> Iterator[Proposal]:
    """Give three motions around the one to begin with, within what the model was trained on."""
    family, begin = first.checkpoint.family, {name: getattr(first.request, name) for name in TUNED}
    for factor in SPREAD:
        motion = round(factor * begin["motion_bucket_id"])
        motion = max(family.lowest_motion, min(family.highest_motion, motion))
        yield {**begin, "motion_bucket_id": motion}, f"To begin with: motion {motion}."


def _choose_base(done: Sequence[Draft]) -> Draft:
    """Choose the best draft to go on from: of equals the latest, so that a change that is too small is taken
    further.
    """
    first, later = done[: len(SPREAD)], done[len(SPREAD) :]
    best = choose_best(done)
    return next((each for each in reversed(later) if each.rank == best.rank), choose_best(first))


def _propose_steps(first: Order, done: Sequence[Draft]) -> Iterator[Proposal]:
    """List changes to the best draft, for each thing that is wrong with it: what is advised, then half of that."""
    best = _choose_base(done)
    request = CompleteRequest.of(first.request.replace(**best.settings))
    for fault in dict.fromkeys((*list_faults(best.measures), *list_near_faults(best.measures))):
        advice = advise(best.measures, request, fault)
        if advice is None or advice.setting not in TUNED:
            continue
        now, then = best.settings[advice.setting], float(str(advice.value))
        for value in (then, (now + then) / 2):
            setting = SETTINGS[advice.setting]
            value = setting.check(round(value) if setting.kind is int else round(value, 3))
            changed = {**best.settings, advice.setting: value}
            if value != now:
                said = f"Measured: {FAULTS[fault]}. {setting.label} {setting.write(value)}"
                yield changed, f"{said}: {advice.reason}"


def _make(first: Order, number: int, settings: dict[str, float], reason: str, make: Make) -> Draft:
    checkpoint = first.checkpoint
    size = _choose_draft_size(first)
    steps = choose_steps("draft", checkpoint.family)
    request = first.request.replace(**settings, **steps, width=size[0], height=size[1])
    to = Destination(out=first.to.append_word(f"draft-{number}").out, encoding=first.to.encoding)
    keep_companions(first, to.out.parent)
    draft = order(request, first.original, checkpoint, to, source=first.source, kept_in=())
    saved, review = make(replace(draft, picture_path=first.picture_path))
    made = Draft(settings=settings, reason=reason, saved=saved, measures=review.measures if review else {})
    with suppress(BadOutput):  # then it could not be noted at all, and the clip's own notes say so
        history.mark(saved.video, note=f"Draft {number} of a search. {reason} Found: {made.verdict}.")
    return made


def _choose_draft_size(first: Order) -> tuple[int, int]:
    """Bring the clip's size down to DRAFT_SIDE, on the model's grid; as it is where that is small already."""
    grid, (width, height) = first.checkpoint.size_grid, (first.request.width, first.request.height)
    scale = min(1.0, DRAFT_SIDE / max(width, height))
    if scale == 1.0:
        return width, height
    return max(grid, round(scale * width / grid) * grid), max(grid, round(scale * height / grid) * grid)
