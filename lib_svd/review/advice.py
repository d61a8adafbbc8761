"""From what is wrong with a clip to one change: never two controls at once, so that the next clip tells what it did.

The settings are those that SVD's users found to work: start at motion 75; lower it for chaos, raise it for stillness;
augmentation 0.01 to 0.04; more guidance where a clip leaves its picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib_svd.errors import BadRequest, spell
from lib_svd.request import CompleteRequest
from lib_svd.review.words import ANOTHER, FAULTS, MEASURES, Measures
from lib_svd.settings import SETTINGS

BASELINE_MOTION = 75
CALM, LIVELY = 0.75, 1.25  # factors of motion
MOST_GUIDANCE, GUIDANCE_STEP = 5.0, 0.5
LEAST_AUGMENTATION, USUAL_AUGMENTATION = 0.01, 0.02
ENOUGH_STEPS = 25
CHANGES = {"chaotic", "flickers", "colours"}  # faults by which a viewer sees something happen
CLOSER, CLOSEST = 1.25, 2.0  # factor of zoom; beyond that few pictures have the pixels


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One change, and why."""

    fault: str  # of FAULTS
    found: str  # what was measured or said, in a sentence
    setting: str | None  # the field of the request to change; None: nothing there helps
    value: object  # to what
    reason: str  # one sentence

    @property
    def change(self) -> dict[str, object]:
        """What `request.replace` takes to make the change."""
        return {} if self.setting is None else {self.setting: self.value}

    @property
    def sentence(self) -> str:
        """The change in words; "": nothing there helps."""
        if self.setting is None:
            return ""
        setting = SETTINGS[self.setting]
        return f"Set {setting.called} to {spell(str(setting.write(self.value)), str(self.value))}."


def list_faults(measures: Measures) -> list[str]:
    """List what the measures say is wrong, of FAULTS; of a clip that stands still, nothing else says anything.

    A clip that tears, jumps, flickers or fades does not stand still, though nothing in it goes anywhere.
    """
    found = {band.fault for band in (measure.find_band(measures) for measure in MEASURES) if band is not None}
    if found & CHANGES:
        found.discard("static")
    return ["static"] if "static" in found else [fault for fault in FAULTS if fault in found]


def advise(measures: Measures, request: CompleteRequest, said: str | None = None) -> Advice | None:
    """Choose the one change to try next; None: nothing is wrong.

    Args:
        measures: of the clip.
        request: with which it was made.
        said: what the user says is wrong, of FAULTS; it counts before what was measured.

    Raises:
        BadRequest: `said` is none of them.
    """
    if said is not None and said not in FAULTS:
        raise BadRequest(f"{said!r} is no fault that there is advice on: say one of {', '.join(FAULTS)}.")
    found = [said] if said is not None else list_faults(measures)
    if not found:
        return None
    fault = found[0]
    setting, value, reason = _RULES[fault](measures, request)
    who = "You said" if said is not None else "Measured"
    return Advice(fault=fault, found=f"{who}: {FAULTS[fault]}.", setting=setting, value=value, reason=reason)


_Change = tuple[str | None, object, str]


def _advise_calmer(_: Measures, r: CompleteRequest) -> _Change:
    if r.motion_bucket_id > 30:
        lower = min(BASELINE_MOTION, round(CALM * r.motion_bucket_id))
        return "motion_bucket_id", lower, "Less motion leaves less to invent from frame to frame."
    if r.noise_aug_strength > LEAST_AUGMENTATION:
        return "noise_aug_strength", LEAST_AUGMENTATION, "Motion is low already; less noise on the picture steadies it."
    return _advise_closer(r, "Motion and augmentation are low already:")


def _advise_nearer(measures: Measures, r: CompleteRequest) -> _Change:
    ssim = measures.get("ssim")
    if ssim is not None and ssim < ANOTHER and r.noise_aug_strength > USUAL_AUGMENTATION:
        return "noise_aug_strength", USUAL_AUGMENTATION, "The first frame already leaves the picture: less noise on it."
    if r.max_guidance < MOST_GUIDANCE:
        higher = min(MOST_GUIDANCE, r.max_guidance + GUIDANCE_STEP)
        return "max_guidance", higher, "Guidance holds the clip to its picture, most of all its last frames."
    return _advise_closer(r, "Guidance is high already:")


def _advise_closer(r: CompleteRequest, why: str) -> _Change:
    if r.fit == "crop" and r.zoom < CLOSEST:
        closer = round(min(CLOSEST, CLOSER * r.zoom), 2)
        return "zoom", closer, f"{why} a tighter crop leaves less to invent."
    return None, None, f"{why} take another picture, of one subject with clear depth."


def _advise_livelier(_: Measures, r: CompleteRequest) -> _Change:
    if r.motion_bucket_id < 255:
        higher = min(255, max(BASELINE_MOTION, round(LIVELY * r.motion_bucket_id)))
        return "motion_bucket_id", higher, "More motion asked is more motion seen."
    louder = min(1.0, 2 * max(LEAST_AUGMENTATION, r.noise_aug_strength))
    return "noise_aug_strength", louder, "Noise loosens the hold of the picture."


def _advise_steadier(_: Measures, r: CompleteRequest) -> _Change:
    if r.decode == "reference":
        return "decode", "exact", "Decoding in chunks of their own makes seams between them."
    if r.num_steps < ENOUGH_STEPS and r.schedule == "karras":
        return "num_steps", ENOUGH_STEPS, "Too few steps leave noise in, other noise in every frame."
    return _advise_calmer(_, r)


def _advise_truer(measures: Measures, r: CompleteRequest) -> _Change:
    if (measures.get("saturation") or 0) > 0 and r.max_guidance > r.min_guidance:
        lower = max(r.min_guidance, r.max_guidance - GUIDANCE_STEP)
        return "max_guidance", lower, "Much guidance drives colours up from frame to frame."
    if r.noise_aug_strength > LEAST_AUGMENTATION:
        return "noise_aug_strength", LEAST_AUGMENTATION, "Less noise on the picture keeps its colours."
    return _advise_calmer(measures, r)


_RULES: dict[str, Callable[[Measures, CompleteRequest], _Change]] = {
    "chaotic": _advise_calmer,
    "leaves": _advise_nearer,
    "static": _advise_livelier,
    "flickers": _advise_steadier,
    "colours": _advise_truer,
}
