"""What a clip becomes, before anything runs: frames, size, rate and seconds, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from lib_svd.errors import BadRequest
from lib_svd.finish.enlarge import compute_enlarged_size
from lib_svd.finish.finishing import LARGEST, LOOPS, SMOOTHERS, Finishing
from lib_svd.finish.loop import SHORTEST
from lib_svd.finish.smooth import FINEST
from lib_svd.request import read_size
from lib_svd.settings import FITS

FEWEST = 3  # frames of which a loop can be made


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many frames, how large, how fast."""

    num_frames: int
    size: tuple[int, int]  # width, height, pixels
    fps: int
    closed: bool = False  # a loop: after the last frame comes the first
    at_most: bool = False  # how many frames there will be is not known before they are looked at

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.num_frames / self.fps

    @property
    def bytes(self) -> int:
        """What its frames take in memory."""
        return self.num_frames * self.size[0] * self.size[1] * 3

    def __str__(self) -> str:
        most = "at most " if self.at_most else ""
        width, height = self.size
        return f"{most}{self.num_frames} frames of {width}x{height} at {self.fps} fps, {self.seconds:.1f} s"


def plan_clip(finishing: Finishing, clip: Shape) -> Shape:
    """Work out what the clip becomes.

    Raises:
        BadRequest: this cannot be done to it; nothing was run.
    """
    if min(clip.size) < 2:
        width, height = clip.size
        raise BadRequest(f"Frames of {width}x{height} are too small for a video: choose another clip.")
    made = _plan_time(finishing, plan_before_smoothing(finishing, clip))
    made = replace(made, size=_plan_size(finishing, made.size))
    held = round(finishing.hold_first * made.fps) + round(finishing.hold_last * made.fps)
    made = replace(made, num_frames=made.num_frames + held, closed=finishing.closes(clip.closed))
    if finishing.length:
        made = replace(made, num_frames=max(1, round(finishing.length * made.fps)), at_most=False)
    _check(finishing, made)
    return made


def plan_before_smoothing(finishing: Finishing, clip: Shape) -> Shape:
    """Work out what the clip is when it is trimmed and looped, and nothing else.

    Raises:
        BadRequest: that cannot be done to it.
    """
    return _plan_loop(finishing, _plan_trim(finishing, clip))


def describe_plan(finishing: Finishing, clip: Shape, made: Shape) -> str:
    """Say what will be done, in a sentence or two, for whoever is about to press the button."""
    done = ", ".join(_describe_steps(finishing, clip, made)) or "nothing changes, it is saved once more"
    return f"{clip} become {made}. {done[0].upper()}{done[1:]}."


def _plan_trim(finishing: Finishing, clip: Shape) -> Shape:
    last = finishing.last or clip.num_frames
    for which, number in (("first", finishing.first), ("last", last)):
        if number > clip.num_frames:
            raise BadRequest(f"The {which} frame is to be {number}, and the clip has {clip.num_frames}.")
    is_whole = last - finishing.first + 1 == clip.num_frames
    return replace(clip, num_frames=last - finishing.first + 1, closed=clip.closed and is_whole)


def _plan_loop(finishing: Finishing, clip: Shape) -> Shape:
    count = clip.num_frames
    if finishing.loop == "none":
        return clip
    if count < FEWEST:
        raise BadRequest(f"A loop is made of {FEWEST} frames or more, and here are {count}: trim less.")
    if finishing.loop == "pingpong":
        return replace(clip, num_frames=2 * count - 2, closed=True)
    if finishing.loop == "cut":
        return replace(clip, num_frames=count - 1, closed=True, at_most=True)
    if finishing.crossfade > count // 2:
        raise BadRequest(f"Of {count} frames at most {count // 2} can be blended: cross-fade over fewer.")
    return replace(clip, num_frames=count - finishing.crossfade, closed=True)


def _plan_time(finishing: Finishing, clip: Shape) -> Shape:
    """Bring the plan to its new rate; with smoothing every frame stands at a place of the old ones, see
    `smooth.smooth_frames`.
    """
    rate, times = finishing.compute_rate(clip.fps)
    if not finishing.smooth:
        return replace(clip, num_frames=times * clip.num_frames, fps=rate)
    step = (Fraction(clip.fps) * Fraction(finishing.speed) / rate).limit_denominator(FINEST)
    if clip.closed:
        return replace(clip, num_frames=math.ceil(clip.num_frames / step), fps=rate)
    return replace(clip, num_frames=math.ceil((clip.num_frames - 1) / step) + 1, fps=rate)


def _plan_size(finishing: Finishing, size: tuple[int, int]) -> tuple[int, int]:
    if finishing.upscale and not finishing.size:
        return compute_enlarged_size(size, finishing.scale)
    width, height = read_size(finishing.size) if finishing.size else size
    return width or 0, height or 0


def _check(finishing: Finishing, made: Shape) -> None:
    if max(made.size) > LARGEST:
        width, height = made.size
        raise BadRequest(f"Frames would be {width}x{height}, and players take {LARGEST} pixels: enlarge less.")
    if finishing.poster > made.num_frames:
        raise BadRequest(f"The poster is to be frame {finishing.poster}, and there will be {made.num_frames}.")


def _describe_steps(finishing: Finishing, clip: Shape, made: Shape) -> list[str]:
    width, height = made.size
    fewest = math.ceil(SHORTEST * clip.num_frames)
    rate, times = finishing.compute_rate(clip.fps)
    pace = finishing.speed if finishing.smooth else rate / times / clip.fps
    loop = f"a loop by {LOOPS[finishing.loop].lower()}"
    said = (
        (finishing.trims, f"frames {finishing.first} to {finishing.last or clip.num_frames} alone"),
        (finishing.deflicker, f"flicker removed by {finishing.deflicker}"),
        (finishing.reverse, "backwards"),
        (finishing.loop == "cut", f"{loop}, of {fewest} of them or more"),
        (finishing.loop not in ("none", "cut"), loop),
        (finishing.smooth, f"smoothed by {SMOOTHERS[finishing.smoother]}"),
        (pace != 1, f"{pace:.3g} times as fast"),
        (finishing.upscale, f"enlarged by {finishing.upscale}"),
        (finishing.size, f"brought to {width}x{height} ({FITS[finishing.fit].lower()})"),
        (finishing.hold_first, f"the first frame held {finishing.hold_first:g} s"),
        (finishing.hold_last, f"the last frame held {finishing.hold_last:g} s"),
        (finishing.length, f"ended or repeated at {finishing.length:g} s"),
        (finishing.poster, f"frame {finishing.poster} as a picture beside it"),
    )
    return [words for matters, words in said if matters]
