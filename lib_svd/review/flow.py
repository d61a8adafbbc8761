"""The motion of a clip. Only here and in `dense` opencv is imported, and only where there is something to measure."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames
from lib_svd.review.camera import Floats, square_lengths

CV2_MISSING = (
    "Motion, drift and flicker cannot be measured, since opencv is not installed or cannot be loaded: "
    "run `python -m pip install opencv-python-headless` in the environment of your web UI."
)
SEEN_AT = 640  # pixels of the longer side at which flow is worked out
LEAST_SIDE = 16  # pixels; opencv's flow of a thinner frame fails, or takes the program with it
CUT = 0.2  # of a frame is seen again in the next one; less is a cut


@dataclass(frozen=True, kw_only=True)
class Flows:
    """How pixels move from each frame to the next, and back."""

    forward: Floats  # [T - 1, H, W, 2] x and y in pixels of `frames`, from frame t to t + 1
    backward: Floats  # from frame t + 1 to t
    alike: Floats  # [T - 1] share of frame t that is seen in frame t + 1, 0..1
    frames: Frames  # [T, H, W, 3], the clip, made smaller if it is large
    scale: float  # pixels of the clip for one of `frames`

    @property
    def lengths(self) -> Floats:
        """How far each pixel moves, [T - 1, H, W], pixels of the clip."""
        return np.asarray(self.scale * np.hypot(self.forward[..., 0], self.forward[..., 1]), np.float32)

    def warp(self, image: Floats, t: int, *, ahead: bool) -> Floats:
        """Show a picture [H, W, ...] of the next frame (ahead) or of the one before as frame t sees it, bilinear."""
        from lib_svd.review.dense import remap

        return remap(image, self.forward[t] if ahead else self.backward[t - 1])

    def grows(self, t: int) -> bool:
        """Tell whether things are larger in frame t + 1 than in frame t, as when the camera nears."""
        flow = self.forward[t]
        return bool(np.diff(flow[..., 0], axis=1).mean() + np.diff(flow[..., 1], axis=0).mean() >= 0)

    def align(
        self, here: Floats, there: Floats, t: int, *, ahead: bool
    ) -> tuple[tuple[Floats, Floats], npt.NDArray[np.bool_]]:
        """Give frame t, and the next one (ahead) or the one before moved onto it; [H, W] of the clip's own size.

        Both are interpolated alike, so that both lose as much by it. And where both are seen.
        """
        import cv2

        from lib_svd.review.dense import remap

        size = (here.shape[1], here.shape[0])
        flow = self.scale * cv2.resize(self.forward[t] if ahead else self.backward[t - 1], size)
        seen = cv2.resize(self.find_matched(t, ahead=ahead).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return (remap(here, np.abs(flow - np.round(flow))), remap(there, flow)), seen.astype(bool)

    def find_matched(self, t: int, *, ahead: bool) -> npt.NDArray[np.bool_]:
        """Tell where frame t is seen in the next frame (or the one before) too, [H, W]."""
        return self._matched[t, ahead]

    def is_cut(self, t: int) -> bool:
        """Tell whether frame t + 1 shows another scene than frame t."""
        return bool(self.alike[t] < CUT)

    @cached_property
    def _matched(self) -> dict[tuple[int, bool], npt.NDArray[np.bool_]]:
        """Where forth and back ends where it began: the test of Sundaram, Brox and Keutzer (2010), eq. 5."""
        found = {}
        for t in range(len(self.forward)):
            pair = ((t, True, self.forward[t], self.backward[t]), (t + 1, False, self.backward[t], self.forward[t]))
            for frame, ahead, there, back in pair:
                apart = square_lengths(there + self.warp(back, frame, ahead=ahead))
                found[frame, ahead] = _find_inside(there) & (
                    apart < 0.01 * (square_lengths(there) + square_lengths(back)) + 0.5
                )
        return found


def can_see_motion() -> bool:
    """Tell whether opencv is there and can be loaded, which without libGL some builds of it cannot."""
    try:
        importlib.import_module("cv2")
    except ImportError:
        return False
    return True


def find_flows(frames: Frames) -> Flows:
    """Find the motion of frames [T, H, W, 3] uint8, RGB, T at least 2."""
    import cv2

    from lib_svd.review.dense import pair

    height, width = frames.shape[1:3]
    scale = max(1.0, min(max(height, width) / SEEN_AT, min(height, width) / LEAST_SIDE))
    if scale > 1:
        size = (round(width / scale), round(height / scale))
        frames = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    pairs = [pair(a, b) for a, b in zip(grey, grey[1:], strict=False)]
    return Flows(
        forward=np.stack([each.forward for each in pairs]),
        backward=np.stack([each.backward for each in pairs]),
        alike=np.array([each.alike for each in pairs], np.float32),
        frames=frames,
        scale=scale,
    )


def _find_inside(flow: Floats) -> npt.NDArray[np.bool_]:
    """Tell where a pixel does not leave the frame, [H, W]."""
    height, width = flow.shape[:2]
    x, y = np.arange(width) + flow[..., 0], np.arange(height)[:, None] + flow[..., 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
