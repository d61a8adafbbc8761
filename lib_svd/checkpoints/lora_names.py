"""How LoRA files call the layers of SVD's UNet, and the tensors that they hold for each.

| layout | a key |
|---|---|
| diffusers | `unet.down_blocks.0.….attn1.to_q.lora.down.weight`, or `.lora_A.weight`, with `unet.` or without |
| diffusers before peft | `….attn1.processor.to_q_lora.down.weight` |
| peft | `base_model.model.down_blocks.0.….attn1.to_q.lora_A.weight` |
| kohya | `lora_unet_down_blocks_0_…_attn1_to_q.lora_down.weight`, `.lora_up.weight`, `.alpha` |
| native | any of these with `input_blocks.1.1.…`, as Stability's files call the layers |

docs/control.md says where these were read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.diffusers_layout import list_unet_modules, rename_keys
from lib_svd.engine.config import NetworkConfigs

Role = Literal["up", "down", "alpha"]
Shape = tuple[int, ...]
_ROLES: dict[str, Role] = {"up": "up", "B": "up", "down": "down", "A": "down"}
_PREFIX = re.compile(r"(?:lora_unet_|unet\.|base_model\.model\.|(?:model\.)?diffusion_model\.)*")
_TENSOR = re.compile(r"(?P<layer>.+?)(?:[._]lora[._](?P<role>up|down|A|B)(?:\.\w+)?\.weight|\.alpha)")


class Named(NamedTuple):
    """What a key says: which layer, as the file spells it, and which of its tensors."""

    layer: str
    role: Role


def read_key(key: str) -> Named | None:
    """Read a key of a LoRA file; None: it is in none of the layouts."""
    found = _TENSOR.fullmatch(_PREFIX.sub("", key, count=1))
    if found is None:
        return None
    layer = re.sub(r"\.processor\.", ".", found["layer"])
    layer = re.sub(r"([._])to_out$", r"\1to_out\g<1>0", layer)
    return Named(layer, _ROLES[found["role"]] if found["role"] else "alpha")


def name_layout(key: str) -> str:
    """Name the layout of a key that `read_key` reads."""
    if key.startswith("lora_unet_"):
        return "kohya"
    if key.startswith("base_model.model."):
        return "peft"
    return "native" if re.search(r"(^|\.)(in|out)put_blocks\.|(^|\.)middle_block\.", key) else "diffusers"


@lru_cache(maxsize=8)
def list_layers(configs: NetworkConfigs) -> dict[str, Shape]:
    """List the weights that a LoRA may add to, by name; not to be changed.

    Among them are those that the UNet here does without, since the context is one token (see `native_layout.UNUSED`):
    trainers know nothing of that.
    """
    weights = {name: shape for name, shape in networks.list_shapes("unet", configs).items() if len(shape) > 1}
    dead: dict[str, Shape] = {}
    for name, (channels, context) in ((n, s) for n, s in weights.items() if n.endswith(".attn2.to_v.weight")):
        block = name.removesuffix("to_v.weight")
        dead |= {f"{block}to_q.weight": (channels, channels), f"{block}to_k.weight": (channels, context)}
    return weights | dead


@lru_cache(maxsize=8)
def list_spellings(configs: NetworkConfigs) -> Mapping[str, str]:
    """Map every way in which a file may call a layer to the name of its weight; not to be changed."""
    modules = list_unet_modules(configs.unet.num_res_blocks, configs.unet.attention)
    weights = list(list_layers(configs))
    ways = [(weight, weight) for weight in weights]
    ways += [(theirs, ours) for ours, theirs in rename_keys(weights, {new: old for old, new in modules.items()})]
    dotted = {way.removesuffix(".weight"): weight for way, weight in ways}
    return dotted | {way.replace(".", "_"): weight for way, weight in dotted.items()}
