"""LoRA files: what each is, told by its header, and whether it is for SVD's UNet, to the last tensor."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lib_svd.checkpoints.header import Header, Stamp, explain_refusal, is_in_header, read_header
from lib_svd.checkpoints.lora_names import Role, list_layers, list_spellings, name_layout, read_key
from lib_svd.checkpoints.remembered import Remembered
from lib_svd.checkpoints.sources import Source, Stored
from lib_svd.checkpoints.strict import FLOATS, trim_shape
from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig, VisionConfig
from lib_svd.errors import BadCheckpoint
from lib_svd.strangers import decode_text, is_file, read_json

USE_LORA = "use a LoRA that was trained on SVD's UNet"
PLAIN_LORA = "use a plain LoRA"
PEFT_CONFIG = "adapter_config.json"
WORDS = ("lora", "hada_w", "lokr_w", "dora_scale", "oft_")  # one is in a key of each LoRA and its kin
TEMPORAL = (b"temporal_transformer_blocks", b"temporal_res_block", b"time_stack")
SHOWN = 3
RELEASED = NetworkConfigs(unet=UNetConfig(), encoder=EncoderConfig(), decoder=DecoderConfig(), vision=VisionConfig())


class Kind(NamedTuple):
    """A kind of file that is none of ours: a key that has `pattern` gives it away."""

    pattern: str
    what: str
    use: str = USE_LORA


KINDS = (
    Kind(r"motion_modules?[._]", "is a LoRA for AnimateDiff's motion module"),
    Kind(r"hada_w\d", "is a LoHa", PLAIN_LORA),
    Kind(r"lokr_w\d", "is a LoKr", PLAIN_LORA),
    Kind(r"dora_scale|lora_magnitude_vector", "is a DoRA", PLAIN_LORA),
    Kind(r"lora_mid\.", "is a LoRA in Tucker's form (LoCon with cp-decomposition)", PLAIN_LORA),
    Kind(r"oft_(blocks|diag|r)\b", "is an OFT", PLAIN_LORA),
    Kind(r"(double|single)_(transformer_)?blocks[._]", "is a LoRA for Flux, HunyuanVideo or a similar model"),
    Kind(r"joint_blocks|(^|[._])transformer_blocks[._]\d+[._]attn[._]", "is a LoRA for SD3, LTX or a similar model"),
    Kind(r"(^|[._])blocks[._]\d+[._](self|cross)_attn", "is a LoRA for Wan or a similar model"),
    Kind(r"temp_convs|temp_attentions|transformer_in[._]", "is a LoRA for a text-to-video model (ModelScope)"),
    Kind(r"^lora_te2_|^text_encoder_2\.", "is an SDXL LoRA"),
    Kind(r"\.diff(_b)?$", "carries whole differences of weights beside its LoRA", PLAIN_LORA),
)
"""The first row that fits is what the user reads."""

CONTEXTS = {768: "SD 1.5", 1024: "SD 2", 2048: "SDXL"}
"""What a model is by the width of the text that it is told."""

SAYS = re.compile(r"^(sd_?v?[123]|sdxl|sd3|stable-diffusion-(v[123]|xl|3)|flux|wan|hunyuan|ltx)", re.IGNORECASE)
SAID_IN = ("modelspec.architecture", "ss_base_model_version")  # of a file's metadata


class Layer(NamedTuple):
    """What is added to one weight: up @ down, times a strength and alpha over the rank."""

    up: Source
    down: Source
    alpha: Source | None

    @property
    def rank(self) -> int:
        """Of what is added, as a matrix, at most."""
        return self.down.shape[0]


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that may be for SVD."""

    stamp: Stamp
    layout: str
    layers: Mapping[str, Layer]  # by what the file calls the weight
    alpha: float | None  # of layers that have none of their own; None: their rank
    by_root: bool  # alpha is parted by the rank's root, and not by the rank

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.stamp.path


@dataclass(frozen=True)
class Lora:
    """A LoRA that is held against a model, and how strong it shall be."""

    name: str  # as a clip calls it
    file: LoraFile
    layers: Mapping[str, Layer]  # by the weight of the UNet
    strength: float
    notes: tuple[str, ...]  # for the user

    @property
    def identity(self) -> tuple[object, ...]:
        """What is equal for two that change a UNet alike; fit for a cache's key."""
        return self.file.stamp, self.file.alpha, self.file.by_root, self.strength


def is_lora(path: Path) -> bool:
    """Tell whether a file is a LoRA of any model, or one of its kin; raises BadCheckpoint where it cannot be read."""
    return path.suffix.lower() == ".safetensors" and is_file(path) and _has_words(path)


def may_be_for_svd(path: Path) -> bool:
    """Tell whether a LoRA changes how an SVD model moves: of the thousands for image models none does."""
    try:
        return _has_words(path) and _has_motion(path)
    except BadCheckpoint:
        return False


def _read(path: Path) -> LoraFile:
    """Read what a file is, by its header.

    Raises:
        BadCheckpoint: it cannot be read, is no LoRA, or is one of a kind that cannot be used.
    """
    header = read_header(path)
    _refuse_kinds(path, header)
    found: dict[str, dict[Role, Source]] = {}
    for key, entry in header.tensors.items():
        named = read_key(key)
        if named is None or named.role in found.setdefault(named.layer, {}):
            raise explain_refusal(path, f"has a tensor that no LoRA for SVD has ({key})", USE_LORA)
        if entry.dtype not in FLOATS:
            raise explain_refusal(path, f"stores {key} as {entry.dtype}", "use a file in fp32, fp16 or bf16")
        where = (Stored(path, entry.begin, entry.size, key),)
        found[named.layer][named.role] = Source(where, "copy", entry.shape, entry.dtype)
    layers = {layer: _make_layer(path, layer, tensors) for layer, tensors in found.items()}
    layout = name_layout(next(iter(header.tensors)))
    try:
        told = read_json(header.metadata.get("lora_adapter_metadata", "{}"))  # where diffusers keeps peft's settings
    except ValueError:
        told = {}
    return LoraFile(header.stamp, layout, layers, *_read_alpha(path, told))


_looked = Remembered(_read, ())


def read_lora(path: Path) -> LoraFile:
    """Say what a LoRA file is, by its header, and by peft's settings beside it.

    Raises:
        BadCheckpoint: it is no LoRA, or cannot be used.
    """
    file, beside = _looked(path), path.with_name(PEFT_CONFIG)
    if file.layout != "peft" or not is_file(beside):
        return file
    try:
        told = read_json(decode_text(beside.read_bytes()))
    except (OSError, ValueError):
        raise explain_refusal(path, f"has a {PEFT_CONFIG} beside it that cannot be read", "get it again") from None
    alpha, by_root = _read_alpha(path, told)
    return replace(file, alpha=alpha, by_root=by_root)


def match_layers(file: LoraFile, configs: NetworkConfigs, model: str) -> dict[str, Layer]:
    """Find the weight of a UNet for each layer of a LoRA.

    Args:
        file: the LoRA.
        configs: of the model that the UNet is of.
        model: what the model is called.

    Returns:
        Layers by the name of the weight; those that make no difference, since the context is one token, are left out.

    Raises:
        BadCheckpoint: it is a LoRA for another model; says which where that can be told.
    """
    spellings, shapes = list_spellings(configs), list_layers(configs)
    found: dict[str, Layer] = {}
    wrong: list[str] = []
    for name, layer in file.layers.items():
        weight = spellings.get(name)
        if weight is None:
            wrong.append(f"{name} is none of its layers")
        elif weight in found:
            wrong.append(f"{name} is there twice")
        elif (told := _explain_shape(layer, shapes[weight])) is not None:
            wrong.append(f"{name} {told}")
        else:
            found[weight] = layer
    if wrong:
        shown = "; ".join(wrong[:SHOWN]) + (f" and {len(wrong) - SHOWN} more" if wrong[SHOWN:] else "")
        raise explain_refusal(file.path, f"is {_name_model(file.layers)} and does not fit {model} ({shown})", USE_LORA)
    return {weight: layer for weight, layer in found.items() if not re.search(r"\.attn2\.to_[qk]\.", weight)}


def describe_lora(path: Path) -> dict[str, Any]:
    """Say what is known of a LoRA, and whether it fits the released models, fit for JSON.

    Raises:
        BadCheckpoint: it cannot be read, or is of a kind that cannot be used.
    """
    file = read_lora(path)
    try:
        match_layers(file, RELEASED, "SVD")
        fits = ""
    except BadCheckpoint as refusal:
        fits = str(refusal)
    ranks = Counter(layer.rank for layer in file.layers.values())
    parts = Counter(map(_name_part, file.layers))
    return {
        "path": str(path),
        "kind": "LoRA",
        "layout": file.layout,
        "layers": len(file.layers),
        "parts": dict(parts),
        "ranks": {str(rank): count for rank, count in sorted(ranks.items())},
        "alpha": "each layer's own" if any(layer.alpha for layer in file.layers.values()) else file.alpha,
        "fits_svd": not fits,
        "notes": [fits] if fits else [],
    }


def _name_part(layer: str) -> str:
    """Tell which part of the UNet a layer is in."""
    if re.search(r"transformer_blocks|time_stack[._]\d+|attentions|proj_(in|out)$|time_pos", layer):
        return "temporal transformers" if re.search("temporal_|time_", layer) else "spatial transformers"
    return "convolutions and the rest"


def _make_layer(path: Path, name: str, tensors: Mapping[Role, Source]) -> Layer:
    lacking = [role for role in ("up", "down") if role not in tensors]
    if lacking:
        raise explain_refusal(path, f"is an incomplete LoRA, it lacks {lacking[0]} of {name}", "download it again")
    layer = Layer(tensors["up"], tensors["down"], tensors.get("alpha"))
    up, down = layer.up.shape, layer.down.shape
    sound = min(len(up), len(down)) > 1 and up[1] == down[0] > 0 and all(side == 1 for side in up[2:])
    if not sound or (layer.alpha is not None and math.prod(layer.alpha.shape) != 1):
        raise explain_refusal(path, f"has shapes in {name} that make no LoRA ({list(up)}, {list(down)})", USE_LORA)
    return layer


def _explain_shape(layer: Layer, shape: tuple[int, ...]) -> str | None:
    """Say why what is added is not of a weight's shape; None: it is."""
    added = (layer.up.shape[0], *layer.down.shape[1:])
    if trim_shape(added) == trim_shape(shape):
        return None
    return f"adds {list(trim_shape(added))} to {list(trim_shape(shape))}"


def _refuse_kinds(path: Path, header: Header) -> None:
    """Say by name what a file is that is no LoRA for SVD; raises BadCheckpoint."""
    text = "\n".join(header.tensors)
    for kind in KINDS:
        if re.search(kind.pattern, text, re.MULTILINE):
            raise explain_refusal(path, kind.what, kind.use)
    if re.search(r"^(lora_te|text_encoder)", text, re.MULTILINE):
        named = {key: read_key(key) for key in header.tensors}
        shapes = {each.layer: header.tensors[key].shape for key, each in named.items() if each and each.role == "down"}
        raise explain_refusal(path, f"is {_name_by_context(shapes)}, with a part for its text encoder", USE_LORA)
    if not re.search("lora", text):
        first = ", ".join([*header.tensors][:SHOWN])
        raise explain_refusal(path, f"is no LoRA (its tensors: {first}, ...)", USE_LORA)
    for name in SAID_IN:
        says = header.metadata.get(name, "")
        if SAYS.match(says):
            raise explain_refusal(path, f"is a LoRA for another model, by its own metadata ({says[:80]})", USE_LORA)


def _name_model(layers: Mapping[str, Layer]) -> str:
    """Say for which model a LoRA is, as far as its layers tell."""
    shapes = {name: layer.down.shape for name, layer in layers.items()}
    if any(re.search("temporal_|time_stack", name) for name in shapes):
        return "a LoRA for another video model"
    return _name_by_context(shapes)


def _name_by_context(shapes: Mapping[str, Sequence[int]]) -> str:
    """Name an image model by how wide the text is that its attention looks at, told by the shapes going down."""
    wide = [shape[1] for name, shape in shapes.items() if re.search(r"attn2[._]to_[kv]", name)]
    return next((f"an {CONTEXTS[width]} LoRA" for width in wide if width in CONTEXTS), "a LoRA for another model")


def _read_alpha(path: Path, told: Any) -> tuple[float | None, bool]:
    """Read peft's own settings: what stands for layers without an alpha of their own.

    Returns:
        Alpha, None where nothing is said; whether it is parted by the rank's root.

    Raises:
        BadCheckpoint: they say what cannot be done here.
    """
    told = {str(key).removeprefix("unet."): value for key, value in told.items()} if isinstance(told, dict) else {}
    if told.get("use_dora"):
        raise explain_refusal(path, "is a DoRA", PLAIN_LORA)
    if told.get("alpha_pattern"):
        raise explain_refusal(path, "has an alpha for each kind of layer (alpha_pattern)", PLAIN_LORA)
    alpha = told.get("lora_alpha")
    sound = type(alpha) in (int, float) and math.isfinite(alpha)
    return (float(alpha) if sound else None), bool(told.get("use_rslora"))


def _look_for_words(path: Path) -> bool:
    """Look for WORDS in the keys; metadata may tell of LoRAs that went into a checkpoint."""
    if not is_in_header(path, map(str.encode, WORDS)):
        return False
    return any(word in key for key in read_header(path).tensors for word in WORDS)


_has_words = Remembered(_look_for_words, ())
_has_motion = Remembered(lambda path: is_in_header(path, TEMPORAL), ())
