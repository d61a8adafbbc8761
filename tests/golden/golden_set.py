"""A folder of reference tensors: what it says about a set, and the set's stage files.

README.json describes the sets, key lists (.json or .json.gz) the checkpoints, sgm/SET_STAGE.safetensors holds tensors.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tests.golden.networks import Networks, Unusable

DEFAULT_KEYS = "tiny_keys.json"


class Lacking(Exception):
    """Something that a comparison needs is not in the set."""


class Stage(Mapping[str, Tensor]):
    """Tensors of one stage file by name; asking for one that is not there raises Lacking."""

    def __init__(self, golden: GoldenSet, name: str, tensors: Mapping[str, Tensor]) -> None:
        self.golden, self.name, self.tensors = golden, name, tensors

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise Lacking(f"{self.name} has no {name}")
        return self.tensors[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def read_number(self, name: str) -> float:
        """A number that the file holds as a tensor, or the README as a fact of the set."""
        if name in self.tensors:
            return float(self.tensors[name].flatten()[0])
        return self.golden.read_number(name)


class GoldenSet:
    """One set of a folder."""

    def __init__(self, folder: Path, name: str, networks: Networks | None = None) -> None:
        self.folder, self.name = folder, name
        self.facts = _read_facts(folder, name)
        self.files = _list_files(folder, name)
        if networks is not None:
            self.networks = networks  # shared by tests; otherwise made when first asked for

    @cached_property
    def networks(self) -> Networks:
        """The set's checkpoint, generated from its seed, loaded when a network is asked for."""
        if "checkpoint_seed" not in self.facts:
            raise Unusable(f"README.json gives no checkpoint_seed for set {self.name}.")
        keys = _read_key_list(self.folder, self.facts.get("keys", DEFAULT_KEYS))
        return Networks(keys, self.facts["checkpoint_seed"], self.facts.get("checkpoint_sha256"))

    def read_stage(self, name: str) -> Stage:
        """Read one stage file."""
        if name not in self.files:
            raise Lacking(f"the set has no {name}")
        try:
            return Stage(self, name, load_file(self.files[name]))
        except (SafetensorError, OSError) as error:
            raise Unusable(f"{self.files[name]} cannot be read: {error}.") from None

    def read_number(self, name: str) -> float:
        """A fact of the set."""
        if name not in self.facts:
            raise Lacking(f"nothing gives {name}")
        return float(self.facts[name])


def _read_facts(folder: Path, name: str) -> dict[str, Any]:
    readme = folder / "README.json"
    if not readme.is_file():
        raise Unusable(f"{folder} is no folder of golden tensors: it has no README.json.")
    try:
        sets = json.loads(readme.read_text(encoding="utf-8"))["sets"]
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{readme} is no JSON object with the sets in it.") from None
    if name not in sets:
        raise Unusable(f"{readme} describes no set {name}: it has {', '.join(sorted(sets))}.")
    return dict(sets[name])


def _list_files(folder: Path, name: str) -> dict[str, Path]:
    found = {path.stem.removeprefix(f"{name}_"): path for path in (folder / "sgm").glob(f"{name}_*.safetensors")}
    if not found:
        raise Unusable(f"{folder / 'sgm'} has no {name}_*.safetensors.")
    return dict(sorted(found.items()))


def _read_key_list(folder: Path, name: str) -> dict[str, list[int]]:
    plain, packed = folder / name, folder / f"{name}.gz"
    try:
        text = plain.read_bytes() if plain.is_file() else gzip.decompress(packed.read_bytes())
        return dict(json.loads(text))
    except (OSError, ValueError):
        raise Unusable(f"The key list {plain} is missing or no JSON.") from None
