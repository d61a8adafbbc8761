"""Optical flow between neighbouring frames, and what it explains. The only place that imports opencv."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames

Floats = npt.NDArray[np.float32]

CV2_MISSING = (
    "Motion, drift and flicker cannot be measured, since opencv is not installed or cannot be loaded: "
    "run `python -m pip install opencv-python-headless` in the environment of your web UI."
)
SEEN_AT = 640  # pixels of the longer side at which flow is worked out
FITTED_ON = 4096  # points to which the camera's motion is fitted
ROUNDS = 5  # of reweighting in that fit
CUT = 0.2  # of a frame is seen again in the next one; less is a cut
NOISE = 0.05  # pixels; flow below is none


@dataclass(frozen=True, kw_only=True)
class Flows:
    """How pixels move from each frame to the next, and back."""

    forward: Floats  # [T - 1, H, W, 2] x and y in pixels of `frames`, from frame t to t + 1
    backward: Floats  # from frame t + 1 to t
    frames: Frames  # [T, H, W, 3], the clip, made smaller if it is large
    scale: float  # pixels of the clip for one of `frames`

    @property
    def lengths(self) -> Floats:
        """[T - 1, H, W], pixels of the clip."""
        return np.asarray(self.scale * np.hypot(self.forward[..., 0], self.forward[..., 1]), np.float32)

    def warped(self, image: Floats, t: int, *, ahead: bool) -> Floats:
        """Frame t's view of a picture [H, W, ...] of the next frame (ahead) or of the one before, bilinear."""
        import cv2

        flow = self.forward[t] if ahead else self.backward[t - 1]
        height, width = flow.shape[:2]
        x = np.arange(width, dtype=np.float32) + flow[..., 0]
        y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
        return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)

    def matched(self, t: int, *, ahead: bool) -> npt.NDArray[np.bool_]:
        """Where frame t is seen in the next frame (or the one before) too, [H, W]."""
        return self._matched[t, ahead]

    def is_cut(self, t: int) -> bool:
        """Whether frame t + 1 shows another scene than frame t."""
        return bool(self._matched[t, True].mean() < CUT)

    @cached_property
    def _matched(self) -> dict[tuple[int, bool], npt.NDArray[np.bool_]]:
        """Forth and back ends where it began: the test of Sundaram, Brox and Keutzer (2010), eq. 5."""
        found = {}
        for t in range(len(self.forward)):
            pair = ((t, True, self.forward[t], self.backward[t]), (t + 1, False, self.backward[t], self.forward[t]))
            for frame, ahead, there, back in pair:
                apart = ((there + self.warped(back, frame, ahead=ahead)) ** 2).sum(-1)
                found[frame, ahead] = _inside(there) & (apart < 0.01 * ((there**2).sum(-1) + (back**2).sum(-1)) + 0.5)
        return found


def can_see_motion() -> bool:
    """Whether opencv is there and can be loaded, which without libGL some builds of it cannot."""
    try:
        importlib.import_module("cv2")
    except ImportError:
        return False
    return True


def flows(frames: Frames) -> Flows:
    """Dense flow by inverse search (DIS, Kroeger et al. 2016) of frames [T, H, W, 3], T at least 2."""
    import cv2

    height, width = frames.shape[1:3]
    scale = max(1.0, max(height, width) / SEEN_AT)
    if scale > 1:
        size = (round(width / scale), round(height / scale))
        frames = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pairs = list(zip(grey, grey[1:], strict=False))
    forward = np.stack([dis.calc(a, b, None) for a, b in pairs])  # type: ignore[call-overload]
    backward = np.stack([dis.calc(b, a, None) for a, b in pairs])  # type: ignore[call-overload]
    return Flows(forward=forward, backward=backward, frames=frames, scale=scale)


def _inside(flow: Floats) -> npt.NDArray[np.bool_]:
    """Where a pixel does not leave the frame, [H, W]."""
    height, width = flow.shape[:2]
    x, y = np.arange(width) + flow[..., 0], np.arange(height)[:, None] + flow[..., 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def camera_share(flow: Floats) -> float | None:
    """How much of a flow [H, W, 2] one move of the camera explains, 0..1; None: nothing moves.

    The move is affine (pan, zoom, turn, tilt), fitted by least squares reweighted after Cauchy, so that a thing which
    moves on its own does not pull at it.
    """
    height, width = flow.shape[:2]
    step = max(1, int((height * width / FITTED_ON) ** 0.5))
    rows, columns = np.mgrid[0:height:step, 0:width:step].reshape(2, -1)
    moved = flow[rows, columns].astype(np.float64)
    total = float((moved**2).sum())
    if total < NOISE**2 * len(moved):
        return None
    places = np.stack([np.ones(len(rows)), columns / width - 0.5, rows / height - 0.5], 1)
    weights = np.ones(len(rows))
    left = moved
    for _ in range(ROUNDS):
        root = np.sqrt(weights)[:, None]
        solution = np.linalg.lstsq(root * places, root * moved, rcond=None)[0]
        left = moved - places @ solution
        errors = (left**2).sum(-1)
        weights = 1 / (1 + errors / max(float(np.median(errors)), NOISE**2))
    return max(0.0, 1 - float((left**2).sum()) / total)
