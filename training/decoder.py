"""Last stage: the decoder's layers along time, on clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lib_svd.engine.vae import TemporalResnetBlock, VaeDecoder
from training.latents import Example
from training.loop import Plan, train
from training.scenes import Rng
from training.sheets import write_sheet
from training.vae import Vae, measure_psnr, measure_unlikeness, use_half_precision


def build_temporal_decoder(vae: Vae) -> VaeDecoder:
    """The same decoder with layers along time that change nothing yet."""
    decoder = VaeDecoder(replace(vae.decoder.config, temporal=True))
    decoder.load_state_dict(vae.decoder.state_dict(), strict=False)
    for block in decoder.modules():
        if isinstance(block, TemporalResnetBlock):
            nn.init.zeros_(block.time_stack.out_layers[-1].weight)
            nn.init.zeros_(block.time_stack.out_layers[-1].bias)
            nn.init.zeros_(block.mix_factor)
    last = decoder.decoder.conv_out.time_mix_conv
    with torch.no_grad():
        nn.init.zeros_(last.bias)
        last.weight.zero_()
        last.weight[:, :, 1, 0] = torch.eye(3)
    return decoder


def train_temporal(
    decoder: VaeDecoder, clips: Sequence[Example], unseen: Sequence[Example], plan: Plan, folder: Path, seed: int
) -> VaeDecoder:
    """Train the layers along time on clips; the rest stays as it is."""
    for name, weight in decoder.named_parameters():
        weight.requires_grad = any(part in name for part in ("time_stack", "mix_factor", "time_mix_conv"))

    def compute_loss(rng: Rng, step: int) -> Mapping[str, Tensor]:
        example = clips[rng.integers(len(clips))]
        with use_half_precision():
            frames = torch.cat(list(decoder.decode_frames(example.latents, len(example.latents)))).float()
        return {"loss": measure_unlikeness(frames, example.frames.float())}

    def look(averaged: nn.Module, step: int) -> Mapping[str, float]:
        assert isinstance(averaged, VaeDecoder)
        with torch.inference_mode():
            decoded = [torch.cat(list(averaged.decode_frames(each.latents, len(each.latents)))) for each in unseen]
        rows = [row for each, frames in zip(unseen, decoded, strict=True) for row in (each.frames, frames)]
        write_sheet(rows, folder / f"decoder-{step:05d}.png")
        found = [measure_psnr(frames, each.frames.float()) for each, frames in zip(unseen, decoded, strict=True)]
        return {"held_out_psnr": round(sum(found) / len(found), 2)}

    trained = train("decoder", decoder, compute_loss, look, plan, folder, seed)
    assert isinstance(trained, VaeDecoder)
    return trained
