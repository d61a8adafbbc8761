"""Checks of formulas: sinusoids, noise levels, preconditioning, guidance ramps, conditioning vectors, orbits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from lib_svd.engine import conditioning, guidance, precond, schedule
from lib_svd.engine.layers import sinusoid
from tests.golden.golden_set import Lacking, Stage
from tests.golden.measure import FORMULA, NETWORK, Limit, Result

TRIANGLE_OF_THE_REFERENCE = (1.0, 2.5)
ANGLES = Limit(1e-5)  # radians up to 2 pi


def sinusoids(stage: Stage) -> Iterator[Result]:
    for name in stage:
        if match := re.fullmatch(r"emb_(\d+)", name):
            yield Result(name, sinusoid(stage["t"], int(match[1])), NETWORK)


def levels(stage: Stage) -> Iterator[Result]:
    for name in stage:
        if match := re.fullmatch(r"edm_sigmas_([\d.]+)_n(\d+)", name):
            yield Result(name, schedule.karras(int(match[2]), sigma_max=float(match[1])), FORMULA)


def scalings(stage: Stage) -> Iterator[Result]:
    for name in ("c_skip", "c_out", "c_in", "c_noise"):
        if name in stage:
            yield Result(name, getattr(precond, name)(stage["sigma"]), FORMULA)


def ramps(stage: Stage) -> Iterator[Result]:
    for name in stage:
        if match := re.fullmatch(r"(linear|triangle|constant)_([\d.]+)_([\d.]+)_T(\d+)", name):
            low, high, num_frames = float(match[2]), float(match[3]), int(match[4])
            yield Result(name, guidance.RAMPS[match[1]](low, high, num_frames), FORMULA)


def loop_numbers(stage: Stage) -> Iterator[Result]:
    """Noise levels and guidance of a loop."""
    if "sigmas" in stage:
        yield Result("sigmas", schedule.karras(len(stage["sigmas"]) - 1), FORMULA)
    if "scale" in stage:
        yield Result("scale", make_ramp(stage, len(stage["scale"])), FORMULA)


def make_loop_schedule(stage: Stage) -> Tensor:
    """The file's own noise levels, or those of the set's number of steps."""
    return stage["sigmas"] if "sigmas" in stage else schedule.karras(int(stage.read_number("steps")))


def make_ramp(stage: Stage, num_frames: int) -> Tensor:
    """Guidance of a loop: the shape that the stage or the set's `guider` names, between the ends of the file's own."""
    kind, ends = _find_guider(stage)
    if kind not in guidance.RAMPS:
        raise Lacking("nothing names the guidance ramp")
    if "scale" in stage:
        ends = _find_fitting_ends(kind, stage["scale"])
    if ends is None:
        raise Lacking("nothing gives the guidance scales")
    return guidance.RAMPS[kind](*ends, num_frames)


def _find_fitting_ends(kind: str, scale: Tensor) -> tuple[float, float]:
    """Low and high of the ramp of this kind that comes nearest."""
    rise = guidance.RAMPS[kind](0.0, 1.0, len(scale)).double()
    low = scale[0].double()
    slope = ((scale - low) * rise).sum() / rise.square().sum().clamp(min=1e-12)
    return float(low), float(low + slope)


def _find_guider(stage: Stage) -> tuple[str, tuple[float, float] | None]:
    """Ramp's name, and its ends where the README gives them for this ramp."""
    text = str(stage.golden.facts.get("guider", "")).lower()
    match = re.match(r"(\w+)\s+([\d.]+)\s*(?:->|\.\.+|to)\s*([\d.]+)", text)
    loop = re.match(r"loop_([a-z]+)", stage.name)
    named = loop[1] if loop else ""
    if match and named in ("", match[1]):
        return match[1], (float(match[2]), float(match[3]))
    return named, TRIANGLE_OF_THE_REFERENCE if named == "triangle" else None


def vectors(stage: Stage) -> Iterator[Result]:
    """The conditioning vector of each frame, the same for both branches."""
    for name in ("c_vector", "uc_vector"):
        if name in stage:
            vector = make_conditioning_vector(stage)
            yield Result(name, vector.expand(len(stage[name]), -1), NETWORK)


def make_conditioning_vector(stage: Stage) -> Tensor:
    """From the numbers that the file or the set gives: motion for SVD, a camera path for SV3D."""
    noise = stage.read_number("cond_aug")
    if "polars_rad" in stage:
        return conditioning.embed_orbit(noise, stage["polars_rad"], stage["azimuths_rad"])
    if _is_given(stage, "motion_bucket_id"):
        fps = round(stage.read_number("fps_id")) + 1
        return conditioning.embed_motion(fps, round(stage.read_number("motion_bucket_id")), noise)
    return conditioning.embed_object(noise)


def _is_given(stage: Stage, name: str) -> bool:
    return name in stage or name in stage.golden.facts


def camera_path(stage: Stage) -> Iterator[Result]:
    """A full turn in equal steps, at any heights; other paths are not ours to make."""
    if "elevations_deg" not in stage:
        return
    elevations = stage["elevations_deg"]
    paths = [conditioning.make_orbit(len(elevations), float(elevation)) for elevation in elevations]
    if "polars_rad" in stage:
        yield Result("polars_rad", torch.stack([polars[i] for i, (polars, _) in enumerate(paths)]), ANGLES)
    if "azimuths_rad" in stage and _is_full_turn(stage["azimuths_rad"]):
        yield Result("azimuths_rad", paths[0][1], ANGLES)


def _is_full_turn(azimuths: Tensor) -> bool:
    steps = azimuths.diff(prepend=azimuths[-1:]).remainder(2 * math.pi)
    return bool((steps - 2 * math.pi / len(azimuths)).abs().max() < 1e-3)
