"""Sizes of the four networks, read from their weights: nothing about a level or a block is taken for granted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from lib_svd.engine.config import DecoderConfig, EncoderConfig, UNetConfig, VisionConfig

Shapes = Mapping[str, tuple[int, ...]]
"""Key in the network to shape. A key that must be there and is not raises KeyError with its name."""


def read_unet_config(shapes: Shapes) -> UNetConfig:
    """Walk the stages on the way down: a stage with `op` ends a level, any other holds one block."""
    levels: list[list[int]] = [[]]  # the stages of each level
    for stage in range(1, count(shapes, r"input_blocks\.(\d+)\.")):
        if f"input_blocks.{stage}.0.op.weight" in shapes:
            levels.append([])
        else:
            levels[-1].append(stage)
    first = [level[0] for level in levels if level] or [1]  # stage 1 must be there
    return UNetConfig(
        in_channels=shapes["input_blocks.0.0.weight"][1],
        out_channels=shapes["out.2.weight"][0],
        channels=tuple(shapes[f"input_blocks.{stage}.0.out_layers.3.weight"][0] for stage in first),
        num_res_blocks=len(levels[0]),
        attention=tuple(f"input_blocks.{stage}.1.proj_in.weight" in shapes for stage in first),
        emb_dim=shapes["time_embed.0.weight"][0],
        context_dim=shapes["middle_block.1.transformer_blocks.0.attn2.to_v.weight"][1],
        vector_dim=shapes["label_emb.0.0.weight"][1],
    )


def read_encoder_config(shapes: Shapes) -> EncoderConfig:
    """Read the sizes of a VAE encoder off its weights; `quant_conv` may be absent."""
    levels = range(max(1, count(shapes, r"encoder\.down\.(\d+)\.")))
    return EncoderConfig(
        channels=tuple(shapes[f"encoder.down.{level}.block.0.conv1.weight"][0] for level in levels),
        num_res_blocks=count(shapes, r"encoder\.down\.0\.block\.(\d+)\."),
        z_channels=shapes["encoder.conv_out.weight"][0] // 2,
    )


def read_decoder_config(shapes: Shapes) -> DecoderConfig:
    """Read the sizes of a VAE decoder off its weights, be it temporal or plain."""
    levels = range(max(1, count(shapes, r"decoder\.up\.(\d+)\.")))
    return DecoderConfig(
        channels=tuple(shapes[f"decoder.up.{level}.block.0.conv1.weight"][0] for level in levels),
        num_res_blocks=count(shapes, r"decoder\.up\.0\.block\.(\d+)\."),
        z_channels=shapes["decoder.conv_in.weight"][1],
        temporal="decoder.mid.block_1.mix_factor" in shapes,
        post_quant_conv="post_quant_conv.weight" in shapes,
    )


def read_vision_config(shapes: Shapes) -> VisionConfig:
    """Read the sizes of an image tower off its weights."""
    width, _, patch, _ = shapes["conv1.weight"]
    side = math.isqrt(max(shapes["positional_embedding"][0] - 1, 1))
    return VisionConfig(
        width=width,
        num_layers=count(shapes, r"transformer\.resblocks\.(\d+)\."),
        mlp_width=shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        patch_size=patch,
        image_size=side * patch,
        embed_dim=shapes["proj"][1],
    )


def count(keys: Shapes, pattern: str) -> int:
    """Count the numbers 0, 1, 2, ... that stand at the pattern's group, up to the first gap."""
    found = {int(match[1]) for match in map(re.compile(pattern).match, keys) if match}
    return next(n for n in range(len(found) + 1) if n not in found)
