"""Where each tensor of the diffusers layout goes in the released files' layout. All key maps are here.

| diffusers | here |
|---|---|
| unet: `UNetSpatioTemporalConditionModel` | `model.diffusion_model.` |
| vae: `AutoencoderKLTemporalDecoder`, `AutoencoderKL` | `conditioner.embedders.3.encoder.`, `first_stage_model.` |
| image_encoder: `CLIPVisionModelWithProjection` | `conditioner.embedders.0.open_clip.model.visual.` |

Keys that no map knows are handed back as they are: the strict check after this names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

Transform = Literal["copy", "transpose", "stack", "identity"]


class Origin(NamedTuple):
    """Which tensors of a file make one native tensor. Trailing axes of length 1 are settled on loading."""

    keys: tuple[str, ...]
    transform: Transform = "copy"


UNET = "model.diffusion_model."
VISION = "conditioner.embedders.0.open_clip.model.visual."
ENCODER = "conditioner.embedders.3.encoder."
DECODER = "first_stage_model."

RESNET = {
    "spatial_res_block.norm1": "in_layers.0",
    "spatial_res_block.conv1": "in_layers.2",
    "spatial_res_block.time_emb_proj": "emb_layers.1",
    "spatial_res_block.norm2": "out_layers.0",
    "spatial_res_block.conv2": "out_layers.3",
    "spatial_res_block.conv_shortcut": "skip_connection",
    "temporal_res_block.norm1": "time_stack.in_layers.0",
    "temporal_res_block.conv1": "time_stack.in_layers.2",
    "temporal_res_block.time_emb_proj": "time_stack.emb_layers.1",
    "temporal_res_block.norm2": "time_stack.out_layers.0",
    "temporal_res_block.conv2": "time_stack.out_layers.3",
    "time_mixer": "time_mixer",
}
ATTENTION = {
    "norm": "norm",
    "proj_in": "proj_in",
    "proj_out": "proj_out",
    "transformer_blocks": "transformer_blocks",
    "temporal_transformer_blocks": "time_stack",
    "time_pos_embed.linear_1": "time_pos_embed.0",
    "time_pos_embed.linear_2": "time_pos_embed.2",
    "time_mixer": "time_mixer",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}

VAE_RESNET = {
    "norm1": "norm1",
    "conv1": "conv1",
    "norm2": "norm2",
    "conv2": "conv2",
    "conv_shortcut": "nin_shortcut",
    "spatial_res_block.norm1": "norm1",
    "spatial_res_block.conv1": "conv1",
    "spatial_res_block.norm2": "norm2",
    "spatial_res_block.conv2": "conv2",
    "spatial_res_block.conv_shortcut": "nin_shortcut",
    "temporal_res_block.norm1": "time_stack.in_layers.0",
    "temporal_res_block.conv1": "time_stack.in_layers.2",
    "temporal_res_block.norm2": "time_stack.out_layers.0",
    "temporal_res_block.conv2": "time_stack.out_layers.3",
    "time_mixer.mix_factor": "mix_factor",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
VAE_ENDS = {"conv_in": "conv_in", "conv_norm_out": "norm_out", "conv_out": "conv_out"}

VISION_ENDS = {
    "vision_model.embeddings.class_embedding": "class_embedding",
    "vision_model.embeddings.patch_embedding": "conv1",
    "vision_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.pre_layrnorm": "ln_pre",  # sic, so spelled in transformers
    "vision_model.post_layernorm": "ln_post",
}
VISION_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}

Modules = dict[str, str]  # diffusers module path: native module path


def is_unet(keys: Iterable[str]) -> bool:
    """Tell whether these are the keys of a diffusers-layout SVD UNet."""
    return any(re.match(r"down_blocks\.\d+\.resnets\.\d+\.temporal_res_block\.", key) for key in keys)


def map_unet(keys: Iterable[str]) -> dict[str, Origin]:
    """Map each native key, with its prefix, to the tensor of a diffusers UNet; levels and blocks are counted from the
    keys.
    """
    keys = list(keys)
    return {UNET + new: Origin((old,)) for old, new in rename_keys(keys, _list_unet_modules(keys))}


def map_vae(keys: Iterable[str]) -> dict[str, Origin]:
    """Map each native key to the tensor of a diffusers VAE."""
    keys = list(keys)
    modules = {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv", **_list_vae_modules(keys)}
    homes = {"encoder": ENCODER, "quant_conv": ENCODER}
    return {homes.get(new.partition(".")[0], DECODER) + new: Origin((old,)) for old, new in rename_keys(keys, modules)}


def map_vision(keys: Iterable[str], prefix: str = "") -> dict[str, Origin]:
    """Map each native key to the tensor of the image tower as transformers has it.

    Args:
        keys: of the file.
        prefix: in front of every key; ComfyUI saves this layout below the native prefix.
    """
    found = {}
    fused = r"vision_model\.encoder\.layers\.(\d+)\.self_attn\.[qkv]_proj\.(weight|bias)"
    names = [key.removeprefix(prefix) for key in keys]
    for old, new in rename_keys(names, _list_vision_modules(names)):
        match = re.fullmatch(fused, old)
        if match is not None:
            layer = f"vision_model.encoder.layers.{match[1]}.self_attn"
            parts = tuple(f"{prefix}{layer}.{part}_proj.{match[2]}" for part in "qkv")
            found[f"{VISION}transformer.resblocks.{match[1]}.attn.in_proj_{match[2]}"] = Origin(parts, "stack")
        elif old == "visual_projection.weight":
            found[VISION + "proj"] = Origin((prefix + old,), "transpose")
        elif old != "vision_model.embeddings.position_ids":  # a buffer 0, 1, 2, ... of old transformers
            found[VISION + new] = Origin((prefix + old,))
    return found


def rename_keys(keys: Iterable[str], modules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Replace the longest module path that begins each key; a key that none begins stays as it is."""
    deepest = max((module.count(".") + 1 for module in modules), default=0)
    for key in keys:
        parts = key.split(".")
        for length in range(min(len(parts), deepest), 0, -1):
            head = ".".join(parts[:length])
            if head in modules:
                yield key, ".".join([modules[head], *parts[length:]])
                break
        else:
            yield key, key


def _nest_modules(old: str, new: str, leaves: Mapping[str, str]) -> Modules:
    return {f"{old}.{a}": f"{new}.{b}" for a, b in leaves.items()}


def _count(keys: Iterable[str], pattern: str) -> int:
    """Give one more than the largest number at the pattern's group."""
    return max((int(m[1]) + 1 for m in map(re.compile(pattern).match, keys) if m), default=0)


def _list_unet_modules(keys: list[str]) -> Modules:
    levels = _count(keys, r"down_blocks\.(\d+)\.")
    blocks = _count(keys, r"down_blocks\.0\.resnets\.(\d+)\.")
    up = (f"up_blocks.{levels - 1 - level}.attentions." for level in range(levels))
    return list_unet_modules(blocks, [any(key.startswith(each) for key in keys) for each in up])


def list_unet_modules(blocks: int, attention: Sequence[bool]) -> Modules:
    """List the modules of a diffusers UNet.

    Args:
        blocks: residual blocks of a level on the way down.
        attention: which levels have transformers, full resolution first.
    """
    levels, modules = len(attention), dict(UNET_ENDS)
    modules |= _nest_modules("mid_block.resnets.0", "middle_block.0", RESNET)
    modules |= _nest_modules("mid_block.attentions.0", "middle_block.1", ATTENTION)
    modules |= _nest_modules("mid_block.resnets.1", "middle_block.2", RESNET)
    for level in range(levels):
        down = 1 + level * (blocks + 1)
        up = level * (blocks + 1)
        modules |= _list_unet_level(f"down_blocks.{level}", "input_blocks", range(down, down + blocks))
        modules |= _list_unet_level(f"up_blocks.{level}", "output_blocks", range(up, up + blocks + 1))
        modules[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{down + blocks}.0.op"
        slot = 2 if attention[levels - 1 - level] else 1
        modules[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{up + blocks}.{slot}.conv"
    return modules


def _list_unet_level(old: str, new: str, stages: Iterable[int]) -> Modules:
    modules: Modules = {}
    for j, stage in enumerate(stages):
        modules |= _nest_modules(f"{old}.resnets.{j}", f"{new}.{stage}.0", RESNET)
        modules |= _nest_modules(f"{old}.attentions.{j}", f"{new}.{stage}.1", ATTENTION)
    return modules


def _list_vae_modules(keys: list[str]) -> Modules:
    modules: Modules = {"decoder.time_conv_out": "decoder.conv_out.time_mix_conv"}
    for half in ("encoder", "decoder"):
        modules |= _nest_modules(half, half, VAE_ENDS)
        modules |= _nest_modules(f"{half}.mid_block.resnets.0", f"{half}.mid.block_1", VAE_RESNET)
        modules |= _nest_modules(f"{half}.mid_block.resnets.1", f"{half}.mid.block_2", VAE_RESNET)
        modules |= _nest_modules(f"{half}.mid_block.attentions.0", f"{half}.mid.attn_1", VAE_ATTENTION)
    levels = _count(keys, r"encoder\.down_blocks\.(\d+)\.")
    for i in range(levels):
        down, up = f"encoder.down.{i}", f"decoder.up.{levels - 1 - i}"  # native counts up from the full resolution
        modules[f"encoder.down_blocks.{i}.downsamplers.0.conv"] = f"{down}.downsample.conv"
        modules[f"decoder.up_blocks.{i}.upsamplers.0.conv"] = f"{up}.upsample.conv"
        for j in range(_count(keys, rf"(?:en|de)coder\.(?:down|up)_blocks\.{i}\.resnets\.(\d+)\.")):
            modules |= _nest_modules(f"encoder.down_blocks.{i}.resnets.{j}", f"{down}.block.{j}", VAE_RESNET)
            modules |= _nest_modules(f"decoder.up_blocks.{i}.resnets.{j}", f"{up}.block.{j}", VAE_RESNET)
    return modules


def _list_vision_modules(keys: list[str]) -> Modules:
    modules = dict(VISION_ENDS)
    for i in range(_count(keys, r"vision_model\.encoder\.layers\.(\d+)\.")):
        modules |= _nest_modules(f"vision_model.encoder.layers.{i}", f"transformer.resblocks.{i}", VISION_LAYER)
    return modules
