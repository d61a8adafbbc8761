"""Models that are not SVD, by their keys: what each is, and what to use instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lib_svd.checkpoints.header import USE_SVD, explain_refusal

MOTION = (".time_stack.", ".temporal_res_block.", ".temporal_transformer_blocks.")
"""One is in a key of every UNet that this project can run, native or diffusers layout."""
TEMPORAL = "|".join(map(re.escape, MOTION))
UNET_OR_CLIP = TEMPORAL + r"|vision_model\."


class Signature(NamedTuple):
    """A kind of file: a key that has `pattern` and no key that has `without` gives it away."""

    pattern: str
    what: str
    use: str = USE_SVD
    without: str = r"(?!)"  # never matches


COMPLETE = "use a complete SVD checkpoint such as svd_xt.safetensors"
ADDED = f"{COMPLETE}, and name the LoRA as such if it was trained on SVD"
SCALED = "use a file whose weights are stored as they are: fp32, fp16, bf16 or plain fp8"
IMAGES = "makes still pictures"
DEPTH = 3  # folders and file, whose names may tell: a diffusers folder has its UNet in one of its own
BETWEEN = "which was trained to make the frames between two pictures"

FOREIGN = (
    Signature(r"time_mix_blocks|motion_blocks", "is an SV4D model, which is not supported", "use SVD or SV3D"),
    Signature(r"lora_(up|down|A|B|a|b)\b|lora\.(up|down)\.|hada_w[12]_|lokr_w[12]", "is a LoRA", ADDED),
    Signature(r"^mask_token$", f"is Framer's UNet, {BETWEEN}, and takes a mask beside each frame"),
    Signature(
        r"\A(?s:(?=.*^(controlnet_|control_model\.)).*\.(temporal_res_block|time_stack)\.)",
        "is a ControlNet for SVD (as svd-temporal-controlnet has it), which is not supported",
    ),
    Signature(
        r"\A(?s:(?=.*^mid_convs\.\d).*^down_res\.\d)",
        "is a ControlNeXt for SVD (ControlNeXt-SVD v2), which is not supported",
    ),
    Signature(r"motion_modules\.", "is an AnimateDiff motion module, an add-on for image models"),
    Signature(r"control_model\.|controlnet_|zero_convs\.|input_hint_block\.", "is a ControlNet", COMPLETE),
    Signature(r"^(image_proj|ip_adapter)\.", "is an IP-Adapter", COMPLETE),
    Signature(r"^(emb_params|string_to_param|clip_[gl])$", "is a textual inversion embedding"),
    Signature(r"scale_weight$|\bscaled_fp8$|weight_scale$|\.absmax$|\.quant_map$|\.qweight$", "is quantised", SCALED),
    Signature(r"cc_projection\.", "is a Zero123 model, without motion", "use SV3D or SVD"),
    Signature(r"image_proj_model\.|framestride_embed|fps_embedding\.", "is a DynamiCrafter or VideoCrafter model"),
    Signature(r"temopral_conv|temporal_conv\.|temp_convs\.|temp_attentions\.", "is a text-to-video model (ModelScope)"),
    Signature(r"joint_blocks\.", f"is an SD3 checkpoint, which {IMAGES}"),
    Signature(
        r"double_blocks\.|single_transformer_blocks\.", f"is a Flux or similar model, which {IMAGES} or takes text"
    ),
    Signature(
        r"patchify_proj|patch_embedding\.|caption_projection", "is a diffusion transformer", without=UNET_OR_CLIP
    ),
    Signature(r"conditioner\.embedders\.1\.model\.", f"is an SDXL checkpoint, which {IMAGES}", without=TEMPORAL),
    Signature(r"conditioner\.embedders\.0\.transformer\.", f"is an SDXL checkpoint, which {IMAGES}", without=TEMPORAL),
    Signature(r"conditioner\.embedders\.0\.model\.", f"is an SDXL refiner, which {IMAGES}", without=TEMPORAL),
    Signature(r"cond_stage_model\.model\.", f"is an SD2 checkpoint, which {IMAGES}", without=TEMPORAL),
    Signature(r"cond_stage_model\.", f"is an SD1.5 checkpoint, which {IMAGES}", without=TEMPORAL),
    Signature(r"input_blocks\.|^down_blocks\.", f"is an image UNet, which {IMAGES}", without=TEMPORAL),
)
"""The first row that fits is what the user reads; rows with `without` describe parts that an SVD file shares."""

NAMED = (
    Signature(
        r"reverse_motion_with_attnflip",
        "is the UNet of Generative Inbetweening (svd_keyframe_interpolation), which moves backwards, and only with the "
        "attention of another pass",
    ),
)
"""Told by the name of a file or of a folder it is in: keys and shapes are SVD's own."""

PARTS = (
    Signature(
        r"^(first_stage_model\.|vae\.)?(encoder|decoder|quant_conv|post_quant_conv)\.",
        "holds a VAE and no UNet",
        COMPLETE,
    ),
    Signature(r"vision_model\.|text_model\.|resblocks\.|visual", "holds a CLIP model and no UNet", COMPLETE),
)
"""Asked when a file has no UNet at all."""


def refuse_foreign(path: Path, keys: Iterable[str]) -> None:
    """Say by name what a file is that is no SVD checkpoint, no part and no relative of one.

    Args:
        path: named in the sentence.
        keys: of the file, in its own layout.

    Raises:
        BadCheckpoint: the file is empty or another kind of model.
    """
    for kind in NAMED:
        if any(re.search(kind.pattern, part) for part in path.absolute().parts[-DEPTH:]):
            raise explain_refusal(path, kind.what, kind.use)
    text = "\n".join(keys)
    if not text:
        raise explain_refusal(path, "holds no tensors", USE_SVD)
    has_unet = re.search(TEMPORAL, text) is not None and re.search(r"input_blocks\.|down_blocks\.", text) is not None
    for kind in FOREIGN if has_unet else FOREIGN + PARTS:
        if _matches(kind.pattern, text) and not _matches(kind.without, text):
            raise explain_refusal(path, kind.what, kind.use)
    if not has_unet:
        first = ", ".join(text.splitlines()[:3])
        raise explain_refusal(path, f"is no video model that is known here (its tensors: {first}, ...)", USE_SVD)


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.MULTILINE) is not None
