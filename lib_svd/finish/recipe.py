"""A clip is finished: the whole recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib_svd.clip import Frames
from lib_svd.finish.enlarge import Upscaler, enlarged, fitted
from lib_svd.finish.finishing import Finishing
from lib_svd.finish.loop import best_cut, crossfaded, pingpong
from lib_svd.finish.plan import Shape, before_smoothing, planned
from lib_svd.finish.retime import held, lasting, trimmed
from lib_svd.finish.smooth import Smoother, smooth_frames
from lib_svd.progress import Stage
from lib_svd.review import MEASURES, flicker

Report = Callable[[Stage, int, int], None]
"""Told how many of how many frames a stage has done; may raise, and then the work ends."""

LOOKED_AT = 25  # frames of which flicker is measured


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What makes frames or pixels that were not there; None: that is not asked for."""

    smoother: Callable[[], Smoother] | None = None  # loads it
    upscaler: Upscaler | None = None


def finish_frames(
    frames: Frames, fps: int, finishing: Finishing, tools: Tools, report: Report, *, closed: bool = False
) -> tuple[Frames, int, tuple[str, ...]]:
    """Trim, turn round, loop, smooth with speed, enlarge, fit, hold, and end in time: in this order.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        fps: frames a second.
        finishing: what to do.
        tools: what it is done with.
        report: told after each frame.
        closed: whether they are a loop already.

    Returns:
        The frames, how many a second, and what the user should know: where the loop was cut, how much it flickers.

    Raises:
        BadRequest: it cannot be done to such frames.
        whatever `report` raises.
    """
    clip = Shape(num_frames=len(frames), size=(frames.shape[2], frames.shape[1]), fps=fps, closed=closed)
    cut, made = before_smoothing(finishing, clip), planned(finishing, clip)
    frames = trimmed(frames, finishing.first, finishing.last)
    frames = frames[::-1] if finishing.reverse else frames
    frames, notes = _looped(frames, finishing)
    if tools.smoother is not None:
        tell, between = _telling(report, Stage.SMOOTHING), tools.smoother()
        frames = smooth_frames(frames, fps, made.fps, between, closed=cut.closed, speed=finishing.speed, report=tell)
    if tools.upscaler is not None:
        before = flicker(frames[:LOOKED_AT])
        frames = enlarged(frames, finishing.scale, tools.upscaler, _telling(report, Stage.ENLARGING))
        notes += _flickers(before, flicker(frames[:LOOKED_AT]))
    if finishing.size:
        frames, told = fitted(frames, made.size, finishing.fit, _telling(report, Stage.FITTING))
        notes += told
    frames = held(frames, *(round(seconds * made.fps) for seconds in (finishing.hold_first, finishing.hold_last)))
    return lasting(frames, made.num_frames) if finishing.length else frames, made.fps, notes


def _looped(frames: Frames, finishing: Finishing) -> tuple[Frames, tuple[str, ...]]:
    if finishing.loop == "pingpong":
        return pingpong(frames), ()
    if finishing.loop == "crossfade":
        return crossfaded(frames, finishing.crossfade), ()
    if finishing.loop == "none":
        return frames, ()
    begin, end = best_cut(frames)
    return frames[begin:end], (f"The best loop is of frames {begin + 1} to {end}, {end - begin} of {len(frames)}.",)


def _telling(report: Report, stage: Stage) -> Callable[[int, int], None]:
    return lambda done, total: report(stage, done, total)


def _flickers(before: float | None, after: float | None) -> tuple[str, ...]:
    """How much it flickers, before the upscaler and after."""
    if before is None or after is None:
        return ()
    measure = next(each for each in MEASURES if each.name == "flicker")
    was, now = (
        f"{measure.number({'flicker': value})} ({measure.word({'flicker': value})})" for value in (before, after)
    )
    return (f"Flicker was {was} before it was enlarged, and is {now}.",)
