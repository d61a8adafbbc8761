"""Forge and the Neo line: `backend.memory_management`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from lib_svd.hosts.patcher import DECODER_DTYPES, UNET_PARAMETERS, PatcherHost


class ForgeHost(PatcherHost):
    """Networks of Forge's own layers, swapped by layer where memory is short."""

    name = "Forge"

    def __init__(self) -> None:
        from backend import memory_management
        from backend.patcher.base import ModelPatcher

        super().__init__(memory_management, ModelPatcher)

    def unet_dtype(self) -> torch.dtype:
        """As for the host's own diffusion models."""
        dtype: torch.dtype = self.management.get_computation_dtype(self.device(), parameters=UNET_PARAMETERS)
        return dtype

    def unet_storage(self) -> torch.dtype:
        """float8 where the user chose it, on the command line or as "Diffusion in Low Bits"."""
        from backend.args import dynamic_args

        chosen = dynamic_args.get("forge_unet_storage_dtype")
        if isinstance(chosen, torch.dtype):  # nf4 and fp4 are strings, and need a quantised file
            return chosen
        dtype: torch.dtype = self.management.unet_dtype(self.device(), model_params=UNET_PARAMETERS)
        return dtype

    def decoder_dtype(self) -> torch.dtype:
        """As for the host's own VAE."""
        dtype: torch.dtype = self.management.vae_dtype(self.device(), allowed_dtypes=DECODER_DTYPES)
        return dtype

    def building(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Layers that cast and copy their weights as they run.

        Always, because a storage dtype may differ and because Forge's Conv3d runs in no other way.
        """
        from backend import operations

        context: AbstractContextManager[None] = operations.using_forge_operations(dtype=dtype, manual_cast_enabled=True)
        return context

    def load(self, patcher: Any, working_bytes: int) -> None:
        """Only `hard_memory_preservation` leaves room beside this network; `memory_required` evicts others."""
        self.management.load_models_gpu([patcher], hard_memory_preservation=working_bytes)

    def loaded_bytes(self, entry: Any) -> int:
        """Counted by parameter: layers may be swapped."""
        return int(self.management.module_size(entry.model.model, include_device=entry.device))
