"""A clip is finished: the whole recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib_svd.clip import Frames
from lib_svd.finish.deflicker import Redecode, deflicker_frames
from lib_svd.finish.enlarge import Upscaler, enlarge_frames, fit_frames
from lib_svd.finish.finishing import Finishing
from lib_svd.finish.loop import crossfade, find_best_cut, play_pingpong
from lib_svd.finish.plan import Shape, plan_before_smoothing, plan_clip
from lib_svd.finish.retime import fit_length, hold_ends, trim_frames
from lib_svd.finish.smooth import Smoother, smooth_frames
from lib_svd.progress import Stage
from lib_svd.review import MEASURES, measure_flicker

Report = Callable[[Stage, int, int], None]
"""Told how many of how many frames a stage has done; may raise, and then the work ends."""

LOOKED_AT = 12  # frames of which flicker is measured


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What makes frames or pixels that were not there; None: that is not asked for."""

    redecoder: Callable[[], Redecode] | None = None  # loads it
    smoother: Callable[[], Smoother] | None = None  # loads it
    upscaler: Upscaler | None = None


def finish_frames(
    frames: Frames, fps: int, finishing: Finishing, tools: Tools, report: Report, *, closed: bool = False
) -> tuple[Frames, int, tuple[str, ...]]:
    """Trim, remove flicker, turn round, loop, smooth with speed, enlarge, fit, hold, and end in time: in this order.

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
    cut, made = plan_before_smoothing(finishing, clip), plan_clip(finishing, clip)
    frames = trim_frames(frames, finishing.first, finishing.last)
    frames, notes = _deflicker_frames(frames, finishing, tools, report, closed=closed and not finishing.trims)
    frames = frames[::-1] if finishing.reverse else frames
    frames, told = _loop_frames(frames, finishing)
    notes += told
    if tools.smoother is not None:
        tell, between = _make_report(report, Stage.SMOOTHING), tools.smoother()
        frames = smooth_frames(frames, fps, made.fps, between, closed=cut.closed, speed=finishing.speed, report=tell)
    elif (times := finishing.compute_rate(fps)[1]) > 1:
        frames = frames.repeat(times, axis=0)
    if tools.upscaler is not None:
        before = measure_flicker(frames[:LOOKED_AT])
        frames = enlarge_frames(frames, finishing.scale, tools.upscaler, _make_report(report, Stage.ENLARGING))
        notes += _describe_flicker(before, measure_flicker(frames[:LOOKED_AT]))
    if finishing.size:
        frames, told = fit_frames(frames, made.size, finishing.fit, _make_report(report, Stage.FITTING))
        notes += told
    frames = hold_ends(frames, *(round(seconds * made.fps) for seconds in (finishing.hold_first, finishing.hold_last)))
    return fit_length(frames, made.num_frames) if finishing.length else frames, made.fps, notes


def _deflicker_frames(
    frames: Frames, finishing: Finishing, tools: Tools, report: Report, *, closed: bool
) -> tuple[Frames, tuple[str, ...]]:
    if not finishing.deflicker:
        return frames, ()
    redecoder = tools.redecoder() if tools.redecoder is not None else None
    return deflicker_frames(frames, redecoder, _make_report(report, Stage.DEFLICKERING), closed=closed)


def _loop_frames(frames: Frames, finishing: Finishing) -> tuple[Frames, tuple[str, ...]]:
    if finishing.loop == "pingpong":
        return play_pingpong(frames), ()
    if finishing.loop == "crossfade":
        return crossfade(frames, finishing.crossfade), ()
    if finishing.loop == "none":
        return frames, ()
    begin, end = find_best_cut(frames)
    return frames[begin:end], (f"The best loop is of frames {begin + 1} to {end}, {end - begin} of {len(frames)}.",)


def _make_report(report: Report, stage: Stage) -> Callable[[int, int], None]:
    return lambda done, total: report(stage, done, total)


def _describe_flicker(before: float | None, after: float | None) -> tuple[str, ...]:
    """Say how much it flickers, before the upscaler and after."""
    if before is None or after is None:
        return ()
    measure = next(each for each in MEASURES if each.name == "flicker")
    was, now = (
        f"{measure.write_number({'flicker': value})} ({measure.choose_word({'flicker': value})})"
        for value in (before, after)
    )
    return (f"Flicker was {was} before it was enlarged, and is {now}.",)
