"""Everything about a model file without loading it: which family, which sizes, and where each weight is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lib_svd.checkpoints import strict
from lib_svd.checkpoints.configs import read_decoder_config, read_encoder_config, read_unet_config, read_vision_config
from lib_svd.checkpoints.families import Family
from lib_svd.checkpoints.find import find_checkpoints
from lib_svd.checkpoints.foreign import MOTION
from lib_svd.checkpoints.header import USE_SVD, Stamp, explain_refusal, is_in_header
from lib_svd.checkpoints.lora_files import Lora
from lib_svd.checkpoints.marks import make_mark
from lib_svd.checkpoints.metadata import apply_metadata
from lib_svd.checkpoints.naming import find_family
from lib_svd.checkpoints.native_layout import PARTS, split
from lib_svd.checkpoints.remembered import Remembered, look_safely
from lib_svd.checkpoints.sources import FOLDER_MAPS, Layout, Model, Source, read_model
from lib_svd.engine.config import NetworkConfigs
from lib_svd.errors import BadCheckpoint, join_names, spell
from lib_svd.ports import PART_NAMES, Part
from lib_svd.strangers import is_folder

Sources = Mapping[str, Source]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model file that can be run, not loaded yet."""

    path: Path  # file or folder, as it was named
    family: Family
    configs: NetworkConfigs
    layout: Layout
    sources: Mapping[Part, Mapping[str, Source]]  # name of each weight in its network to where it is
    stamps: tuple[Stamp, ...]  # every file it is read from, as it was
    dtypes: Mapping[Part, tuple[str, ...]]  # in the file, as safetensors spells them, most common first
    metadata: Mapping[str, str]
    notes: tuple[str, ...] = ()  # what was assumed or borrowed; for the user
    lora_dirs: tuple[Path, ...] = ()  # where LoRAs for it are looked for
    loras: tuple[Lora, ...] = ()  # what is added to its UNet

    @property
    def identity(self) -> tuple[object, ...]:
        """What is equal for two checkpoints that load alike but for their UNets' LoRAs; fit for a cache's key."""
        return self.stamps, self.family.name

    @property
    def unet_identity(self) -> tuple[object, ...]:
        """What is equal for two checkpoints that load alike; fit for a cache's key."""
        return self.identity, tuple(each.identity for each in self.loras)

    @property
    def mark(self) -> str:
        """What tells it from every other model, see `marks`.

        Raises:
            BadCheckpoint: a file is gone or cannot be read.
        """
        return make_mark(self.stamps)

    @property
    def size_grid(self) -> int:
        """Width and height of a clip are multiples of this many pixels."""
        return self.configs.size_grid

    @property
    def parameters(self) -> dict[Part, int]:
        """How many weights each network has."""
        return {part: sum(math.prod(s.shape) for s in found.values()) for part, found in self.sources.items()}


def recognise(
    path: str | Path,
    *,
    variant: str | None = None,
    companion: str | Path | None = None,
    search_dirs: Iterable[Path] = (),
) -> Checkpoint:
    """Look at a model without loading it. It is remembered: a header is read once, until its file changes.

    Args:
        path: a .safetensors file or a diffusers folder.
        variant: a key of FAMILIES, where the file cannot tell; None: by metadata, then by name.
        companion: a complete SVD checkpoint that lends the networks this file lacks (a UNet alone lacks three).
        search_dirs: where to look for one if none is named; then beside the file.

    Raises:
        BadCheckpoint: not a file that can be run; one sentence that names it, says what it is, and what to use.
        BadRequest: `variant` is none.
    """
    path = path if isinstance(path, Path) else Path(path)  # making a path takes longer than asking what is known
    model, parts, lacking, lent = _opened(path)
    if not lacking:
        return _complete(path) if variant is None else _build_checkpoint(model, parts, variant)
    lender = _find_lender(path, lacking, companion, search_dirs, strict.count_z_channels(parts["unet"]))
    key = variant, lender.path, lender.identity
    if key not in lent:
        whole = {part: lender.sources[part] if part in lacking else parts[part] for part in PARTS}
        note = f"{path.name} has no {_join_parts(lacking)}: taken from {lender.path.name}."
        lent[key] = look_safely(path, lambda: _build_checkpoint(model, whole, variant, lender, (note,)))
    return lent[key]


def may_move(path: Path) -> bool:
    """Tell whether a look at a model is worth its time: of the thousands beside SVD models most have no layer for
    motion.

    True, too, of a folder, and of what cannot be read: `recognise` says what that is.
    """
    try:
        return _has_motion(path)
    except BadCheckpoint:
        return True


def is_usable(path: Path, search_dirs: Iterable[Path] = ()) -> bool:
    """Tell whether `recognise` would take a model, beside the models in `search_dirs`."""
    if not may_move(path):
        return False
    try:
        recognise(path, search_dirs=search_dirs)
    except BadCheckpoint:
        return False
    return True


class _Opened(NamedTuple):
    """What a path holds."""

    model: Model
    parts: Mapping[Part, Sources]
    lacking: Sequence[Part]  # networks that it has nothing of
    lent: dict[object, Checkpoint]  # what it made with the networks of others


def _open(path: Path) -> _Opened:
    model = read_model(path)
    parts = _find_parts(model)
    lacking = [part for part in PARTS if not parts[part]]
    if "unet" in lacking:
        raise strict.explain_missing_unet(model.path)
    return _Opened(model, parts, lacking, {})


def _build_checkpoint(
    model: Model,
    parts: Mapping[Part, Sources],
    variant: str | None,
    lender: Checkpoint | None = None,
    notes: tuple[str, ...] = (),
) -> Checkpoint:
    """Check four networks' sources to the last weight, and find the family."""
    for part in PARTS:
        strict.check_dtypes(parts[part])
    configs = _read_configs(model.path, parts)
    strict.check(model.path, parts, configs)
    family, assumed = find_family(
        model.path,
        model.metadata,
        variant=variant,
        vector_dim=configs.unet.vector_dim,
        temporal=configs.decoder.temporal,
        lender=lender.family if lender else None,
    )
    family, unknown = apply_metadata(family, model.path, model.metadata)
    strict.check_native_size(model.path, model.metadata, family, configs.size_grid)
    return Checkpoint(
        path=model.path,
        family=family,
        configs=configs,
        layout=model.layout,
        sources=parts,
        stamps=model.stamps + (lender.stamps if lender else ()),
        dtypes={part: _list_dtypes(parts[part]) for part in PARTS},
        metadata=model.metadata,
        notes=(*notes, *assumed, *unknown),
    )


def _find_parts(model: Model) -> dict[Part, Sources]:
    """Give the sources of each network; empty where the file has nothing of it.

    Raises:
        BadCheckpoint: keys that belong to no network and are not known to be unused.
    """
    found = split(model.tensors)
    if found.extra:
        raise strict.explain_extra_keys(model.path, found.extra)
    parts: dict[Part, Sources] = {}
    for part, names in found.parts.items():
        parts[part] = {name: model.tensors[key] for name, key in names.items()}
    encoder = parts["encoder"]
    if "encoder.conv_out.weight" in encoder and not any(name.startswith("quant_conv.") for name in encoder):
        parts["encoder"] = {**encoder, **_make_identity_quant_conv(encoder["encoder.conv_out.weight"])}
    return parts


def _make_identity_quant_conv(conv_out: Source) -> Sources:
    """Make what first_stage_model.encoder of SVD means by having none: its last convolution has it folded in.

    ComfyUI, which encodes with it and saves only it, goes straight on to the mean (sd.py, AutoencodingEngine).
    """
    moments = conv_out.shape[0] if conv_out.shape else 0
    weight = Source((), "identity", (moments, moments, 1, 1), conv_out.dtype)
    return {"quant_conv.weight": weight, "quant_conv.bias": weight._replace(shape=(moments,))}


def _read_configs(path: Path, parts: Mapping[Part, Sources]) -> NetworkConfigs:
    shapes = {part: {name: source.shape for name, source in parts[part].items()} for part in PARTS}
    try:
        return NetworkConfigs(
            unet=read_unet_config(shapes["unet"]),
            encoder=read_encoder_config(shapes["encoder"]),
            decoder=read_decoder_config(shapes["decoder"]),
            vision=read_vision_config(shapes["vision"]),
        )
    except KeyError as error:
        key = str(error).strip("'")
        raise explain_refusal(path, f"is an incomplete SVD checkpoint, {key} is missing", strict.REPLACE) from None
    except (IndexError, ValueError):
        raise explain_refusal(path, "has weights whose shapes are not those of SVD", strict.REPLACE) from None


def _find_lender(
    path: Path, lacking: Sequence[Part], companion: str | Path | None, search_dirs: Iterable[Path], z_channels: int
) -> Checkpoint:
    """Find the checkpoint that lends what is lacking.

    Raises:
        BadCheckpoint: the named one cannot be used or lacks the same; none was named and none found.
    """
    if companion is not None:
        return _complete(Path(companion))
    beside = sorted(path.parent.glob("*.safetensors"))
    for candidate in [*find_checkpoints(search_dirs), *beside]:
        if candidate.absolute() == path.absolute() or not may_move(candidate):
            continue
        try:
            lender = _complete(candidate)
        except BadCheckpoint:
            continue  # image models and the like beside it are no error
        if lender.family.conditioning == "svd" and lender.configs.encoder.z_channels == z_channels:
            return lender
    use = f"put svd_xt.safetensors beside it{spell('', ' or name one with --companion')}"
    raise explain_refusal(path, f"has no {_join_parts(lacking)}, and no SVD checkpoint is at hand to lend it", use)


def _recognise_whole(path: Path) -> Checkpoint:
    """Look at a checkpoint that must have all four networks itself.

    Raises:
        BadCheckpoint: it has not, or cannot be used.
    """
    model, parts, lacking, _ = _opened(path)
    if lacking:
        raise explain_refusal(path, f"has no {_join_parts(lacking)} to lend", f"{USE_SVD} as the companion")
    return _build_checkpoint(model, parts, None)


def _join_parts(parts: Sequence[Part]) -> str:
    return join_names(PART_NAMES[part] for part in parts)


def _list_dtypes(sources: Sources) -> tuple[str, ...]:
    weights: dict[str, int] = {}
    for source in sources.values():
        weights[source.dtype] = weights.get(source.dtype, 0) + math.prod(source.shape)
    return tuple(sorted(weights, key=lambda dtype: -weights[dtype]))


_has_motion = Remembered(lambda path: is_folder(path) or is_in_header(path, map(str.encode, MOTION)), ())
_opened = Remembered(_open, tuple(FOLDER_MAPS))
_complete = Remembered(_recognise_whole, tuple(FOLDER_MAPS))
