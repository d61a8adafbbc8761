"""Look at a finished clip on disk: what it was made from, where that can be found, and its measures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib_svd import images, video
from lib_svd.checkpoints import Svd
from lib_svd.clip import Frames
from lib_svd.errors import BadInput, BadRequest
from lib_svd.jobs.restoring import find_infotext, read_own_shape
from lib_svd.ports import Host
from lib_svd.request import ClipRequest, CompleteRequest
from lib_svd.review import CV2_MISSING, LEAST_SIDE, Advice, Embed, Review, advise, can_see_motion, review
from lib_svd.stages import Run, embed


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A clip and its measures."""

    review: Review
    num_frames: int
    size: tuple[int, int]  # width, height, pixels
    fps: float  # 0: nothing says
    settings: ClipRequest | None  # with which it was made; None: it does not say
    notes: tuple[str, ...] = ()  # what could not be measured, and why

    def advise(self, said: str | None = None) -> Advice | None:
        """Choose the one change to try next; None: nothing is wrong, or the clip does not say how it was made.

        Args:
            said: what the user says is wrong, of `review.FAULTS`.
        """
        if self.settings is None:
            return None
        try:
            made_with = CompleteRequest.of(self.settings)
        except BadRequest:  # settings of a picture, say
            return None
        return advise(self.review.measures, made_with, said)


def look(path: Path, *, picture: Path | None = None, tower: tuple[Svd, Host] | None = None) -> Looked:
    """Measure a clip.

    Args:
        path: a video, a moving picture, or a folder of frames; made here or elsewhere.
        picture: what it was made from; without it the clip is held against its own first frame.
        tower: a loaded checkpoint whose image tower tells likeness, and where it runs; without it none is told.

    Raises:
        BadInput: the clip or the picture cannot be read, or the clip is too small.
    """
    frames, fps = video.read_frames(path)
    height, width = frames.shape[1:3]
    if min(height, width) < LEAST_SIDE:
        raise BadInput(f"{path} is {width}x{height}: choose a clip of at least {LEAST_SIDE}x{LEAST_SIDE} to measure.")
    settings, size = read_clip_settings(path), read_own_shape(find_infotext(path)).size
    frames = video.resize_as_made(frames, size)  # measures do not depend on how the clip is shown
    own = settings and settings.replace(width=size[0], height=size[1])
    source = None if picture is None else fit_as_for_model(picture, own, frames)
    found = review(frames, source, None if tower is None else make_embed(*tower))
    return Looked(
        review=found,
        num_frames=len(frames),
        size=(width, height),
        fps=fps,
        settings=settings,
        notes=() if can_see_motion() else (CV2_MISSING,),
    )


def read_clip_settings(path: Path) -> ClipRequest | None:
    """Read the settings that a clip carries, or that stand beside it, as of a gif; None: it was not made here."""
    infotext = find_infotext(path)
    return ClipRequest.from_infotext(infotext) if infotext else None


def fit_as_for_model(picture: Path, settings: ClipRequest | None, frames: Frames) -> Frames:
    """Fit the picture as the clip's settings say, at the size of its frames, [H, W, 3].

    Raises:
        BadInput: the picture cannot be read.
    """
    size = (frames.shape[2], frames.shape[1])
    if settings is None:
        settings = ClipRequest()
    read = images.read_picture(picture, settings.background)
    made_at = (settings.width or size[0], settings.height or size[1])
    view, seen = images.View.of(settings), _see_as_models(read, settings, made_at)
    fitted = [images.fit_picture(each.image, made_at, settings.fit, view).image for each in seen]
    pictures = [np.asarray(each if each.size == size else each.resize(size, resample=0)) for each in fitted]
    ends = frames[[0, -1]].astype(np.float32)  # an orbit ends with the picture, any other clip begins with it
    return min(pictures, key=lambda each: np.abs(ends - each).mean((1, 2, 3)).min())


def _see_as_models(read: images.Picture, settings: ClipRequest, shape: tuple[int, int]) -> list[images.Picture]:
    """Give a picture as it is, and with its object placed, if it has one: a clip does not say which its model took."""
    placed = []
    if images.has_object(read, settings.cut_out):
        with suppress(BadInput):
            placed.append(images.place_object(read, settings, shape))
    return [read, *placed]


def make_embed(svd: Svd, host: Host) -> Embed:
    """Embed frames by a checkpoint's image tower."""
    settings, _ = svd.checkpoint.family.complete(ClipRequest(), grid=svd.checkpoint.size_grid)
    run = Run(svd, settings, host)

    def embed_frames(frames: Frames) -> Tensor:
        with torch.inference_mode():
            pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2) / 127.5 - 1
            return torch.cat([embed(run, each)[0] for each in pictures.split(1)])

    return embed_frames
