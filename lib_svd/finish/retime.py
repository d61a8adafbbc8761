"""Which frames of a clip are shown, when, and how long: nothing here makes a new one."""

from __future__ import annotations

import numpy as np

from lib_svd.clip import Frames


def trim_frames(frames: Frames, first: int, last: int) -> Frames:
    """Keep the frames [T, H, W, 3] from the first to the last, both counted from 1 and both there; a last of 0 is the
    end.

    What is given is a view of at least one frame, where `first` is at most T.
    """
    return frames[first - 1 : last or None]


def hold_ends(frames: Frames, before: int, after: int) -> Frames:
    """Show the first of the frames [T, H, W, 3] so many times more before them, and the last after them."""
    if not before and not after:
        return frames
    times = np.ones(len(frames), np.intp)
    times[0] += before
    times[-1] += after
    return frames.repeat(times, axis=0)


def fit_length(frames: Frames, count: int) -> Frames:
    """Keep so many of the frames [T, H, W, 3]: those over are left out, and after the last one the first comes
    again.
    """
    return frames[:count] if count <= len(frames) else frames[np.arange(count) % len(frames)]
