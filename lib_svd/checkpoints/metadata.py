"""What a checkpoint may say of itself in its safetensors metadata, so that narrow and tuned models describe themselves.

| key | what it overrides |
|---|---|
| `svd.family` | which row of `FAMILIES` is the base; the user's --variant goes before it |
| `svd.title` `svd.licence` `svd.commercial_use` | texts |
| `svd.num_frames` `svd.fps` `svd.motion_bucket_id` `svd.num_steps` | whole numbers in the range of that setting |
| `svd.lowest_motion` `svd.highest_motion` | the motion that it was trained on; sliders end there |
| `svd.width` `svd.height` | native size in pixels, multiples of the model's size grid |
| `svd.min_guidance` `svd.max_guidance` `svd.noise_aug_strength` | numbers |
| `svd.latent_rgb` | for previews, RGB of each of four latent channels: twelve numbers, spaces between |
| `svd.guidance_ramp` `svd.sampler` `svd.schedule` | names as in a request |
| `svd.background` | the colour behind what is transparent, `#rrggbb` |

All values are text, as safetensors has it. Two keys of others help where the file's name tells no family:
`modelspec.title`, and `modelspec.architecture` = stable-video-diffusion-img2vid-v1 (both ComfyUI's; the latter does not
tell svd from svd_xt). `diffusers.num_frames` is made here from a folder's config.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lib_svd.checkpoints.families import FAMILIES, Family
from lib_svd.checkpoints.header import explain_refusal
from lib_svd.errors import BadRequest
from lib_svd.settings import SETTINGS
from lib_svd.strangers import quote

PREFIX = "svd."
FAMILY = "svd.family"
TEXTS = ("title", "licence", "commercial_use")
OVERRIDDEN = {name: setting for name, setting in SETTINGS.items() if setting.is_open}
OVERRIDDEN |= dict.fromkeys(("lowest_motion", "highest_motion"), SETTINGS["motion_bucket_id"])
ADVICE = "correct the metadata or take it out"


def read_family_name(path: Path, metadata: Mapping[str, str]) -> str | None:
    """Read which family a file names, if it names one.

    Raises:
        BadCheckpoint: there is no such family.
    """
    name = metadata.get(FAMILY)
    if name is not None and name not in FAMILIES:
        raise explain_refusal(
            path, f"has svd.family {quote(name)} in its metadata, none of {', '.join(FAMILIES)}", ADVICE
        )
    return name


def apply_metadata(family: Family, path: Path, metadata: Mapping[str, str]) -> tuple[Family, tuple[str, ...]]:
    """Put what the file says in the family's place, and note keys that are not understood.

    Raises:
        BadCheckpoint: a value cannot be read or is out of range.
    """
    changes: dict[str, Any] = {}
    notes = []
    for key, text in metadata.items():
        name = key.removeprefix(PREFIX)
        if not key.startswith(PREFIX) or key == FAMILY:
            continue
        if name in TEXTS:
            changes[name] = text
        elif name in OVERRIDDEN:
            changes[name] = _read_setting(path, name, text)
        elif name == "latent_rgb":
            changes[name] = _read_latent_rgb(path, text)
        else:
            notes.append(f"{path.name} has {key} in its metadata, which means nothing here.")
    family = replace(family, **changes)
    if family.min_guidance > family.max_guidance:
        what = f"has guidance that falls from {family.min_guidance:g} to {family.max_guidance:g} in its metadata"
        raise explain_refusal(path, what, ADVICE)
    if not family.lowest_motion <= family.motion_bucket_id <= family.highest_motion:
        reach = f"{family.lowest_motion} to {family.highest_motion}"
        raise explain_refusal(
            path, f"has motion {family.motion_bucket_id} outside its range of {reach} in its metadata", ADVICE
        )
    return family, tuple(notes)


def _read_setting(path: Path, name: str, text: str) -> Any:
    setting = OVERRIDDEN[name]
    try:
        return setting.check(setting.read(text))
    except BadRequest as error:
        reason = str(error).rstrip(".")
        raise explain_refusal(path, f"has svd.{name} {quote(text)} in its metadata ({reason})", ADVICE) from None


def _read_latent_rgb(path: Path, text: str) -> tuple[tuple[float, ...], ...]:
    try:
        numbers = [float(number) for number in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 12 or not all(map(math.isfinite, numbers)):
        raise explain_refusal(
            path, f"has svd.latent_rgb {quote(text)} in its metadata, which is not twelve numbers", ADVICE
        )
    return tuple(tuple(numbers[i : i + 3]) for i in range(0, 12, 3))
