"""Shapes of the networks. The defaults are those of the released files; checkpoints/ reads them off a file."""

from __future__ import annotations

from dataclasses import dataclass

LATENT_SCALE = 0.18215  # multiplies latents on their way into the UNet (first-stage scale of latent diffusion)
UNET_HEAD_WIDTH = 64  # channels of one attention head; cannot be read from shapes
VISION_HEAD_WIDTH = 80
RIFE_REACH = 48  # rows around a band that reach into it: 8 residuals at a quarter of the size and the way there take 43


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Sizes of the UNet, whose keys begin with `model.diffusion_model.`."""

    in_channels: int = 8  # noisy latent and start latent, concatenated
    out_channels: int = 4
    channels: tuple[int, ...] = (320, 640, 1280, 1280)  # one entry a level, full resolution first
    num_res_blocks: int = 2  # a level on the way down; one more on the way up
    attention: tuple[bool, ...] = (True, True, True, False)  # levels with transformers
    emb_dim: int = 1280  # width of the noise level and vector embedding
    context_dim: int = 1024  # width of the image embedding
    vector_dim: int = 768  # 256 a number of the conditioning vector


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes of the VAE encoder, whose keys begin with `conditioner.embedders.3.encoder.{encoder,quant_conv}`."""

    channels: tuple[int, ...] = (128, 256, 512, 512)  # one entry a level, full resolution first
    num_res_blocks: int = 2
    z_channels: int = 4

    @property
    def downsampling(self) -> int:
        """Pixels of the picture along one side of a latent pixel."""
        return int(2 ** (len(self.channels) - 1))


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Sizes of the VAE decoder, whose keys begin with `first_stage_model.{decoder,post_quant_conv}`."""

    channels: tuple[int, ...] = (128, 256, 512, 512)  # one entry a level, full resolution first
    num_res_blocks: int = 3
    z_channels: int = 4
    temporal: bool = True  # False: the plain image decoder
    post_quant_conv: bool = False


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """Sizes of the image tower, whose keys begin with `conditioner.embedders.0.open_clip.model.visual.` (OpenCLIP
    ViT-H/14).
    """

    width: int = 1280
    num_layers: int = 32
    mlp_width: int = 5120
    patch_size: int = 14
    image_size: int = 224
    embed_dim: int = 1024


@dataclass(frozen=True, kw_only=True)
class NetworkConfigs:
    """Sizes of the four networks of one checkpoint."""

    unet: UNetConfig
    encoder: EncoderConfig
    decoder: DecoderConfig
    vision: VisionConfig

    @property
    def size_grid(self) -> int:
        """Width and height of a clip are multiples of this many pixels."""
        return self.encoder.downsampling * int(2 ** (len(self.unet.channels) - 1))


@dataclass(frozen=True, kw_only=True)
class RifeConfig:
    """RIFE, which makes frames between frames; its blocks from the coarsest to the finest."""

    head: int = 4  # channels of what is compared of a frame
    widths: tuple[int, ...] = (192, 128, 96, 64, 32)
    scales: tuple[int, ...] = (16, 8, 4, 2, 1)  # pixels a side of what is a pixel to a block; no shape tells

    @property
    def grid(self) -> int:
        """Sides of a frame are multiples of so many pixels."""
        return 4 * max(self.scales)
