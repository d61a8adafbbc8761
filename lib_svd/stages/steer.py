"""What is done between the steps to a clip that is steered: longer than trained, without an end."""

from __future__ import annotations

from torch import Tensor

from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.samplers import Denoise
from lib_svd.engine.windows import begin_at_rest, denoise_in_windows, place_windows, repeat_noise, turn_in_time
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.stages.run import Run


class Steered:
    """The controls of one clip, round its denoiser; without any, nothing is done.

    Args:
        run: whose request says what is asked for.
    """

    def __init__(self, run: Run) -> None:
        self._run, r = run, run.request
        self._is_loop, size = r.ending == "loop", run.svd.family.choose_window(r)
        self._windows = place_windows(r.num_frames, size, closed=self._is_loop)
        self._number = 0  # of the last step that is whole

    def draw_start(self, clip: Conditioning) -> Tensor:
        """Draw the noise to begin with, [T, 4, h, w]."""
        num_frames, size = self._run.request.num_frames, len(self._windows[0])
        noise = self._run.draw_noise(size, *clip.start_latent.shape[1:])
        return noise if size == num_frames else repeat_noise(noise, num_frames, self._run.generator)

    def steer(self, denoise: Denoise) -> Denoise:
        """Give what the sampler calls; `denoise` is called with as many frames as are sampled at a time."""
        if len(self._windows) > 1:
            return denoise_in_windows(denoise, self._windows, self._report_window)
        return turn_in_time(denoise, self._run.request.num_frames) if self._is_loop else denoise

    def report(self, number: int, preview: Preview | None = None) -> None:
        """Report that a step is whole; raises Interrupted where the user stops it."""
        self._number = number
        self._report(number * len(self._windows), preview)

    def finish(self, latents: Tensor) -> Tensor:
        """Give the clip's latents as they are to be decoded."""
        return begin_at_rest(latents) if self._is_loop else latents

    def _report_window(self, number: int) -> None:
        """Report how many windows are done, within a step too: one may take minutes."""
        if number:
            self._report(self._number * len(self._windows) + number)

    def _report(self, done: int, preview: Preview | None = None) -> None:
        total = self._run.request.num_steps * len(self._windows)
        self._run.report(Progress(Stage.SAMPLING, min(done, total), total), preview)
