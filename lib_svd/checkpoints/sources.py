"""Any layout as one table: key of the released files' layout to where its tensor is. Reads headers, no tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lib_svd.checkpoints.diffusers_layout import UNET, VISION, Origin, Transform, is_unet, map_unet, map_vae, map_vision
from lib_svd.checkpoints.foreign import refuse_foreign
from lib_svd.checkpoints.header import PICKLE_SUFFIXES, USE_SVD, Header, Stamp, explain_refusal, read_header
from lib_svd.engine.config import UNET_HEAD_WIDTH
from lib_svd.strangers import decode_text, is_file, is_folder, read_json
from lib_svd.tensor_file import Entry

FOLDER_MAPS = {"unet": map_unet, "vae": map_vae, "image_encoder": map_vision}
Layout = Literal["native", "diffusers folder", "diffusers UNet"]


class Stored(NamedTuple):
    """A tensor in a file; they sort as they lie there."""

    path: Path
    begin: int  # bytes from the file's start
    size: int  # bytes
    key: str


class Source(NamedTuple):
    """Where one tensor comes from."""

    tensors: tuple[Stored, ...]  # none for an identity
    transform: Transform
    shape: tuple[int, ...]  # after the transform; the network's may differ by axes of length 1 at the end
    dtype: str  # in the file


@dataclass(frozen=True)
class Model:
    """What a path holds, in the released files' layout."""

    path: Path
    layout: Layout
    tensors: Mapping[str, Source]
    stamps: tuple[Stamp, ...]
    metadata: Mapping[str, str]


def read_model(path: Path) -> Model:
    """Open a .safetensors file or a diffusers folder.

    Raises:
        BadCheckpoint: it cannot be read, or is another kind of model.
    """
    if is_folder(path):
        try:
            return _read_folder(path)
        except OSError as error:
            raise explain_refusal(path, f"cannot be read ({error.strerror})", "allow reading the folder") from None
    header = read_header(path)
    refuse_foreign(path, header.tensors)
    origins, layout = _find_origins(header.tensors)
    sources = _find_sources(dict.fromkeys(header.tensors, header), origins, path)
    return Model(path, layout, sources, (header.stamp,), header.metadata)


def is_model_folder(path: Path) -> bool:
    """Tell whether a folder looks like a diffusers model of any kind."""
    return is_file(path / "model_index.json") or is_file(path / "unet" / "config.json")


def _find_origins(keys: Mapping[str, Entry]) -> tuple[dict[str, Origin], Layout]:
    if is_unet(keys):
        return map_unet(keys), "diffusers UNet"
    if any(key.startswith("input_blocks.") for key in keys):  # a UNet saved without its prefix
        return {UNET + key: Origin((key,)) for key in keys}, "native"
    in_transformers = {key for key in keys if key.startswith((VISION + "vision_model.", VISION + "visual_projection."))}
    origins = {key: Origin((key,)) for key in keys if key not in in_transformers}
    return origins | map_vision(in_transformers, VISION), "native"  # ComfyUI saves the tower as transformers has it


def _find_sources(headers: Mapping[str, Header], origins: Mapping[str, Origin], path: Path) -> dict[str, Source]:
    """Give each native key's source, out of the header that each key of the files stands in."""
    return {native: _find_source(headers, origin, path) for native, origin in origins.items()}


def _find_source(headers: Mapping[str, Header], origin: Origin, path: Path) -> Source:
    lacking = [key for key in origin.keys if key not in headers]
    if lacking:
        raise explain_refusal(path, f"lacks {lacking[0]}", "download it again")
    entries = [headers[key].tensors[key] for key in origin.keys]
    files = [headers[key].stamp.path for key in origin.keys]
    tensors = tuple(map(_locate_stored, files, entries, origin.keys))
    shape = entries[0].shape
    if origin.transform == "transpose":
        shape = shape[::-1]
    elif origin.transform == "stack":
        if len({entry.shape for entry in entries}) > 1 or not shape:
            raise explain_refusal(path, f"has unequal shapes in {', '.join(origin.keys)}", "download it again")
        shape = (len(entries) * shape[0], *shape[1:])
    return Source(tensors, origin.transform, shape, entries[0].dtype)


def _locate_stored(path: Path, entry: Entry, key: str) -> Stored:
    return Stored(path, entry.begin, entry.size, key)


def _read_folder(folder: Path) -> Model:
    _check_folder(folder)
    tensors: dict[str, Source] = {}
    stamps: list[Stamp] = []
    metadata: dict[str, str] = {}
    for name, make_map in FOLDER_MAPS.items():
        if not is_folder(folder / name):
            continue  # borrowed from another checkpoint, if one is at hand
        files = _read_weight_headers(folder / name)
        headers = {key: header for header in files for key in header.tensors}
        if name == "unet":
            refuse_foreign(folder, headers)
        tensors |= _find_sources(headers, make_map(headers), folder / name)
        stamps += [header.stamp for header in files]
        metadata |= {key: value for header in files for key, value in header.metadata.items()}
    return Model(folder, "diffusers folder", tensors, tuple(stamps), metadata | _read_unet_facts(folder))


def _read_weight_headers(folder: Path) -> list[Header]:
    """Read the headers of the weight files of one network: full precision before variants, one file before shards.

    Raises:
        BadCheckpoint: there is none, or the index of the shards is wrong.
    """
    shard = re.compile(r"-\d{5}-of-\d{5}\.")
    files = [p for p in folder.glob("*.safetensors") if not shard.search(p.name) and not p.name.startswith(".")]
    files += [p for p in folder.glob("*.safetensors.index*.json") if not p.name.startswith(".")]
    if not files:
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLE_SUFFIXES)
        besides = f" but {pickles[0]}, a pickle that is never opened" if pickles else ""
        raise explain_refusal(
            folder.parent,
            f"holds no .safetensors file in {folder.name}{besides}",
            "download the .safetensors file of the same model",
        )
    variant = re.compile(r"\.(fp16|bf16|fp32|non_ema)\b")
    best = min(files, key=lambda p: (bool(variant.search(p.name)), p.suffix == ".json", p.name))
    if best.suffix == ".json":
        return [read_header(folder / name) for name in _list_shards(best)]
    return [read_header(best)]


def _list_shards(index: Path) -> list[str]:
    try:
        names = sorted(set(_read_json(index)["weight_map"].values()))
        plain = all(Path(name).name == name for name in names)
    except (ValueError, KeyError, TypeError, AttributeError):
        names, plain = [], False
    if not names or not plain:
        what = f"holds {index.parent.name}/{index.name}, which is not an index of shards"
        raise explain_refusal(index.parent.parent, what, "download the folder again")
    return names


def _check_folder(folder: Path) -> None:
    if is_folder(folder / "unet"):
        return
    pipeline = _read_json(folder / "model_index.json").get("_class_name")
    what = f"is a diffusers folder for {pipeline}" if pipeline else "is a folder and not a diffusers model"
    raise explain_refusal(
        folder, what, "name a .safetensors file, or a diffusers folder with unet, vae and image_encoder in it"
    )


def _read_unet_facts(folder: Path) -> dict[str, str]:
    """Read what a diffusers UNet's config tells beyond its shapes.

    Raises:
        BadCheckpoint: its attention heads are not of the width that SVD has; weights do not show it.
    """
    config = _read_json(folder / "unet" / "config.json")
    heads, widths = config.get("num_attention_heads"), config.get("block_out_channels")
    if isinstance(heads, list) and isinstance(widths, list):
        for n, width in zip(heads, widths, strict=False):
            if not isinstance(n, int) or n * UNET_HEAD_WIDTH != width:
                raise explain_refusal(
                    folder, f"has {n} attention heads over {width} channels, not {UNET_HEAD_WIDTH} each", USE_SVD
                )
    frames = config.get("num_frames")
    return {"diffusers.num_frames": str(frames)} if isinstance(frames, int) else {}


def _read_json(path: Path) -> dict[str, Any]:
    if not is_file(path):
        return {}
    try:
        found = read_json(decode_text(path.read_bytes()))
    except (OSError, ValueError):
        raise explain_refusal(path, "cannot be read as JSON", "download the folder again") from None
    return found if isinstance(found, dict) else {}
