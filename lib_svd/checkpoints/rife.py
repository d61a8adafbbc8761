"""RIFE files, as ComfyUI's users have them in models/frame_interpolation: told by keys and shapes, read strictly.

ComfyUI takes them as they were repackaged for it, and with the names of the training's own checkpoints
(comfy_extras/nodes_frame_interpolation.py); so do we. RIFE 4.25 and 4.26 are alike in every key and shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import nn

from lib_svd.checkpoints.filling import Unfilled, fill
from lib_svd.checkpoints.find import find_checkpoints
from lib_svd.checkpoints.header import Stamp, explain_refusal, read_header
from lib_svd.checkpoints.remembered import Remembered
from lib_svd.checkpoints.sources import Source, Stored
from lib_svd.checkpoints.strict import check_dtypes
from lib_svd.engine.config import RifeConfig
from lib_svd.errors import BadCheckpoint
from lib_svd.ports import Host, Resident
from lib_svd.strangers import quote
from lib_svd.tensor_file import Entry

KINDS: Mapping[str, RifeConfig] = {
    "RIFE 4.25 or 4.26": RifeConfig(),
    "RIFE 4.25 lite": RifeConfig(widths=(192, 128, 96, 64, 24), scales=(32, 16, 8, 4, 1)),
    "RIFE 4.25 heavy": RifeConfig(widths=(384, 256, 192, 128, 64)),
    "RIFE 4.26 heavy": RifeConfig(head=16),
}
FOLDER = "frame_interpolation"
PAGE = "https://huggingface.co/Comfy-Org/frame_interpolation"
USE_RIFE = f"use rife_v4.26.safetensors or another RIFE 4.25 or 4.26 from {PAGE}"
SHOWN = 3

_BEFORE = re.compile(r"(module\.)?(flownet\.)?")  # what wrappers of the training put before a name
_TRAINING = ("teacher.", "caltime.")  # networks that only the training needs
_FILM = "extract.extract_sublevels.convs.0.0.conv.weight"


@dataclass(frozen=True)
class RifeFile:
    """A file that holds RIFE."""

    stamp: Stamp
    kind: str  # a key of KINDS
    sources: Mapping[str, Source]  # by the names of the network

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.stamp.path

    @property
    def config(self) -> RifeConfig:
        """Sizes of the network."""
        return KINDS[self.kind]


def list_rife_dirs(model_dirs: Iterable[Path]) -> list[Path]:
    """List the folders where RIFE may be: beside a host's folders for models, and in them; each once."""
    return list(dict.fromkeys(place / FOLDER for folder in model_dirs for place in (folder.parent, folder)))


def find_rife(model_dirs: Iterable[Path]) -> list[RifeFile]:
    """List every RIFE file there, in natural order; what cannot be used is passed over.

    Args:
        model_dirs: the host's folders for models, see `ports.Folders`.
    """
    found = []
    for path in find_checkpoints(list_rife_dirs(model_dirs)):
        try:
            found.append(read_rife(path))
        except BadCheckpoint:
            continue
    return found


def choose_rife(name: str, model_dirs: Iterable[Path]) -> RifeFile:
    """Find the RIFE file of that name, with or without its suffix, in any case; "" is the first there is.

    Raises:
        BadCheckpoint: there is none; says what is there, and where one is to be put.
    """
    folders = list(model_dirs)
    there = find_rife(folders)
    for file in there:
        if name.lower() in ("", file.path.name.lower(), file.path.stem.lower()):
            return file
    wanted = f"No RIFE model is called {quote(name)}" if name else "There is no RIFE model"
    if there:
        raise BadCheckpoint(f"{wanted}: choose {' or '.join(file.path.name for file in there)}.")
    places = " or ".join(map(str, list_rife_dirs(folders))) or f"a folder {FOLDER} beside your models"
    raise BadCheckpoint(f"{wanted}: put rife_v4.26.safetensors from {PAGE} into {places}, or smooth by motion.")


def load_rife(file: RifeFile, host: Host) -> Resident:
    """Load the network into the host's keeping; it computes in float16 where the host does not want float32.

    Raises:
        BadCheckpoint: the file changed since it was looked at.
        SvdError: the host's own layers did not take a weight.
    """
    memory = host.memory
    # Not bfloat16: its eight bits are a pixel in 256, and flow is made of less.
    whole = memory.get_device().type == "cpu" or memory.choose_dtype("unet") == torch.float32
    dtype = torch.float32 if whole else torch.float16
    wanted = Unfilled(
        name=file.kind,
        build=partial(_build, file.config),
        shapes=_list_shapes(file.config),
        sources=file.sources,
        stamps=(file.stamp,),
        dtype=dtype,
        storage=dtype,
    )
    return memory.adopt(fill(wanted, host, lambda size: None), dtype)


def _read(path: Path) -> RifeFile:
    """Read what a file is, by its header.

    Raises:
        BadCheckpoint: it cannot be read, or is anything but one of KINDS.
    """
    header = read_header(path)
    keys = _map_names(header.tensors)
    kind = next(
        (kind for kind, config in KINDS.items() if _list_sizes(keys, header.tensors) == _derive_sizes(config)), None
    )
    if kind is None:
        raise explain_refusal(path, _describe_kind(keys), USE_RIFE)
    sources = {name: _make_source(path, key, header.tensors[key]) for name, key in keys.items()}
    check_dtypes(sources)
    wanted, found = _list_shapes(KINDS[kind]), {name: source.shape for name, source in sources.items()}
    odd = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if odd:
        these = ", ".join(odd[:SHOWN]) + (f" and {len(odd) - SHOWN} more" if odd[SHOWN:] else "")
        what = f"is no {kind}, though it begins as one: missing, too much or of another shape are {these}"
        raise explain_refusal(path, what, "download it again")
    return RifeFile(header.stamp, kind, sources)


read_rife = Remembered(_read, ())
"""What a .safetensors file is, by its header: a RifeFile. Raises BadCheckpoint: it is anything but one of KINDS."""


def _map_names(tensors: Mapping[str, Entry]) -> dict[str, str]:
    """Map the network's name of each weight to its key in the file."""
    keys: dict[str, str] = {}
    for key in tensors:
        name = re.sub(r"^block(\d)\.", r"blocks.\1.", _BEFORE.sub("", key, count=1))
        if not name.startswith(_TRAINING):
            keys[f"{key} (twice)" if name in keys else name] = key
    return keys


def _list_sizes(keys: Mapping[str, str], tensors: Mapping[str, Entry]) -> tuple[tuple[int, ...], ...]:
    """List the shapes of the weights by which the kinds differ; () for one that is missing."""
    return tuple(tensors[keys[name]].shape if name in keys else () for name in _list_telling(len(RifeConfig().widths)))


def _derive_sizes(config: RifeConfig) -> tuple[tuple[int, ...], ...]:
    return tuple(_list_shapes(config)[name] for name in _list_telling(len(config.widths)))


def _list_telling(blocks: int) -> list[str]:
    return ["encode.cnn3.weight", *(f"blocks.{number}.conv0.1.0.weight" for number in range(blocks))]


def _describe_kind(keys: Mapping[str, str]) -> str:
    if _FILM in keys:
        return "is FILM, which is not used here"
    if any(name.startswith("blocks.0.") for name in keys):
        return "is another RIFE than 4.25 and 4.26"
    return "is no model that makes frames between frames"


def _make_source(path: Path, key: str, entry: Entry) -> Source:
    return Source((Stored(path, entry.begin, entry.size, key),), "copy", entry.shape, entry.dtype)


def _build(config: RifeConfig) -> nn.Module:
    """Build the network on the meta device."""
    from lib_svd.engine.rife import Rife

    with torch.device("meta"):
        return Rife(config).eval().requires_grad_(False)


@lru_cache(maxsize=len(KINDS))
def _list_shapes(config: RifeConfig) -> dict[str, tuple[int, ...]]:
    """List every weight of the network by name; not to be changed."""
    return {name: tuple(weight.shape) for name, weight in _build(config).state_dict().items()}
