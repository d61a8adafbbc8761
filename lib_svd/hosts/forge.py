"""Forge and the Neo line: `backend.memory_management`."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from lib_svd.hosts.patcher import DECODER_DTYPES, UNET_PARAMETERS, PatcherMemory


class ForgeMemory(PatcherMemory):
    """Networks of Forge's own layers, swapped by layer where memory is short."""

    def __init__(self) -> None:
        from backend import memory_management
        from backend.patcher.base import ModelPatcher

        super().__init__(memory_management, ModelPatcher)

    def choose_unet_dtype(self) -> torch.dtype:
        """Compute as the host's own diffusion models do; newer hosts are asked what they cast a storage dtype to."""
        if hasattr(self.management, "get_computation_dtype"):
            dtype: torch.dtype = self.management.get_computation_dtype(self.get_device(), parameters=UNET_PARAMETERS)
        else:
            dtype = self.management.inference_cast(self.choose_unet_storage(), self.get_device())
        return dtype

    def choose_unet_storage(self) -> torch.dtype:
        """Store in float8 where the user chose it, on the command line or as "Diffusion in Low Bits"."""
        from backend.args import dynamic_args

        chosen = dynamic_args.get("forge_unet_storage_dtype")
        return self.choose_storable(chosen, self.management.unet_dtype(self.get_device(), model_params=UNET_PARAMETERS))

    def choose_decoder_dtype(self) -> torch.dtype:
        """Compute as the host's own VAE does."""
        dtype: torch.dtype = self.management.vae_dtype(self.get_device(), allowed_dtypes=DECODER_DTYPES)
        return dtype

    def swap_layers(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Build of layers that cast and copy their weights as they run.

        Always, because a storage dtype may differ and because Forge's Conv3d runs in no other way. Its plain ones by
        name: left to choose, Neo takes such for float8 as round what goes through them, too.
        """
        from backend import operations

        context: AbstractContextManager[None] = operations.using_forge_operations(
            operations.ForgeOperations, dtype=dtype, manual_cast_enabled=True
        )
        return context
