"""The measures of a clip, with their formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames
from lib_svd.review.camera import Floats, measure_camera_share
from lib_svd.review.detail import compare_sharpness, convert_to_grey, measure_detail_growth
from lib_svd.review.flow import CUT, LEAST_SIDE, Flows, can_see_motion, find_flows
from lib_svd.review.repeats import find_own_pictures
from lib_svd.review.words import FROZEN

if TYPE_CHECKING:
    from torch import Tensor

Embed = Callable[[Frames], "Tensor"]
"""Frames [N, H, W, 3] to embeddings [N, D] by a checkpoint's own image tower."""

TOP = 0.05  # share of a frame's pixels, the fastest
BLOCK = 8  # flicker is looked for in squares of this share of the shorter side
SAMPLED = 5  # frames that the image tower looks at


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How much moves; None: opencv is missing."""

    flow: float | None  # pixels a frame, median over pixels and pairs of frames
    flow_top5: float | None  # pixels a frame, mean of the fastest twentieth of each frame's pixels
    speed: float | None  # the same twentieth, in percent of the shorter side a frame
    standstill: float | None  # share of the pairs of frames between which a viewer sees nothing move, 0..1
    camera: float | None  # share of the motion that one move of the camera explains, 0..1; None: nothing moves
    subject: float | None  # the rest


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How near the clip stays to its picture; without a picture, to its own first frame."""

    ssim: float | None  # of frame 0 and the picture, -1..1
    first_frame_sharpness: float | None  # of frame 0, times that of the picture: 1 is the same, 0.5 is half
    similarity: float | None  # cosine of the image tower's embeddings, mean over frames, -1..1
    similarity_lowest: float | None  # of the frame that is least like it
    drift: float | None  # colour distance from beginning to end of what is seen in both (CIE 1976), Lab units
    saturation: float | None  # by how much chroma has grown by then, Lab units


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """How well frames go together."""

    warped_error: float | None  # mean difference of a frame and its neighbour moved back onto it, 0..1
    flicker: float | None  # how far brightness jumps from between its neighbours', 0..1; None: no frame goes with both
    difference: float  # mean difference of neighbours where they stand, 0..1
    sharpness: float  # of what is seen all along, at the end, times that at the beginning: 1 is kept, 0.5 is half
    cuts: int | None  # frames that show another scene than the one before
    repeated: float  # share of the frames that show the picture before once more, 0..1; all else is without them


@dataclass(frozen=True, kw_only=True)
class Loop:
    """How well the end meets the beginning."""

    seam: float | None  # difference of the last and the first frame, times the median of neighbours; None: no motion


@dataclass(frozen=True, kw_only=True)
class Review:
    """All measures of a clip, and some frame by frame for plots."""

    motion: Motion
    fidelity: Fidelity
    consistency: Consistency
    loop: Loop
    series: dict[str, list[float]] = field(default_factory=dict)  # by measure; a number a frame, or a pair of frames

    @property
    def measures(self) -> dict[str, float | None]:
        """Every number by its field's name alone."""
        parts = (self.motion, self.fidelity, self.consistency, self.loop)
        return {name: value for part in parts for name, value in asdict(part).items()}

    def as_dict(self) -> dict[str, Any]:
        """Describe the measures for JSON."""
        return asdict(self)


def review(frames: Frames, picture: Frames | None = None, embed: Embed | None = None) -> Review:
    """Measure a clip; seconds on a CPU.

    Args:
        frames: [T, H, W, 3] uint8, RGB, T at least 2, H and W at least LEAST_SIDE.
        picture: [H, W, 3] uint8, what the model was given, of the clip's size.
        embed: the image tower of the clip's checkpoint, where similarity is wanted.
    """
    stored, frames = len(frames), frames[find_own_pictures(frames)]
    moves = find_flows(frames) if can_see_motion() else None
    series: dict[str, list[float]] = {}
    motion = _measure_motion(moves, min(frames.shape[1:3]), series)
    likeness = _measure_likeness(frames, picture, embed, series)
    drift = _measure_drift(moves, series)
    consistency = _measure_consistency(frames, moves, series, repeated=1 - len(frames) / stored)
    fidelity = Fidelity(
        ssim=None if picture is None else ssim(frames[0], picture),
        first_frame_sharpness=None if picture is None else compare_sharpness(frames[0], picture),
        **likeness,
        **drift,
    )
    return Review(
        motion=motion, fidelity=fidelity, consistency=consistency, loop=Loop(seam=_measure_seam(frames)), series=series
    )


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """How much frames jump, and how far they go; None: see `measure_steadiness`."""

    flicker: float | None  # see `Consistency`
    drift: float | None  # see `Fidelity`


def measure_steadiness(frames: Frames) -> Steadiness:
    """Measure flicker and drift of frames [T, H, W, 3] uint8, whether one repeats another or not.

    None: they are too few or too small, none goes with both neighbours, or opencv is missing.
    """
    if len(frames) < 3 or min(frames.shape[1:3]) < LEAST_SIDE or not can_see_motion():
        return Steadiness(flicker=None, drift=None)
    moves = find_flows(frames)
    found = _measure_flickers(moves)
    return Steadiness(flicker=float(np.mean(found)) if found else None, drift=_measure_drift(moves, {})["drift"])


def measure_flicker(frames: Frames) -> float | None:
    """Measure `Consistency.flicker` of frames [T, H, W, 3] uint8 alone; None: as in `measure_steadiness`."""
    return measure_steadiness(frames).flicker


def _measure_motion(moves: Flows | None, side: int, series: dict[str, list[float]]) -> Motion:
    if moves is None:
        return Motion(flow=None, flow_top5=None, speed=None, standstill=None, camera=None, subject=None)
    lengths = moves.lengths.reshape(len(moves.forward), -1)
    fastest_from = -max(1, round(TOP * lengths.shape[1]))
    top = np.partition(lengths, fastest_from, 1)[:, fastest_from:].mean(1)
    series["flow"], series["flow_top5"] = np.median(lengths, 1).tolist(), top.tolist()
    within = np.array([not moves.is_cut(t) for t in range(len(lengths))])  # a cut is no motion
    if not within.any():
        within[:] = True
    camera = _measure_camera([flow for flow, counts in zip(moves.forward, within, strict=True) if counts])
    speeds = 100 * top[within] / side
    return Motion(
        flow=float(np.median(lengths[within])),
        flow_top5=float(top[within].mean()),
        speed=float(speeds.mean()),
        standstill=float((speeds < FROZEN).mean()),
        camera=camera,
        subject=None if camera is None else 1 - camera,
    )


def _measure_camera(pairs: Sequence[Floats]) -> float | None:
    """Take `measure_camera_share` of a clip: pairs of frames count by how much moves."""
    shares = [(measure_camera_share(flow), float((flow**2).sum())) for flow in pairs]
    moved = [(share, weight) for share, weight in shares if share is not None]
    return float(np.average([s for s, _ in moved], weights=[w for _, w in moved])) if moved else None


def _measure_likeness(
    frames: Frames, picture: Frames | None, embed: Embed | None, series: dict[str, list[float]]
) -> dict[str, float | None]:
    if embed is None:
        return {"similarity": None, "similarity_lowest": None}
    which = np.unique(np.linspace(0, len(frames) - 1, SAMPLED).round().astype(int))
    seen = np.concatenate([(frames[0] if picture is None else picture)[None], frames[which]])
    vectors = embed(seen).float()
    vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    likeness = (vectors[1:] @ vectors[0]).tolist()
    series["similarity"] = likeness
    return {"similarity": float(np.mean(likeness)), "similarity_lowest": min(likeness)}


def _measure_drift(moves: Flows | None, series: dict[str, list[float]]) -> dict[str, float | None]:
    """Follow colours along the motion: what comes into view and goes is no drift.

    Chroma is that of each frame's own pixels: mixed by the motion, grain would lose some in every step.
    """
    if moves is None:
        return {"drift": None, "saturation": None}
    colours = [_add_chroma(convert_to_lab(frame)) for frame in moves.frames]
    steps: list[npt.NDArray[np.float64]] = [np.zeros(4)]
    for t in range(len(moves.forward)):
        seen = moves.find_matched(t, ahead=True)
        if moves.is_cut(t) or not seen.any():
            steps.append(np.zeros(4))
            continue
        ahead = moves.warp(colours[t + 1], t, ahead=True)
        steps.append((ahead - colours[t])[seen].astype(np.float64).mean(0))
    whole = _measure_trend(np.cumsum(steps, 0))
    series["drift"] = np.linalg.norm(np.cumsum(steps, 0)[:, :3], axis=1).tolist()
    return {"drift": float(np.linalg.norm(whole[:3])), "saturation": float(whole[3])}


def _add_chroma(colours: Floats) -> Floats:
    return np.concatenate([colours, np.hypot(colours[..., 1:2], colours[..., 2:])], -1)


def _measure_consistency(
    frames: Frames, moves: Flows | None, series: dict[str, list[float]], *, repeated: float
) -> Consistency:
    differences = _compare_neighbours(frames)
    grown = measure_detail_growth(frames, moves)
    series["difference"], series["sharpness"] = differences, np.exp(grown).tolist()
    sharpness = float(np.exp(_measure_trend(grown[:, None])[0]))
    warped_error = flicker = cuts = None
    if moves is not None:
        errors, cuts = _measure_warped_errors(moves)
        flickers = _measure_flickers(moves)
        series["warped_error"], series["flicker"] = errors, flickers
        warped_error, flicker = float(np.mean(errors)), float(np.mean(flickers)) if flickers else None
    return Consistency(
        warped_error=warped_error,
        flicker=flicker,
        difference=float(np.mean(differences)),
        sharpness=sharpness,
        cuts=cuts,
        repeated=repeated,
    )


def _measure_warped_errors(moves: Flows) -> tuple[list[float], int]:
    """Take the mean difference of each frame and the next one moved back onto it, where both are seen; and find cuts.

    Less what is the same over a square, which is flicker or drift, and what is other in every pixel, which is grain.
    """
    errors, cuts = [], [moves.is_cut(t) for t in range(len(moves.forward))]
    for t, is_cut in enumerate(cuts):
        apart = (moves.warp(moves.frames[t + 1].astype(np.float32), t, ahead=True) - moves.frames[t]) / 255
        if is_cut:
            errors.append(float(np.abs(apart).mean()))
            continue
        matched = moves.find_matched(t, ahead=True)[..., None].astype(np.float32)
        squares, seen = _cut_squares(_blur_grain(apart * matched)), _cut_squares(matched)
        same = (squares * seen).sum((1, 3), keepdims=True) / np.maximum(seen.sum((1, 3), keepdims=True), 1)
        errors.append(float((np.abs(squares - same) * seen).sum() / max(float(seen.sum()) * 3, 1)))
    return errors, sum(cuts)


def _blur_grain(apart: Floats) -> Floats:
    """Make each pixel of [H, W, C] the mean of the 3 x 3 around it."""
    height, width = apart.shape[:2]
    wide = np.pad(apart, ((1, 1), (1, 1), (0, 0)), "edge")
    rows = wide[:height] + wide[1:-1] + wide[2:]
    return np.asarray((rows[:, :width] + rows[:, 1:-1] + rows[:, 2:]) / 9)


def _measure_flickers(moves: Flows) -> list[float]:
    """Work out how far the brightness of each square of a frame is from the mean of its two neighbours', moved onto
    it.
    """
    grey = convert_to_grey(moves.frames) / 255
    found = []
    for t in range(1, len(grey) - 1):
        if moves.is_cut(t - 1) or moves.is_cut(t):
            continue
        seen = moves.find_matched(t, ahead=True) & moves.find_matched(t, ahead=False)
        between = (moves.warp(grey[t + 1], t, ahead=True) + moves.warp(grey[t - 1], t, ahead=False)) / 2
        apart = _cut_squares(np.where(seen, grey[t] - between, 0)[..., None]).mean((1, 3))
        weight = _cut_squares(seen[..., None].astype(np.float32)).mean((1, 3))
        if weight.sum() >= CUT * weight.size:
            found.append(float(np.abs(apart).sum() / weight.sum()))
    return found


def _cut_squares(values: Floats) -> Floats:
    """Cut [H, W, C] into squares [rows, size, columns, size, C]; what is left at the right and the bottom is
    dropped.
    """
    size = max(1, min(values.shape[:2]) // BLOCK)
    rows, columns = (n // size for n in values.shape[:2])
    return values[: rows * size, : columns * size].reshape(rows, size, columns, size, values.shape[2])


def _measure_seam(frames: Frames) -> float | None:
    usual = float(np.median(_compare_neighbours(frames)))
    return _measure_difference(frames[-1], frames[0]) / usual if usual > 1e-3 else None


def _compare_neighbours(frames: Frames) -> list[float]:
    return [_measure_difference(a, b) for a, b in zip(frames, frames[1:], strict=False)]


def _measure_difference(a: Frames, b: Frames) -> float:
    """Take the mean absolute difference, 0..1."""
    return float(np.abs(a.astype(np.int16) - b).mean() / 255)


def _measure_trend(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Work out how much values [T, n] grow from the first to the last along the straight line that fits them best."""
    t = np.linspace(-0.5, 0.5, len(values))[:, None]
    return np.asarray((t * (values - values.mean(0))).sum(0) / (t**2).sum())


def ssim(a: Frames, b: Frames) -> float:
    """Take the structural similarity of two pictures [H, W, 3] uint8 (Wang et al. 2004): Gaussian of 11, sigma 1.5, on
    luma.
    """
    import torch

    x = torch.arange(11) - 5.0
    line = torch.softmax(-(x**2) / (2 * 1.5**2), 0)[None, None]

    def smooth(image: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(torch.nn.functional.conv2d(image, line[..., None]), line[..., None, :])

    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float32)
    p, q = ((torch.from_numpy(np.array(i)).float() @ luma)[None, None] for i in (a, b))
    mean_p, mean_q = smooth(p), smooth(q)
    var_p, var_q = smooth(p * p) - mean_p**2, smooth(q * q) - mean_q**2
    shared = smooth(p * q) - mean_p * mean_q
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_p * mean_q + c1) * (2 * shared + c2) / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
    return float(similar.mean())


def convert_to_lab(frames: Frames) -> Floats:
    """Convert sRGB uint8 [..., 3] to CIE L*a*b* of D65 (IEC 61966-2-1; CIE 15)."""
    table = np.arange(256) / 255
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4).astype(np.float32)[frames]
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
    xyz = linear @ (to_xyz / to_xyz.sum(1, keepdims=True)).T  # each of white is 1
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
