"""A camera that moves over a picture: where it looks in each frame, and what it sees there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib_svd.images.fit import Box, Fitted
from lib_svd.request import CompleteRequest
from lib_svd.settings import SETTINGS

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int_]

PANS = {"pan_left": (-1, 0), "pan_right": (1, 0), "pan_up": (0, -1), "pan_down": (0, 1)}
ZOOMS = {"zoom_in": -1, "zoom_out": 1}
ORBITS = {"orbit_left": -1, "orbit_right": 1}
LOOKED_AT = 64  # places each way at which it is looked how much lies beyond the picture
AROUND = 4  # frame pixels beside a view that resampling looks at, too


def plan_path(move: str, strength: float, num_frames: int) -> Floats:
    """Plan where a camera looks, [T, 2, 3]: what is at p of frame t is at A_t p of the picture, p = (x, y, 1) in widths
    and heights of the frame from its middle; A_0 is the picture's own view.

    A pan goes by so many frames, a zoom makes things larger or smaller by so much in equal ratios. An orbit takes the
    picture for ground that is near at its lower edge and far at its upper: while the camera goes to the right round the
    middle, what is near goes to the left and what is far to the right, so that rows are shifted against each other.

    Args:
        move: a name of `settings.CAMERAS` that is not "free".
        strength: percent of the frame that pass by over the clip, or of its size that a zoom changes, or of its width
            between the paths of its lower and its upper edge.
        num_frames: T, 1 or more.
    """
    share, path = np.linspace(0, 1, num_frames), np.tile(np.eye(2, 3), (num_frames, 1, 1))
    path[:, :, 2] = strength / 100 * share[:, None] * np.array(PANS.get(move, (0, 0)))
    path[:, 0, 0] = path[:, 1, 1] = (1 + strength / 100) ** (ZOOMS.get(move, 0) * share)
    path[:, 0, 1] = strength / 100 * share * ORBITS.get(move, 0)
    return path


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What a camera is going to see of a picture: its own pixels as far as there are any, mirrored beyond."""

    source: Image.Image  # RGB
    box: Box  # the part of it that the first frame shows
    first: Image.Image  # that frame
    path: Floats  # [T, 2, 3] from `plan_path`

    def film(self) -> Iterator[Image.Image]:
        """Show what the camera sees, frame by frame, each as large as the first."""
        left, top, right, bottom = self.box
        sides = np.array([right - left, bottom - top])
        corners = _look_at(self.path, np.array([-0.5, 0.5]), self.box).reshape(-1, 2)
        beside = AROUND * np.maximum(sides / self.first.size, 1)
        begin = np.floor(corners.min(0) - beside).astype(int)
        end = np.ceil(corners.max(0) + beside).astype(int)
        ground, inside = _cut(self.source, begin, end), np.array(self.box) - np.tile(begin, 2)
        for view in self.path:
            yield self.first if np.array_equal(view, np.eye(2, 3)) else _show(ground, view, inside, self.first.size)

    def note_mirrored(self) -> tuple[str, ...]:
        """Say how much of what the camera sees at its end lies beyond the picture."""
        places = _look_at(self.path[-1:], (np.arange(LOOKED_AT) + 0.5) / LOOKED_AT - 0.5, self.box)
        share = float(((places < 0) | (places > np.array(self.source.size))).any(-1).mean())
        if share < 0.005:
            return ()
        less, tighter = SETTINGS["camera_strength"].called, SETTINGS["zoom"].called
        seen = f"At its end the camera sees {100 * share:.0f} % beyond the picture, which is mirrored there"
        return (f"{seen}: set {less} to less, or a tighter crop by {tighter}.",)


def plan_shot(original: Image.Image, fitted: Fitted, request: CompleteRequest) -> Shot | None:
    """Plan what the camera of a request sees of a picture; None: it goes where the model likes.

    Args:
        original: the picture, upright, RGB.
        fitted: the same as the clip begins with; bars beside it and stretching are part of what is seen.
        request: says where the camera goes.
    """
    if request.camera == "free":
        return None
    path, first = plan_path(request.camera, request.camera_strength, request.num_frames), fitted.image
    source, box = (original, fitted.box) if request.fit == "crop" else (first, (0, 0, *first.size))
    return Shot(source=source, box=box, first=first, path=path)


def _look_at(path: Floats, places: Floats, box: Box) -> Floats:
    """Give where in the source the camera looks, [T, n, n, 2], from n places across and down the frame."""
    x, y = np.meshgrid(places, places)
    seen = np.einsum("tij,jyx->tyxi", path, np.stack([x, y, np.ones_like(x)]))
    return np.asarray((seen + 0.5) * (box[2] - box[0], box[3] - box[1]) + box[:2])


def _cut(source: Image.Image, begin: Whole, end: Whole) -> Image.Image:
    """Cut whole pixels, from (x, y) to (x, y), out of a picture that goes on in its own mirror image."""
    across, down = (_mirror(np.arange(a, b), n) for a, b, n in zip(begin, end, source.size, strict=True))
    return Image.fromarray(np.ascontiguousarray(np.asarray(source)[down][:, across]))


def _mirror(places: Whole, length: int) -> Whole:
    """Bring places of pixels into 0 to length - 1."""
    turned = places % (2 * length)
    return np.minimum(turned, 2 * length - 1 - turned)


def _show(ground: Image.Image, view: Floats, box: Floats, size: tuple[int, int]) -> Image.Image:
    """Show what is seen by one A of the path [2, 3]; rows are shifted in the frame's own pixels."""
    (width, height), shear = size, float(view[0, 1])
    more = math.ceil(abs(shear) / 2 * width) + (2 if shear else 0)
    half = np.array([view[0, 0] * (0.5 + more / width), view[1, 1] * 0.5])
    middle = view[:, 2] + 0.5
    sides = box[2:] - box[:2]
    left, top, right, bottom = np.concatenate([box[:2] + (middle - half) * sides, box[:2] + (middle + half) * sides])
    shown = ground.resize((width + 2 * more, height), Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    if not shear:
        return shown
    shift = (1, shear * width / height, more - shear * width / 2, 0, 1, 0)
    return shown.transform(size, Image.Transform.AFFINE, shift, Image.Resampling.BICUBIC)
