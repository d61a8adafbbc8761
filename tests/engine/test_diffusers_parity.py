"""A second opinion: diffusers' SVD on the same weights gives the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lib_svd.engine import guidance, samplers, schedule
from lib_svd.engine.conditioning import Conditioning, embed_motion
from lib_svd.engine.precond import Denoiser
from tests.engine.closeness import assert_close
from tests.engine.peers import CONTEXT, Peers

# diffusers' schedulers mix tensors and arrays in a way that numpy 2 tells off
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
CPU = torch.device("cpu")
FRAMES, HEIGHT, WIDTH = 5, 32, 48  # of the clip, in frames and pixels; the VAE shrinks by 4


def draw_noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@torch.inference_mode()
def test_unet(peers: Peers) -> None:
    x, context, c_noise = draw_noise(2, FRAMES, 8, 8, 12), draw_noise(2, 1, CONTEXT), torch.tensor(0.7)
    time_ids = torch.tensor([[6.0, 127.0, 0.02]])

    theirs = peers.unet(x, c_noise, context, added_time_ids=time_ids.expand(2, -1)).sample.flatten(0, 1)

    unet = peers.ours_unet
    ours = unet(x.flatten(0, 1), unet.make_tables(c_noise[None], embed_motion(7, 127, 0.02), context, FRAMES), 0)
    assert_close(ours, theirs)


@torch.inference_mode()
def test_encoder_mode(peers: Peers) -> None:
    image = draw_noise(1, 3, HEIGHT, WIDTH).clamp(-1, 1)

    assert_close(peers.ours_encoder.start_latent(image), peers.vae.encode(image).latent_dist.mode())


@pytest.mark.parametrize("chunk", [1, 2, FRAMES])
@torch.inference_mode()
def test_decoder_all_frames_at_once(chunk: int, peers: Peers) -> None:
    z = draw_noise(FRAMES, 4, 8, 12)

    theirs = peers.vae.decode(z / 0.18215, num_frames=FRAMES).sample

    assert_close(torch.cat(list(peers.ours_decoder.decode_frames(z, chunk))), theirs, max_abs=2e-4)


@torch.inference_mode()
def test_image_embeds(peers: Peers) -> None:
    pixels = draw_noise(1, 3, 56, 56)

    assert_close(peers.ours_vision(pixels), peers.image_encoder(pixels).image_embeds[:, None])


def make_released_scheduler():
    """As `scheduler/scheduler_config.json` of stable-video-diffusion-img2vid-xt has it."""
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        steps_offset=1,
        timestep_spacing="leading",
        timestep_type="continuous",
    )


@pytest.mark.parametrize("steps", [1, 4, 25])
def test_levels_are_the_pipelines(steps: int) -> None:
    scheduler = make_released_scheduler()
    scheduler.set_timesteps(steps)

    torch.testing.assert_close(schedule.karras(steps), scheduler.sigmas, rtol=1e-5, atol=1e-7)


def build_pipeline(peers: Peers):
    from diffusers import StableVideoDiffusionPipeline
    from transformers import CLIPImageProcessor

    pipeline = StableVideoDiffusionPipeline(
        vae=peers.vae,
        image_encoder=peers.image_encoder,
        unet=peers.unet,
        scheduler=make_released_scheduler(),
        feature_extractor=CLIPImageProcessor(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.inference_mode()
def test_whole_pipeline(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their pipeline but for its picture preprocessing, which is another one (svd.md, "How other tools differ")."""
    embeds, start, x0 = draw_noise(1, 1, CONTEXT), draw_noise(1, 4, 8, 12), draw_noise(FRAMES, 4, 8, 12)
    pipeline = build_pipeline(peers)
    both = [torch.cat([torch.zeros_like(t), t]) for t in (embeds, start)]
    monkeypatch.setattr(pipeline, "_encode_image", lambda *ignored: both[0])
    monkeypatch.setattr(pipeline, "_encode_vae_image", lambda *ignored, **named: both[1])

    theirs = pipeline(
        torch.zeros(1, 3, HEIGHT, WIDTH),
        height=HEIGHT,
        width=WIDTH,
        num_frames=FRAMES,
        num_inference_steps=4,
        sigmas=None,
        min_guidance_scale=1.5,
        max_guidance_scale=3.0,
        fps=9,
        motion_bucket_id=60,
        noise_aug_strength=0.1,
        decode_chunk_size=FRAMES,
        latents=x0[None],
        output_type="np",
    ).frames[0]

    conditioning = Conditioning(embeds, start, embed_motion(9, 60, 0.1))
    levels, scale = schedule.karras(4), guidance.linear(1.5, 3.0, FRAMES)
    denoise = Denoiser(peers.ours_unet, conditioning, levels, scale, device=CPU, dtype=torch.float32)
    *_, last = samplers.euler(denoise, samplers.start(x0, levels), levels, lambda: x0)
    frames = torch.cat(list(peers.ours_decoder.decode_frames(last.x, 2)))
    ours = (frames / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    assert np.ptp(theirs) > 0.5
    assert_close(ours, torch.from_numpy(theirs), max_abs=2e-4)
