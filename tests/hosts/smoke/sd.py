"""SD1.5 checkpoints of random weights for a web UI: the text encoder and VAE of that family, a UNet of two levels."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.networks import Shape
from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig
from lib_svd.testing import NARROW, draw_tensor

WIDTH, CONTEXT = 320, 768  # by these web UIs know the family
CONFIGS = NetworkConfigs(
    unet=UNetConfig(
        in_channels=4, channels=(WIDTH, WIDTH), num_res_blocks=1, attention=(True, True), context_dim=CONTEXT
    ),
    encoder=EncoderConfig(),
    decoder=DecoderConfig(temporal=False, post_quant_conv=True),
    vision=NARROW.vision,
)
TEMPORAL = ("time_stack", "time_mixer", "time_pos_embed", "label_emb")
LAYERS, WORDS, PLACES = 12, 49408, 77
TEXT = "cond_stage_model.transformer.text_model."
A1111 = {
    "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
    "params": {
        **{"linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "num_timesteps_cond": 1},
        **{"first_stage_key": "jpg", "cond_stage_key": "txt", "conditioning_key": "crossattn"},
        **{"image_size": 64, "channels": 4, "scale_factor": 0.18215, "use_ema": False, "cond_stage_trainable": False},
        "unet_config": {
            "target": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
            "params": {
                **{"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": WIDTH, "num_heads": 8},
                **{"channel_mult": [1, 1], "num_res_blocks": 1, "attention_resolutions": [1, 2]},
                **{"use_spatial_transformer": True, "context_dim": CONTEXT, "use_checkpoint": False, "legacy": False},
            },
        },
        "first_stage_config": {
            "target": "ldm.models.autoencoder.AutoencoderKL",
            "params": {
                "embed_dim": 4,
                "ddconfig": {
                    **{"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128},
                    **{"ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0},
                },
                "lossconfig": {"target": "torch.nn.Identity"},
            },
        },
        "cond_stage_config": {"target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder"},
    },
}
"""What A1111 reads beside a checkpoint whose UNet is not the usual one; the others read its keys."""


def write_sd_checkpoints(folder: Path) -> list[str]:
    """Two, of other weights each; their names."""
    folder.mkdir(parents=True)
    names = ["smoke_a", "smoke_b"]
    for seed, name in enumerate(names):
        save_file(_make_tensors(seed), folder / f"{name}.safetensors")
        (folder / f"{name}.yaml").write_text(json.dumps({"model": A1111}))
    return names


def _make_tensors(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: draw_tensor(name, shape, generator).half() for name, shape in _list_shapes().items()}
    return tensors | {f"{TEXT}embeddings.position_ids": torch.arange(PLACES)[None]}


def _list_shapes() -> dict[str, Shape]:
    unet, encoder, decoder = (networks.list_shapes(part, CONFIGS) for part in ("unet", "encoder", "decoder"))
    found = {f"first_stage_model.{name}": shape for name, shape in (encoder | decoder).items()} | _list_text_shapes()
    for name, shape in unet.items():
        if not any(word in name for word in TEMPORAL):
            found |= {f"model.diffusion_model.{each}": size for each, size in _list_image_shapes(name, shape).items()}
    return found


def _list_image_shapes(name: str, shape: Shape) -> dict[str, Shape]:
    """A weight of a frame's UNet as SD1.5 has it: 1x1 convolutions, and attention to more than one word."""
    if name.endswith((".proj_in.weight", ".proj_out.weight")):
        return {name: (*shape, 1, 1)}
    if not name.endswith(".attn2.to_v.weight"):
        return {name: shape}
    attention, block, width = name[: -len("to_v.weight")], name[: -len("attn2.to_v.weight")], (shape[0],)
    query = {f"{attention}to_q.weight": width * 2, f"{attention}to_k.weight": shape, name: shape}
    return query | {f"{block}norm2.weight": width, f"{block}norm2.bias": width}


def _list_text_shapes() -> dict[str, Shape]:
    """CLIP ViT-L/14's text encoder."""
    wide, square = (CONTEXT,), (CONTEXT, CONTEXT)
    linear = {f"self_attn.{letter}_proj": square for letter in ("q", "k", "v", "out")}
    linear |= {"mlp.fc1": (4 * CONTEXT, CONTEXT), "mlp.fc2": (CONTEXT, 4 * CONTEXT)}
    linear |= {"layer_norm1": wide, "layer_norm2": wide}
    found: dict[str, Shape] = {
        "embeddings.token_embedding.weight": (WORDS, CONTEXT),
        "embeddings.position_embedding.weight": (PLACES, CONTEXT),
        "final_layer_norm.weight": wide,
        "final_layer_norm.bias": wide,
    }
    for layer in range(LAYERS):
        for name, shape in linear.items():
            found[f"encoder.layers.{layer}.{name}.weight"] = shape
            found[f"encoder.layers.{layer}.{name}.bias"] = shape[:1]
    return {TEXT + name: shape for name, shape in found.items()}
