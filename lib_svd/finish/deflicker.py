"""Flicker is taken away, scene by scene: brightness that jumps is evened out, and SVD's VAE, where one is named,
decodes all frames of a scene together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from lib_svd.clip import Frames
from lib_svd.finish.cuts import find_cuts
from lib_svd.finish.even import even_brightness
from lib_svd.review import MEASURES, Steadiness, compare_sharpness, measure_steadiness

BRIGHTNESS = "brightness"  # is evened out and nothing else is done: needs no model
LOOKED_AT = 25  # frames that are measured, before and after
KEPT = 0.95  # of the sharpness; where less is left, that is said

Report = Callable[[int, int], None]
"""Told how much is done, and of how much; may raise, and then the work ends."""


class Scene(NamedTuple):
    """Frames from `begin` to the one before `end`, without a cut."""

    begin: int
    end: int
    closed: bool  # after the last frame comes the first


class Redecode(Protocol):
    """What decodes the frames of each scene together: `redecode.Redecoder`."""

    notes: list[str]  # what the user should know

    def redecode(self, frames: Frames, scenes: Sequence[Scene], report: Report) -> Frames:
        """Give as many frames of the same size."""
        ...


def deflicker_frames(
    frames: Frames, redecoder: Redecode | None, report: Report, *, closed: bool = False
) -> tuple[Frames, tuple[str, ...]]:
    """Take flicker away.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        redecoder: decodes scenes together; None: brightness is evened out alone.
        report: told how far it is.
        closed: whether the first frame comes after the last one.

    Returns:
        The frames, and what became of flicker, sharpness and colours, in words.

    Raises:
        SvdError: the redecoder failed.
        whatever `report` raises.
    """
    scenes = _list_scenes(frames, closed=closed)
    made = np.empty_like(frames)
    for number, scene in enumerate(scenes):
        made[scene.begin : scene.end] = even_brightness(frames[scene.begin : scene.end], closed=scene.closed)
        if redecoder is None:
            report(number + 1, len(scenes))
    told: tuple[str, ...] = ()
    if redecoder is not None:
        made = redecoder.redecode(made, scenes, report)
        told = tuple(dict.fromkeys(redecoder.notes))
    return made, (*told, *_describe_change(frames[:LOOKED_AT], made[:LOOKED_AT], by_model=redecoder is not None))


def _list_scenes(frames: Frames, *, closed: bool) -> list[Scene]:
    cuts = find_cuts([*frames])
    ends = [0, *cuts, len(frames)]
    return [Scene(begin, end, closed and not cuts) for begin, end in pairwise(ends)]


def _describe_change(before: Frames, after: Frames, *, by_model: bool) -> tuple[str, ...]:
    """Say how much it flickers, how sharp it is and how far its colours drift, before and after."""
    was, now = measure_steadiness(before), measure_steadiness(after)
    kept = float(np.exp(np.mean([np.log(compare_sharpness(*pair)) for pair in zip(after, before, strict=True)])))
    said = [
        f"{title} {_write(was, name)} before, and {_write(now, name)} now"
        for title, name in (("flicker was", "flicker"), ("drift of colours was", "drift"))
        if getattr(was, name) is not None and getattr(now, name) is not None
    ]
    said.append(f"{kept:.0%} of the sharpness is kept")
    sentence = "; ".join(said)
    told = f"{sentence[0].upper()}{sentence[1:]}."
    if not by_model or kept >= KEPT:
        return (told,)
    return told, f"This model's VAE does not carry all details of this clip: {BRIGHTNESS} leaves them as they are."


def _write(steadiness: Steadiness, name: str) -> str:
    measure = next(each for each in MEASURES if each.name == name)
    values = {name: getattr(steadiness, name)}
    return f"{measure.write_number(values)} ({measure.choose_word(values)})"
