"""LoRAs of random numbers for a narrow UNet (`testing.NARROW`), in each layout that is in the wild."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from lib_svd.checkpoints import networks
from lib_svd.testing import NARROW

RANK, ALPHA = 4, 3.0
DEAD = "output_blocks.1.1.time_stack.0.attn2.to_k"

LAYERS = {
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.0.spatial_res_block.conv1": "input_blocks.1.0.in_layers.2",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0.spatial_res_block.time_emb_proj": "input_blocks.3.0.emb_layers.1",
    "down_blocks.1.resnets.0.temporal_res_block.conv2": "input_blocks.3.0.time_stack.out_layers.3",
    "down_blocks.1.attentions.0.proj_in": "input_blocks.3.1.proj_in",
    "down_blocks.1.attentions.0.time_pos_embed.linear_1": "input_blocks.3.1.time_pos_embed.0",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q": "input_blocks.3.1.transformer_blocks.0.attn1.to_q",
    "down_blocks.1.attentions.0.temporal_transformer_blocks.0.attn1.to_v": "input_blocks.3.1.time_stack.0.attn1.to_v",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0": "middle_block.1.transformer_blocks.0.attn2.to_out.0",
    "mid_block.attentions.0.temporal_transformer_blocks.0.ff_in.net.0.proj": (
        "middle_block.1.time_stack.0.ff_in.net.0.proj"
    ),
    "up_blocks.0.attentions.1.temporal_transformer_blocks.0.attn2.to_k": DEAD,
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
    "up_blocks.1.resnets.1.spatial_res_block.conv_shortcut": "output_blocks.3.0.skip_connection",
    "conv_out": "out.2",
}
"""Layers as diffusers calls them, and as Stability's files do; told by hand."""

Numbers = Mapping[str, tuple[Tensor, Tensor]]  # up and down by Stability's name
Spell = Callable[[str, str, str], str]  # from diffusers' name, Stability's, and "up" or "down" to a key


def _spell_processor(theirs: str, ours: str, role: str) -> str:
    block, _, layer = theirs.rpartition(".attn")
    if not block:
        return f"{theirs}.lora.{role}.weight"
    number, _, name = layer.partition(".")
    return f"{block}.attn{number}.processor.{name.removesuffix('.0')}_lora.{role}.weight"


def _spell_kohya(name: str, role: str) -> str:
    return f"lora_unet_{name.replace('.', '_')}.lora_{role}.weight"


LETTERS = {"up": "B", "down": "A"}
LAYOUTS: dict[str, Spell] = {
    "diffusers": lambda theirs, ours, role: f"unet.{theirs}.lora.{role}.weight",
    "diffusers, by letters": lambda theirs, ours, role: f"unet.{theirs}.lora_{LETTERS[role]}.weight",
    "diffusers, UNet alone": lambda theirs, ours, role: f"{theirs}.lora_{LETTERS[role]}.default.weight",
    "processor": _spell_processor,
    "peft": lambda theirs, ours, role: f"base_model.model.{theirs}.lora_{LETTERS[role]}.weight",
    "kohya": lambda theirs, ours, role: _spell_kohya(theirs, role),
    "kohya, native": lambda theirs, ours, role: _spell_kohya(ours, role),
    "native": lambda theirs, ours, role: f"diffusion_model.{ours}.lora_{LETTERS[role]}.weight",
}


def find_shape(ours: str) -> tuple[int, ...]:
    """The shape of a layer's weight, as files have it: convolutions over time with five axes."""
    shape = (128, 64) if ours == DEAD else networks.list_shapes("unet", NARROW)[f"{ours}.weight"]
    return (*shape, 1) if shape[2:] == (3, 1) else shape


def draw_numbers(seed: int = 0, size: float = 0.3) -> Numbers:
    """Draw what a LoRA adds to each of LAYERS, in float16 as files have it."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return (size * torch.randn(shape, generator=generator)).half()

    shapes = {ours: find_shape(ours) for ours in LAYERS.values()}
    ones = {ours: (1,) * (len(shape) - 2) for ours, shape in shapes.items()}
    return {o: (draw(shape[0], RANK, *ones[o]), draw(RANK, *shape[1:])) for o, shape in shapes.items()}


def add_up(numbers: Numbers, ours: str) -> Tensor:
    """What a LoRA of strength 1 adds to a weight, in float64, of the network's shape."""
    up, down = (each.double().flatten(1) for each in numbers[ours])
    return (up @ down * (ALPHA / RANK)).view(networks.list_shapes("unet", NARROW)[f"{ours}.weight"])


def write_lora(path: Path, layout: str = "kohya", numbers: Numbers | None = None) -> Path:
    """Write a LoRA of alpha ALPHA, said where the layout says it."""
    numbers, spell = draw_numbers() if numbers is None else numbers, LAYOUTS[layout]
    theirs = {ours: name for name, ours in LAYERS.items()}
    tensors = {}
    for ours, (up, down) in numbers.items():
        tensors |= {spell(theirs[ours], ours, "up"): up, spell(theirs[ours], ours, "down"): down}
        if layout.startswith("kohya"):
            key = spell(theirs[ours], ours, "up").partition(".")[0]
            tensors[f"{key}.alpha"] = torch.tensor(ALPHA)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"lora_adapter_metadata": json.dumps({"unet.r": RANK, "unet.lora_alpha": ALPHA})}
    if layout == "peft":
        path.with_name("adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": ALPHA}), "utf-8")
    save_file(tensors, path, metadata=told if layout not in ("peft", "kohya", "kohya, native") else None)
    return path
