"""What is done between the steps to a clip that is steered: longer than trained, without an end, to a last picture, in
a part of the picture alone, with a camera that goes where it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from lib_svd.engine.camera import move_noise
from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.samplers import Denoise
from lib_svd.engine.steering import follow_camera, hold_first, hold_still, meet_between, shrink_mask
from lib_svd.engine.windows import DenoiseSome, denoise_in_windows, place_windows, repeat_noise, turn_in_time
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.stages.condition import condition, encode_still, encode_views
from lib_svd.stages.run import Run

UNLIKE = 0.5  # cosine of two pictures' embeddings below which a clip between them will hardly be one motion


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera that is told where to go."""

    path: Tensor  # [T, 2, 3], see `engine.camera.move_noise`
    views: Iterable[Tensor]  # what it sees in each frame, [1, 3, H, W] in [-1, 1]; the first is the picture


@dataclass(frozen=True, kw_only=True)
class Steering:
    """What a clip is steered by, beside its settings."""

    last: Conditioning | None = None  # of the picture that it ends with
    still: Tensor | None = None  # latents of the picture, [1, 4, h, w], where there is a mask
    moves: Tensor | None = None  # the mask, [H, W]: 1 where it may move, 0 where not
    first: Tensor | None = None  # latents of the frames that it begins with, [n, 4, h, w], where it goes on
    path: Tensor | None = None  # of the camera, [T, 2, 3]
    views: Tensor | None = None  # latents of what it sees, [T, 4, h, w]


UNSTEERED = Steering()


def prepare_steering(
    run: Run,
    clip: Conditioning,
    image: Tensor,
    last: Tensor | None,
    moves: Tensor | None,
    camera: Camera | None,
) -> Steering:
    """Make what the sampler is steered by; from now on it is said where the last picture has little in common with the
    first.

    Args:
        run: of the clip.
        clip: what the picture was made into.
        image: the picture, [1, 3, H, W] in [-1, 1].
        last: the picture that the clip ends with, as large; None: there is none.
        moves: the mask, [H, W] of 0 to 1; None: all may move.
        camera: where it goes; None: where the model likes.
    """
    still = None if moves is None else encode_still(run, image)
    if last is None:
        views = None if camera is None else encode_views(run, camera.views, run.request.num_frames)
        return Steering(still=still, moves=moves, path=None if camera is None else camera.path, views=views)
    end = condition(run, last)
    alike = float(F.cosine_similarity(clip.image_embeds.flatten(), end.image_embeds.flatten(), dim=0))
    if alike < UNLIKE:
        run.remark = f"the two pictures have little in common, {alike:.2f} of 1, and may melt into each other"
        run.notes.append(f"{run.remark[0].upper()}{run.remark[1:]}: choose pictures of one scene.")
    return Steering(last=end, still=still, moves=moves)


class Steered:
    """The controls of one clip, round its denoiser; without any, nothing is done.

    Args:
        run: whose request says what is asked for.
        clip: what the clip is made from.
        steering: what it is steered by.
    """

    def __init__(self, run: Run, clip: Conditioning, steering: Steering) -> None:
        self._run, self._clip, self._steering, r = run, _tell_views(clip, steering.views), steering, run.request
        self._is_loop, size = r.ending == "loop", run.svd.family.choose_window(r)
        self._windows = place_windows(r.num_frames, size, closed=self._is_loop)
        self._evaluations = len(self._windows) * (2 if steering.last else 1)  # of the network in a step
        self._number = self._begun = 0  # steps that are whole; evaluations of the next one

    def draw_start(self) -> Tensor:
        """Draw the noise to begin with, [T, 4, h, w]."""
        num_frames, size = self._run.request.num_frames, len(self._windows[0])
        noise = self._run.draw_noise(size, *self._clip.start_latent.shape[1:])
        noise = noise if size == num_frames else repeat_noise(noise, num_frames, self._run.generator)
        path = self._steering.path
        return noise if path is None else move_noise(noise, path, self._run.draw_noise)

    def steer(self, make: Callable[[Conditioning], DenoiseSome], last: Tensor) -> Denoise:
        """Give what the sampler calls.

        Args:
            make: gives the denoiser of a clip that begins with a picture, for as many frames as are sampled at a time.
            last: the lowest level above 0.
        """
        denoise = self._spread(make(self._clip))
        if self._steering.last is not None:
            denoise = meet_between(denoise, self._spread(make(self._steering.last)), self._run.request.num_frames)
        if self._steering.first is not None:
            denoise = hold_first(denoise, self._steering.first)
        if self._steering.views is not None:
            denoise = follow_camera(denoise, self._steering.views, last)
        if self._steering.still is not None and self._steering.moves is not None:
            moves = shrink_mask(self._steering.moves, self._run.svd.configs.encoder.downsampling)
            denoise = hold_still(denoise, self._steering.still, moves)
        return denoise

    def report(self, number: int, preview: Preview | None = None) -> None:
        """Report that a step is whole; raises Interrupted where the user stops it."""
        self._number, self._begun = number, 0
        self._report(number * self._evaluations, preview)

    def _spread(self, denoise: DenoiseSome) -> Denoise:
        """Let a denoiser of a window be one of the whole clip."""

        def count(x: Tensor, sigma: Tensor, frames: Tensor | None = None) -> Tensor:
            if 0 < self._begun < self._evaluations:  # within a step, which may take minutes
                self._report(self._number * self._evaluations + self._begun)
            self._begun += 1
            return denoise(x, sigma, frames)

        if len(self._windows) > 1:
            return denoise_in_windows(count, self._windows)
        return turn_in_time(count, self._run.request.num_frames) if self._is_loop else count

    def _report(self, done: int, preview: Preview | None = None) -> None:
        total = self._run.request.num_steps * self._evaluations
        self._run.report(Progress(Stage.SAMPLING, done, total), preview)


def _tell_views(clip: Conditioning, views: Tensor | None) -> Conditioning:
    """Tell the network what the camera sees in each frame, in place of the one picture; the noise on that stays."""
    if views is None:
        return clip
    return replace(clip, start_latent=clip.start_latent + (views - views[:1]) / LATENT_SCALE)
