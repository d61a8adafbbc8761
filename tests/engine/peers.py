"""diffusers' own SVD with narrow random networks, and ours loaded from the folder that diffusers saves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lib_svd.checkpoints import load, recognise
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower
from lib_svd.hosts.standalone import make_standalone_host

CONTEXT, HEAD = 96, 64
REFERENCE_RES_EPS = 1e-5  # diffusers has 1e-6 in most residual blocks of the UNet; Stability's code has this in all


@dataclass(frozen=True)
class Peers:
    """The same weights twice. diffusers' modules are typed loosely: it is imported by the tests alone."""

    unet: Any
    vae: Any
    image_encoder: Any
    ours_unet: UNet
    ours_encoder: VaeEncoder
    ours_decoder: VaeDecoder
    ours_vision: VisionTower


def build_peers(folder: Path) -> Peers:
    """Build, save, load; fp32 on the CPU."""
    torch.manual_seed(0)
    unet, vae, image_encoder = _build_unet(), _build_vae(), _build_image_encoder()
    for name, network in (("unet", unet), ("vae", vae), ("image_encoder", image_encoder)):
        _stir(network)
        network.save_pretrained(folder / name)
    _set_as_stability(unet)
    svd = load(recognise(folder), make_standalone_host("cpu", "float32"))
    with (
        svd.unet.bring_to_gpu(0) as ours_unet,
        svd.encoder.bring_to_gpu(0) as ours_encoder,
        svd.decoder.bring_to_gpu(0) as ours_decoder,
        svd.vision.bring_to_gpu(0) as ours_vision,
    ):
        return Peers(unet, vae, image_encoder, ours_unet, ours_encoder, ours_decoder, ours_vision)


def _build_unet() -> nn.Module:
    from diffusers import UNetSpatioTemporalConditionModel

    channels = (64, 64, 128)
    return UNetSpatioTemporalConditionModel(
        block_out_channels=channels,
        num_attention_heads=tuple(width // HEAD for width in channels),
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * 2 + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * 2,
        cross_attention_dim=CONTEXT,
    ).eval()


def _build_vae() -> nn.Module:
    from diffusers import AutoencoderKLTemporalDecoder

    return AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64, 64), down_block_types=("DownEncoderBlock2D",) * 3, layers_per_block=2
    ).eval()


def _build_image_encoder() -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=160,
        intermediate_size=320,
        num_hidden_layers=3,
        num_attention_heads=2,
        patch_size=14,
        image_size=56,
        projection_dim=CONTEXT,
        hidden_act="gelu",
    )
    return CLIPVisionModelWithProjection(config).eval()


def _stir(network: nn.Module) -> None:
    """Move norms, biases and mixing factors away from the 0, 1 and 0.5 that would hide a wrong map."""
    for weight in network.parameters():
        weight.requires_grad_(False)
        if weight.ndim == 1:
            weight += 0.3 * torch.randn_like(weight)


def _set_as_stability(unet: nn.Module) -> None:
    from diffusers.models.resnet import SpatioTemporalResBlock

    for block in unet.modules():
        if isinstance(block, SpatioTemporalResBlock):
            for norm in block.modules():
                if isinstance(norm, nn.GroupNorm):
                    norm.eps = REFERENCE_RES_EPS
