"""How fast: best, balanced, draft. Fewer steps, on the schedule that loses least by it, and what each one costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib_svd.checkpoints.families import Family
from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest
from lib_svd.strangers import quote

LEAST_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One choice."""

    label: str
    share: float  # of the steps that the model was made for
    cost: str  # goes on after the label; root mean square of the worst of five pictures; docs/speed.md


SPEEDS = {
    "best": Speed(label="Best", share=1.0, cost="takes every step that the model was made for"),
    "balanced": Speed(
        label="Balanced", share=0.4, cost="takes 40 % of them, and its pixels differ from Best's by 0.6 of 255"
    ),
    "draft": Speed(label="Draft", share=0.24, cost="takes 24 %, and they differ by 1.5 of 255"),
}


def choose_steps(name: str, family: Family) -> dict[str, Any]:
    """Choose steps, sampler and schedule of a speed, for a model.

    Fewer steps go on Align Your Steps (Sabour et al. 2024); a distilled model keeps its own sampler and schedule.

    Raises:
        BadRequest: there is no speed of that name.
    """
    if not isinstance(name, str) or name not in SPEEDS:
        raise BadRequest(f"{quote(name)} is no speed: choose one of {', '.join(SPEEDS)}.")
    steps = max(LEAST_STEPS, round(SPEEDS[name].share * family.num_steps))
    if steps >= family.num_steps or family.sampler == "lcm":
        return {"num_steps": min(steps, family.num_steps), "sampler": family.sampler, "schedule": family.schedule}
    return {"num_steps": steps, "sampler": "euler", "schedule": "align_your_steps"}


def make_request(settings: Mapping[str, Any], family: Family) -> ClipRequest:
    """Make a request from settings by name, of which "speed" stands for steps, sampler and schedule that are not given.

    Raises:
        BadRequest: a name is not a setting, or a value is out of range.
    """
    given = dict(settings)
    chosen = choose_steps(given.pop("speed"), family) if "speed" in given else {}
    return ClipRequest.from_mapping({**chosen, **given})
