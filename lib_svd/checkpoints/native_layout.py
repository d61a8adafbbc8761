"""The released files' layout: which key belongs to which network, and which belong to none.

`split` sorts every key of a file into one of four networks, known to be unused, or left over. `UNUSED` is the whole
list of what released and re-saved files carry and no clip needs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

from lib_svd.checkpoints.diffusers_layout import UNET, VISION
from lib_svd.ports import Part

PARTS: tuple[Part, ...] = get_args(Part)


class Unused(NamedTuple):
    """Keys in known files that are not needed, and why."""

    pattern: str
    why: str


UNUSED = (
    Unused(
        r"model\.diffusion_model\..+\.(transformer_blocks|time_stack)\.\d+\.(norm2\.(weight|bias)|attn2\.to_[qk]\.weight)",
        "dead: the context is one token, so the softmax over it is 1 whatever the query",
    ),
    Unused(r"conditioner\.embedders\.0\.open_clip\.model\.(?!visual\.).+", "text tower of CLIP; SVD takes no text"),
    Unused(r"model_ema\..+", "second copy of the UNet, kept by training"),
    Unused(
        r"(denoiser|edm_vpred|edm_mean|edm_std|v_pred|ztsnr|logvar)(\..+)?", "noise schedule, known from the family"
    ),
    Unused(r"first_stage_model\.(loss|model_ema|decay|num_updates)(\..+)?", "left over from training the VAE"),
)
"""Matched against the full key. One more: the VAE halves that `split` finds a second time in a file."""

_UNUSED = re.compile("|".join(f"(?:{row.pattern})" for row in UNUSED))
_VAE = re.compile(
    r"(?P<home>conditioner\.embedders\.\d+\.encoder\.|first_stage_model\.)"
    r"(?P<rest>(?P<module>encoder|quant_conv|decoder|post_quant_conv)\..+)"
)
_HALVES: dict[str, Part] = {
    "encoder": "encoder",
    "quant_conv": "encoder",
    "decoder": "decoder",
    "post_quant_conv": "decoder",
}


@dataclass
class Split:
    """Keys of a file by network: name in the network to key in the file."""

    parts: dict[Part, dict[str, str]] = field(default_factory=lambda: {part: {} for part in PARTS})
    unused: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


def split(keys: Collection[str]) -> Split:
    """Sort the keys of a native file; each goes to exactly one place."""
    homes = _find_homes(keys)
    found = Split()
    for key in keys:
        if _UNUSED.fullmatch(key):
            found.unused.append(key)
        elif key.startswith(UNET):
            found.parts["unet"][key.removeprefix(UNET)] = key
        elif key.startswith(VISION):
            found.parts["vision"][key.removeprefix(VISION)] = key
        elif (match := _VAE.fullmatch(key)) is not None:
            part = _HALVES[match["module"]]
            if match["home"] == homes[part]:
                found.parts[part][match["rest"]] = key
            else:
                found.unused.append(key)
        else:
            found.extra.append(key)
    return found


def _find_homes(keys: Collection[str]) -> dict[Part, str]:
    """Say where each half of the VAE is taken from.

    The encoder that made the training's start latents is the conditioner's; ComfyUI saves without it, and for SV3D
    without first_stage_model. The decoder is the other way round.
    """
    present = {(match["home"], match["module"]) for match in _match_vae_keys(keys)}
    conditioner = sorted(home for home, _ in present if home.startswith("conditioner"))
    order = {"encoder": [*conditioner, "first_stage_model."], "decoder": ["first_stage_model.", *conditioner]}
    return {
        part: next((home for home in order[part] if (home, part) in present), "") for part in ("encoder", "decoder")
    }


def _match_vae_keys(keys: Collection[str]) -> Iterator[re.Match[str]]:
    return filter(None, map(_VAE.fullmatch, keys))
