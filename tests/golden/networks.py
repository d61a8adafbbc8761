"""The networks of a generated checkpoint, loaded as a user's file is: recognised, checked, filled, in fp32."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from lib_svd.checkpoints import Svd, load, recognise
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower
from lib_svd.errors import BadCheckpoint
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.ports import Resident
from tests.tiny import compute_digest, make_tiny_tensors


class Unusable(Exception):
    """The folder or the set cannot be compared with; one sentence says why."""


class Networks:
    """Loaded when first asked for: many stages need none."""

    def __init__(self, keys: Mapping[str, list[int]], seed: int, sha256: str | None = None) -> None:
        self.keys, self.seed, self.sha256 = keys, seed, sha256

    @cached_property
    def unet(self) -> UNet:
        return _find_network(self._svd.unet)

    @cached_property
    def encoder(self) -> VaeEncoder:
        return _find_network(self._svd.encoder)

    @cached_property
    def decoder(self) -> VaeDecoder:
        return _find_network(self._svd.decoder)

    @cached_property
    def vision(self) -> VisionTower:
        return _find_network(self._svd.vision)

    @cached_property
    def image_decoder(self) -> VaeDecoder:
        """The conditioner's plain decoder; taken where a file has no first_stage_model, as ComfyUI saves some."""
        tensors = make_tiny_tensors(self.keys, self.seed)
        return _find_network(
            _load({k: t for k, t in tensors.items() if not k.startswith("first_stage_model.")}).decoder
        )

    @cached_property
    def _svd(self) -> Svd:
        tensors = make_tiny_tensors(self.keys, self.seed)
        if self.sha256 is not None and compute_digest(tensors) != self.sha256:
            raise Unusable(f"The checkpoint made from seed {self.seed} has another sha256 than README.json gives.")
        return _load(tensors)


def _load(tensors: dict[str, Tensor]) -> Svd:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny_svd_xt.safetensors"
        save_file(tensors, path)
        try:
            return load(recognise(path), make_standalone_host("cpu", "float32"))
        except BadCheckpoint as error:
            raise Unusable(f"The checkpoint made from the key list cannot be loaded: {error}") from None


def _find_network(resident: Resident) -> Any:
    with resident.bring_to_gpu(0) as network:
        return network
