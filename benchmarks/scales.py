"""Sizes of the networks that are measured, from one that takes seconds to the released one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lib_svd.engine.config import (
    LATENT_SCALE,
    UNET_HEAD_WIDTH,
    VISION_HEAD_WIDTH,
    DecoderConfig,
    EncoderConfig,
    NetworkConfigs,
    UNetConfig,
    VisionConfig,
)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Widths of the four networks, and the clip that is made with them where nothing else is said."""

    unet: tuple[int, int, int, int]
    vae: tuple[int, int, int, int]
    vision: int
    vision_layers: int
    embed: int
    frames: int
    size: tuple[int, int]  # width, height
    steps: int

    @property
    def configs(self) -> NetworkConfigs:
        """For our networks."""
        return NetworkConfigs(
            unet=UNetConfig(channels=self.unet, emb_dim=4 * self.unet[0], context_dim=self.embed),
            encoder=EncoderConfig(channels=self.vae),
            decoder=DecoderConfig(channels=self.vae),
            vision=VisionConfig(
                width=self.vision, num_layers=self.vision_layers, mlp_width=4 * self.vision, embed_dim=self.embed
            ),
        )

    @property
    def diffusers_unet(self) -> dict[str, Any]:
        """Settings of UNetSpatioTemporalConditionModel; its other defaults are SVD's."""
        return {
            "block_out_channels": self.unet,
            "num_attention_heads": tuple(max(1, width // UNET_HEAD_WIDTH) for width in self.unet),
            "cross_attention_dim": self.embed,
            "num_frames": self.frames,
        }

    @property
    def diffusers_vae(self) -> dict[str, Any]:
        """Settings of AutoencoderKLTemporalDecoder."""
        return {
            "block_out_channels": self.vae,
            "down_block_types": ("DownEncoderBlock2D",) * len(self.vae),
            "layers_per_block": 2,
            "latent_channels": 4,
            "scaling_factor": LATENT_SCALE,
            "force_upcast": True,
        }

    @property
    def transformers_vision(self) -> dict[str, Any]:
        """Settings of CLIPVisionConfig."""
        return {
            "hidden_size": self.vision,
            "intermediate_size": 4 * self.vision,
            "num_hidden_layers": self.vision_layers,
            "num_attention_heads": self.vision // VISION_HEAD_WIDTH,
            "projection_dim": self.embed,
            "image_size": 224,
            "patch_size": 14,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
        }


SCALES = {
    "tiny": Scale(
        unet=(64, 128, 256, 256),
        vae=(32, 64, 128, 128),
        vision=160,
        vision_layers=2,
        embed=96,
        frames=6,
        size=(192, 128),
        steps=2,
    ),
    # Half of every released width, and of each side of the picture on our grid of 64 pixels. The first level of the
    # UNet is 192, not 160: attention heads are 64 wide in every SVD.
    "half": Scale(
        unet=(192, 320, 640, 640),
        vae=(64, 128, 256, 256),
        vision=640,
        vision_layers=32,
        embed=512,
        frames=14,
        size=(448, 256),
        steps=1,
    ),
    "full": Scale(
        unet=(320, 640, 1280, 1280),
        vae=(128, 256, 512, 512),
        vision=1280,
        vision_layers=32,
        embed=1024,
        frames=25,
        size=(1024, 576),
        steps=25,
    ),
}
