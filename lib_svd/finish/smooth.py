"""More frames a second: those between the frames of a clip are made, the clip's own stay as they are.

Output frame k stands at place k fps speed / to_fps, counted in frames of the clip. A place that is whole is that very
frame; what lies between two scenes is the nearer frame; all else a `Smoother` makes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import numpy as np

from lib_svd.clip import Frames
from lib_svd.errors import BadRequest, SvdError
from lib_svd.finish.cuts import find_cuts
from lib_svd.video.ffmpeg import FfmpegFailed, find_ffmpeg, keep_frame_times, stream
from lib_svd.video.read import MOST_BYTES

FINEST = 100_000  # parts of a frame that a step is a multiple of one of; ffmpeg takes rates of a million parts
BLOCK = 16  # pixels: minterpolate only blends what lies beyond the last whole block
LEAST = 32  # pixels a side: minterpolate refuses less
PATIENCE = 300.0  # seconds a frame

Made = Generator[Frames, None, None]
"""Frames, one at a time; who takes no more closes it."""
Report = Callable[[int, int], None]
"""Told how many frames are done, and of how many; may raise to stop."""


class Smoother(Protocol):
    """What makes frames between frames."""

    name: str  # by which a user chooses it

    def fill(self, scene: Sequence[Frames], places: Sequence[Fraction]) -> Made:
        """Make the frames that stand at such places.

        Args:
            scene: two frames or more, [H, W, 3] uint8, RGB, without a cut.
            places: evenly apart and ascending, each from 0 to len(scene) - 1; whole ones are among them, whose frames
                the caller has.

        Yields:
            [H, W, 3] uint8, one for each place.

        Raises:
            SvdError: it cannot be done; says why and what to do.
        """
        ...


def smooth_frames(
    frames: Frames,
    fps: float,
    to_fps: float,
    smoother: Smoother,
    *,
    closed: bool = False,
    speed: float = 1,
    report: Report | None = None,
) -> Frames:
    """Bring a clip to another rate; twice that of 25 frames gives 49, or 50 where it is closed.

    Args:
        frames: [T, H, W, 3] uint8, RGB, T at least 1.
        fps: frames a second of `frames`, above 0.
        to_fps: frames a second of the result, above 0.
        smoother: makes what lies between.
        closed: the clip is a loop, so that frames are made between its last and its first, too.
        speed: seconds of the clip a second of the result, above 0; above 1 the clip gets shorter.
        report: told about every frame.

    Returns:
        [N, H, W, 3] uint8. Frames at whole places are those of the clip to the bit; its first always is there, and its
        last unless it is closed.

    Raises:
        BadRequest: a rate or the speed is not above 0, or the result would not fit in memory.
        SvdError: the smoother failed.
    """
    source = [*frames, frames[0]] if closed else [*frames]
    places = _list_places(len(frames), _compute_step(fps, to_fps, speed), closed=closed)
    if len(places) * frames[0].nbytes > MOST_BYTES:
        too_many = f"{len(places)} frames of {frames.shape[2]}x{frames.shape[1]} are too many for the memory"
        raise BadRequest(f"{too_many}: choose fewer frames a second, or cut the clip.")
    result = np.empty((len(places), *frames.shape[1:]), np.uint8)
    with closing(_make_frames(source, places, smoother)) as made:
        for number, frame in enumerate(made):
            result[number] = frame
            if report is not None:
                report(number + 1, len(places))
    return result


def _compute_step(fps: float, to_fps: float, speed: float) -> Fraction:
    """Work out the frames of the clip from one frame of the result to the next."""
    for name, value in (("The clip's rate", fps), ("The rate to smooth to", to_fps), ("The speed", speed)):
        if not 0 < value < math.inf:
            raise BadRequest(f"{name} is {value}: give a number above 0.")
    step = (Fraction(fps) * Fraction(speed) / Fraction(to_fps)).limit_denominator(FINEST)
    if not step:
        raise BadRequest(f"{to_fps} frames a second are more than {FINEST} for each that is there: choose fewer.")
    return step


def _list_places(count: int, step: Fraction, *, closed: bool) -> list[Fraction]:
    """Work out where the frames of the result stand among `count` frames; the last of an open clip is always among
    them.
    """
    end = Fraction(count if closed else count - 1)
    places = [number * step for number in range(math.ceil(end / step))]
    return places if closed else [*places, end]


def _make_frames(source: Sequence[Frames], places: Sequence[Fraction], smoother: Smoother) -> Made:
    """Give the frame at each place."""
    begins = [0, *find_cuts(source), len(source)]
    for first, beyond in pairwise(begins):
        begin, end, after = bisect_left(places, first), bisect_right(places, beyond - 1), bisect_left(places, beyond)
        yield from _make_scene(source, places[begin:end], first, beyond, smoother)
        yield from (source[math.floor(place + Fraction(1, 2))] for place in places[end:after])


def _make_scene(
    source: Sequence[Frames], places: Sequence[Fraction], first: int, beyond: int, smoother: Smoother
) -> Made:
    """Give the frames at places within a scene, which goes from frame `first` to the one before `beyond`."""
    grid = places[:-1] if len(places) > 1 and places[-1] == beyond - 1 else places  # the last may be off the grid
    if all(place.denominator == 1 for place in grid):
        yield from (source[int(place)] for place in places)
        return
    with closing(smoother.fill(source[first:beyond], [place - first for place in grid])) as filled:
        for place, frame in zip(grid, filled, strict=True):
            yield source[int(place)] if place.denominator == 1 else frame
    yield from (source[int(place)] for place in places[len(grid) :])


class Motion:
    """ffmpeg's minterpolate: the motion of blocks, needs nothing but ffmpeg.

    It does not look for cuts, which are known here, and works in YCbCr, whose rounding is within 2 of 255.
    """

    name = "motion"

    def fill(self, scene: Sequence[Frames], places: Sequence[Fraction]) -> Made:
        """Do as `Smoother` says."""
        height, width = scene[0].shape[:2]
        padded = _fill_blocks(height), _fill_blocks(width)
        chunks = (_pad_frame(frame, padded) for frame in (*scene, scene[-1]))  # it stops a frame before its last
        made = 0
        try:
            command = _write_command(find_ffmpeg(), padded, (height, width), places)
            with closing(stream(command, chunks, scene[0].nbytes, PATIENCE)) as pieces:
                for piece in pieces:
                    made += 1
                    yield np.frombuffer(piece, np.uint8).reshape(scene[0].shape)
        except FfmpegFailed as error:
            raise SvdError(f"The clip could not be smoothed by motion: {error}") from error
        if made < len(places):
            raise SvdError(f"ffmpeg gave {made} of {len(places)} frames and no reason: report this, with its version.")


def _fill_blocks(side: int) -> int:
    return max(LEAST, side + -side % BLOCK)


def _pad_frame(frame: Frames, size: tuple[int, int]) -> bytes:
    """Repeat a frame's border until it is [height, width] of `size`."""
    margins = [(0, wanted - there) for wanted, there in zip(size, frame.shape[:2], strict=True)]
    grown = np.pad(frame, (*margins, (0, 0)), "edge") if any(map(sum, margins)) else frame
    return grown.tobytes()


def _write_command(
    ffmpeg: str, padded: tuple[int, int], size: tuple[int, int], places: Sequence[Fraction]
) -> list[str]:
    """Write the command from raw RGB to raw RGB.

    Its time counts in `step`, the way from place to place, and the first place comes at time 1: before it, minterpolate
    may give another frame, since it rounds the time of the first frame that it gets.
    """
    step = places[1] - places[0] if len(places) > 1 else places[0] + 1
    tick = math.lcm(step.denominator, places[0].denominator)
    filters = (
        f"settb=1/{tick}",
        f"setpts=N*{tick}+{(step - places[0]) * tick}",
        "format=yuv444p",
        f"minterpolate=fps={1 / step}:scd=none",
        f"trim=start_pts=1:end_pts={len(places) + 1}",
        f"crop={size[1]}:{size[0]}:0:0",
    )
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24")
    source = (*raw, "-video_size", f"{padded[1]}x{padded[0]}", "-framerate", "1", "-i", "pipe:0")
    sink = (*keep_frame_times(ffmpeg), "-vf", ",".join(filters), *raw, "pipe:1")
    return [ffmpeg, "-hide_banner", "-v", "error", *source, *sink]
