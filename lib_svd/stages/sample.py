"""Noise to latents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from PIL import Image
from torch import Tensor

from lib_svd.engine import guidance, memory, schedule
from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.preview import RGB_FACTORS, convert_latents_to_rgb
from lib_svd.engine.samplers import SAMPLERS, Step, start
from lib_svd.engine.unet import UNet
from lib_svd.errors import OutOfMemory
from lib_svd.stages.plan import plan_sampling
from lib_svd.stages.run import Run
from lib_svd.stages.steer import UNSTEERED, Steered, Steering


def sample(run: Run, clip: Conditioning, steering: Steering = UNSTEERED) -> Tensor:
    """Sample latents [T, 4, h, w], float32 on the CPU.

    Raises:
        Interrupted: the user stopped it.
        OutOfMemory: no room, one branch at a time and begun again either.
        NotFinite: NaN or infinity in float32 too.
    """
    before, unet, frames = run.get_noise_state(), run.svd.unet, run.svd.family.choose_window(run.request)
    place = (frames, unet.dtype, unet.device.type)
    halves, room = plan_sampling(run.svd.configs, run.request, *place, unet.count_room())
    try:
        return _sample_within(run, clip, steering, halves, room)
    except OutOfMemory:
        run.notes.append("Memory ran out while sampling; it was begun again with twice the room beside the weights.")
    run.set_noise_state(before)
    _, one = plan_sampling(run.svd.configs, run.request, *place, room=0)
    return _sample_within(run, clip, steering, True, 2 * one)


def _sample_within(run: Run, clip: Conditioning, steering: Steering, halves: bool, room: int) -> Tensor:
    """Sample with that much room beside the UNet's weights; `halves`: one guidance branch at a time."""
    r, device = run.request, run.svd.unet.device
    sigmas = schedule.SCHEDULES[r.schedule](r.num_steps)
    steered = Steered(run, clip, steering)
    noise = steered.draw_start()
    x, shape = start(noise, sigmas).to(device), noise.shape
    steered.report(0)
    with run.svd.unet.bring_to_gpu(room) as network:
        denoise = steered.steer(
            lambda told: CarefulDenoiser(run, cast(UNet, network), told, sigmas, halves), sigmas[-2]
        )
        for step in SAMPLERS[r.sampler](denoise, x, sigmas, lambda: run.draw_noise(*shape).to(device)):
            x = step.x
            steered.report(step.number, partial(make_preview, step, run.svd.family.latent_rgb))
    return x.cpu()


def make_preview(step: Step, latent_rgb: Sequence[Sequence[float]] = ()) -> Image.Image:
    """Make a rough picture of the middle frame, a pixel for each of the latents'."""
    middle = len(step.denoised) // 2
    return Image.fromarray(
        convert_latents_to_rgb(step.denoised[middle : middle + 1], latent_rgb or RGB_FACTORS)[0].cpu().numpy()
    )


class CarefulDenoiser:
    """A Denoiser that goes on one branch at a time where memory runs out, and in float32 where half precision does."""

    def __init__(self, run: Run, network: UNet, clip: Conditioning, sigmas: Tensor, halves: bool) -> None:
        self._run, self._network, self._clip, self._sigmas, self._halves = run, network, clip, sigmas, halves
        r = run.request
        frames = run.svd.family.choose_window(r)
        self._guidance = guidance.RAMPS[r.guidance_ramp](r.min_guidance, r.max_guidance, frames)
        self._closed = r.ending == "loop" and frames == r.num_frames
        self._denoise = self._make_denoiser()

    def __call__(self, x: Tensor, sigma: Tensor, frames: Tensor | None = None) -> Tensor:
        """Give D(x; sigma), all of it finite; of a part of the clip it is told which frames x has."""
        try:
            denoised = self._denoise(x, sigma, frames)
        except (RuntimeError, MemoryError) as error:
            if self._halves or not memory.is_out_of_memory(error):
                raise
            self._run.notes.append("Memory ran out with both guidance branches at once; they were run in turn.")
            denoised = None
        if denoised is None:
            self._halves = True
        elif bool(denoised.isfinite().all()):
            return denoised
        else:
            self._run.switch_to_fp32("unet")
        self._denoise = self._make_denoiser()
        return self(x, sigma, frames)

    def _make_denoiser(self) -> Denoiser:
        unet = self._run.svd.unet
        return Denoiser(
            self._network,
            self._clip,
            self._sigmas,
            self._guidance,
            device=unet.device,
            dtype=unet.dtype,
            halves=self._halves,
            guided=(self._run.request.guidance_low, self._run.request.guidance_high),
            cache_interval=self._run.request.cache_interval,
            closed=self._closed,
        )
