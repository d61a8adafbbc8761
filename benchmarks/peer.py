"""The peer: StableVideoDiffusionPipeline of diffusers, as its users call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler, StableVideoDiffusionPipeline
from torch import Tensor, nn
from transformers import CLIPImageProcessor

from benchmarks import weights
from benchmarks.meter import Memory, Stages
from benchmarks.scales import SCALES
from benchmarks.side import (
    AUGMENTATION,
    CHECKED_FRAMES,
    FPS,
    MAX_GUIDANCE,
    MIN_GUIDANCE,
    MOTION,
    Order,
    convert_to_arrays,
    make_picture,
)
from lib_svd.engine.config import LATENT_SCALE


class Diffusers:
    """StableVideoDiffusionPipeline as its users call it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.device, self.dtype = torch.device(order.device), getattr(torch, order.dtype)
        self.memory = Memory(self.device)
        parts = {
            name: weights.fill_peer(network, self.dtype).to(self.device)
            for name, network in weights.build_peer_networks(SCALES[order.scale]).items()
        }
        for name, module in parts["unet"].named_modules():
            if isinstance(module, nn.GroupNorm) and "_res_block." in name:
                module.eps = 1e-5  # the reference's; diffusers has 1e-6 in most blocks
        self.pipe = _build_pipeline(parts)
        if order.compiled:
            self.pipe.unet = torch.compile(self.pipe.unet, mode=order.compiled)

    @torch.no_grad()
    def check(self, inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """See `Side`."""
        x = {name: tensor.to(self.device, self.dtype) for name, tensor in inputs.items()}
        time_ids = torch.tensor([[FPS - 1, MOTION, AUGMENTATION]] * 2, dtype=torch.float32, device=self.device)
        vae = self.pipe.vae
        eager = getattr(self.pipe.unet, "_orig_mod", self.pipe.unet)
        made = convert_to_arrays(
            unet=eager(x["x"], inputs["c_noise"][0].to(self.device), x["context"], time_ids).sample.flatten(0, 1),
            decoder=vae.decode(x["latents"] / LATENT_SCALE, num_frames=CHECKED_FRAMES).sample,
            vision=self.pipe.image_encoder(x["tower"]).image_embeds[:, None],
        )
        vae.to(torch.float32)  # as the pipeline does
        made |= convert_to_arrays(encoder=vae.encode(inputs["picture"].to(self.device)).latent_dist.mode())
        vae.to(self.dtype)
        return made

    def make_clip(self) -> Stages:
        """See `Side`."""
        o, stages, still = self.order, Stages(self.memory), make_picture(self.order)
        prepare = type(self.pipe).prepare_latents

        def begin_sampling(*positional: Any, **named: Any) -> Tensor:
            stages.begin("sample")
            return prepare(self.pipe, *positional, **named)

        def end_step(pipe: Any, step: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            stages.tick()
            if step == o.steps - 1:
                stages.begin("decode")
            return tensors

        self.pipe.prepare_latents = begin_sampling
        stages.begin("encode")
        self.pipe(
            still,
            height=o.height,
            width=o.width,
            num_frames=o.frames,
            num_inference_steps=o.steps,
            min_guidance_scale=MIN_GUIDANCE,
            max_guidance_scale=MAX_GUIDANCE,
            fps=FPS,
            motion_bucket_id=MOTION,
            noise_aug_strength=AUGMENTATION,
            decode_chunk_size=o.decode_chunk or None,
            generator=torch.Generator().manual_seed(0),
            callback_on_step_end=end_step,
        )
        stages.end()
        return stages


def _build_pipeline(parts: Mapping[str, Any]) -> Any:
    """With the scheduler's settings of the released folder."""
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        sigma_min=0.002,
        sigma_max=700.0,
        steps_offset=1,
        timestep_spacing="leading",
        timestep_type="continuous",
        use_karras_sigmas=True,
    )
    pipe = StableVideoDiffusionPipeline(**parts, scheduler=scheduler, feature_extractor=CLIPImageProcessor())
    pipe.set_progress_bar_config(disable=True)
    return pipe
