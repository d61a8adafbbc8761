"""Refuse what does not fit exactly, with the keys named: missing, extra, wrong shapes, networks that do not match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.diffusers_layout import DECODER, ENCODER, UNET, VISION
from lib_svd.checkpoints.families import Family
from lib_svd.checkpoints.header import USE_SVD, explain_refusal
from lib_svd.checkpoints.metadata import ADVICE
from lib_svd.checkpoints.native_layout import PARTS
from lib_svd.checkpoints.sources import Source
from lib_svd.engine.config import UNET_HEAD_WIDTH, VISION_HEAD_WIDTH, NetworkConfigs
from lib_svd.errors import BadCheckpoint
from lib_svd.ports import Part

REPLACE = "download it again or use the released file"
PREFIXES: dict[Part, str] = {"vision": VISION, "encoder": ENCODER, "unet": UNET, "decoder": DECODER}
FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
NORM_GROUPS = 32
SHOWN = 5


def explain_missing_unet(path: Path) -> BadCheckpoint:
    """Say that a file holds the rest of an SVD checkpoint, without the network that moves."""
    return explain_refusal(path, "holds no UNet", USE_SVD)


def explain_extra_keys(path: Path, keys: Sequence[str]) -> BadCheckpoint:
    """Say that a file has tensors that no SVD checkpoint has."""
    return explain_refusal(
        path, f"has {_write_count(keys, 'tensor')} that no SVD checkpoint has ({_quote_first(keys)})", REPLACE
    )


def count_z_channels(unet: Mapping[str, Source]) -> int:
    """Give the channels of a latent, as the UNet has them; 0 where its last layer is missing."""
    out = unet.get("out.2.bias")
    return out.shape[0] if out is not None and out.shape else 0


def check_dtypes(sources: Mapping[str, Source]) -> None:
    """Refuse weights that are no plain floating-point numbers.

    Raises:
        BadCheckpoint: names the file and the dtype.
    """
    for source in sources.values():
        if source.dtype not in FLOATS and source.tensors:
            path, key = source.tensors[0].path, source.tensors[0].key
            what = f"stores {key} as {source.dtype}, which is quantised in a way that cannot be read"
            raise explain_refusal(path, what, "use a file in fp32, fp16, bf16 or plain fp8")


def check(path: Path, parts: Mapping[Part, Mapping[str, Source]], configs: NetworkConfigs) -> None:
    """Compare what is there with what the networks of this size need, weight by weight.

    Raises:
        BadCheckpoint: something is missing, too much, of another shape, or the networks do not belong together.
    """
    _check_widths(path, configs)
    wanted = {part: networks.list_shapes(part, configs) for part in PARTS}
    missing = [PREFIXES[part] + name for part in PARTS for name in wanted[part] if name not in parts[part]]
    if missing:
        what = f"is an incomplete SVD checkpoint, {_write_count(missing, 'tensor')} missing ({_quote_first(missing)})"
        raise explain_refusal(path, what, REPLACE)
    extra = [_name_weight(part, name, parts) for part in PARTS for name in parts[part] if name not in wanted[part]]
    if extra:
        raise explain_extra_keys(path, extra)
    wrong = [
        f"{_name_weight(part, name, parts)} is {list(parts[part][name].shape)} and not {list(shape)}"
        for part in PARTS
        for name, shape in wanted[part].items()
        if trim_shape(parts[part][name].shape) != trim_shape(shape)
    ]
    if wrong:
        raise explain_refusal(
            path, f"has {_write_count(wrong, 'tensor')} of the wrong shape ({_quote_first(wrong)})", REPLACE
        )


def check_native_size(path: Path, metadata: Mapping[str, str], family: Family, grid: int) -> None:
    """Refuse a size that a file gives itself and its networks cannot make.

    Raises:
        BadCheckpoint: it is off the grid.
    """
    own = "svd.width" in metadata or "svd.height" in metadata
    if own and (family.width % grid or family.height % grid):
        what = (
            f"gives itself the size {family.width}x{family.height} in its metadata, off its own grid of {grid} pixels"
        )
        raise explain_refusal(path, what, ADVICE)


def _check_widths(path: Path, configs: NetworkConfigs) -> None:
    """Check what shapes cannot tell: widths of heads and groups, and one network's output against the other's input."""
    unet, encoder, decoder, vision = configs.unet, configs.encoder, configs.decoder, configs.vision
    heads = [width for width, has in zip(unet.channels, unet.attention, strict=True) if has] + [unet.channels[-1]]
    rules = (
        (
            all(_parts_into_heads(w, UNET_HEAD_WIDTH) for w in heads),
            f"UNet attention widths {heads} that make no heads",
        ),
        (
            _parts_into_heads(vision.width, VISION_HEAD_WIDTH),
            f"an image tower of width {vision.width}, which makes no heads",
        ),
        (vision.patch_size > 0 and vision.width > 0, "an image tower without pixels or channels"),
        (_parts_into_groups(unet.channels), f"UNet widths {unet.channels} not multiples of {NORM_GROUPS}"),
        (_parts_into_groups(encoder.channels + decoder.channels), f"VAE widths not multiples of {NORM_GROUPS}"),
        (vision.embed_dim == unet.context_dim, f"an embedding of {vision.embed_dim} where {unet.context_dim} go in"),
        (encoder.z_channels == decoder.z_channels, "a VAE encoder and decoder of unlike latents"),
        (len(encoder.channels) == len(decoder.channels), "a VAE encoder and decoder of unlike downsampling"),
        (unet.out_channels == encoder.z_channels, f"latents of {encoder.z_channels} and {unet.out_channels} channels"),
        (
            unet.in_channels == 2 * unet.out_channels,
            f"{unet.in_channels} channels into its UNet, as a fine-tune for other inputs has",
        ),
    )
    for holds, what in rules:
        if not holds:
            raise explain_refusal(path, f"has networks that are not SVD's or do not belong together ({what})", REPLACE)


def _parts_into_heads(width: int, head_width: int) -> bool:
    """Tell whether a width parts evenly into width // head_width heads, one at least."""
    return width % max(1, width // head_width) == 0


def _parts_into_groups(widths: Sequence[int]) -> bool:
    return all(width > 0 and width % NORM_GROUPS == 0 for width in widths)


def trim_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Leave axes of length 1 off a shape's end: (3, 1, 1) and 1x1 convolutions are stored with and without them."""
    length = len(shape)
    while length and shape[length - 1] == 1:
        length -= 1
    return shape[:length]


def _name_weight(part: Part, name: str, parts: Mapping[Part, Mapping[str, Source]]) -> str:
    """Call a weight by its key in the file."""
    tensors = parts[part][name].tensors
    return tensors[0].key if tensors else PREFIXES[part] + name


def _write_count(items: Sequence[str], noun: str) -> str:
    return f"{len(items)} {noun}" + ("" if len(items) == 1 else "s")


def _quote_first(items: Sequence[str]) -> str:
    shown = ", ".join(items[:SHOWN])
    return shown if len(items) <= SHOWN else f"{shown}, ..."
