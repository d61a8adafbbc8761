"""What is done between the steps to a clip that is steered: longer than trained, without an end, to a last picture, in
a part of the picture alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.samplers import Denoise
from lib_svd.engine.steering import hold_first, hold_still, meet_between, shrink_mask
from lib_svd.engine.windows import denoise_in_windows, place_windows, repeat_noise, turn_in_time
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.stages.condition import condition, encode_still
from lib_svd.stages.run import Run

UNLIKE = 0.5  # cosine of two pictures' embeddings below which a clip between them will hardly be one motion


@dataclass(frozen=True, kw_only=True)
class Steering:
    """What a clip is steered by, beside its settings."""

    last: Conditioning | None = None  # of the picture that it ends with
    still: Tensor | None = None  # latents of the picture, [1, 4, h, w], where there is a mask
    moves: Tensor | None = None  # the mask, [H, W]: 1 where it may move, 0 where not
    first: Tensor | None = None  # latents of the frames that it begins with, [n, 4, h, w], where it goes on


UNSTEERED = Steering()


def prepare_steering(
    run: Run, clip: Conditioning, image: Tensor, last: Tensor | None, moves: Tensor | None
) -> Steering:
    """Make what the sampler is steered by; from now on it is said where the last picture has little in common with the
    first.

    Args:
        run: of the clip.
        clip: what the picture was made into.
        image: the picture, [1, 3, H, W] in [-1, 1].
        last: the picture that the clip ends with, as large; None: there is none.
        moves: the mask, [H, W] of 0 to 1; None: all may move.
    """
    still = None if moves is None else encode_still(run, image)
    if last is None:
        return Steering(still=still, moves=moves)
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
        self._run, self._clip, self._steering, r = run, clip, steering, run.request
        self._is_loop, size = r.ending == "loop", run.svd.family.choose_window(r)
        self._windows = place_windows(r.num_frames, size, closed=self._is_loop)
        self._evaluations = len(self._windows) * (2 if steering.last else 1)  # of the network in a step
        self._number = self._begun = 0  # steps that are whole; evaluations of the next one

    def draw_start(self) -> Tensor:
        """Draw the noise to begin with, [T, 4, h, w]."""
        num_frames, size = self._run.request.num_frames, len(self._windows[0])
        noise = self._run.draw_noise(size, *self._clip.start_latent.shape[1:])
        return noise if size == num_frames else repeat_noise(noise, num_frames, self._run.generator)

    def steer(self, make: Callable[[Conditioning], Denoise]) -> Denoise:
        """Give what the sampler calls.

        Args:
            make: gives the denoiser of a clip that begins with a picture, for as many frames as are sampled at a time.
        """
        denoise = self._spread(make(self._clip))
        if self._steering.last is not None:
            denoise = meet_between(denoise, self._spread(make(self._steering.last)), self._run.request.num_frames)
        if self._steering.first is not None:
            denoise = hold_first(denoise, self._steering.first)
        if self._steering.still is not None and self._steering.moves is not None:
            moves = shrink_mask(self._steering.moves, self._run.svd.configs.encoder.downsampling)
            denoise = hold_still(denoise, self._steering.still, moves)
        return denoise

    def report(self, number: int, preview: Preview | None = None) -> None:
        """Report that a step is whole; raises Interrupted where the user stops it."""
        self._number, self._begun = number, 0
        self._report(number * self._evaluations, preview)

    def _spread(self, denoise: Denoise) -> Denoise:
        """Let a denoiser of a window be one of the whole clip."""

        def count(x: Tensor, sigma: Tensor) -> Tensor:
            if 0 < self._begun < self._evaluations:  # within a step, which may take minutes
                self._report(self._number * self._evaluations + self._begun)
            self._begun += 1
            return denoise(x, sigma)

        if len(self._windows) > 1:
            return denoise_in_windows(count, self._windows)
        return turn_in_time(count, self._run.request.num_frames) if self._is_loop else count

    def _report(self, done: int, preview: Preview | None = None) -> None:
        total = self._run.request.num_steps * self._evaluations
        self._run.report(Progress(Stage.SAMPLING, done, total), preview)
