"""reForge and Forge Classic: `ldm_patched.modules.model_management`."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager

import torch

from lib_svd.hosts.patcher import DECODER_DTYPES, UNET_PARAMETERS, PatcherMemory


class LdmMemory(PatcherMemory):
    """Networks of ComfyUI's casting layers, as these two hosts carry them."""

    def __init__(self) -> None:
        from ldm_patched.modules import model_management, model_patcher

        super().__init__(model_management, model_patcher.ModelPatcher)

    def choose_unet_dtype(self) -> torch.dtype:
        """Compute as the host's own diffusion models do: None from the host means that nothing is cast."""
        storage = self.choose_unet_storage()
        dtype: torch.dtype = self.management.unet_manual_cast(storage, self.get_device()) or storage
        return dtype

    def choose_unet_storage(self) -> torch.dtype:
        """Store in float8 where the user chose it."""
        return self.choose_storable(self.management.unet_dtype(self.get_device(), model_params=UNET_PARAMETERS))

    def choose_decoder_dtype(self) -> torch.dtype:
        """Compute as the host's own VAE does; Classic has one answer for all."""
        choose = self.management.vae_dtype
        asked = "allowed_dtypes" in inspect.signature(choose).parameters
        dtype: torch.dtype = choose(self.get_device(), allowed_dtypes=DECODER_DTYPES) if asked else choose()
        return dtype

    def swap_layers(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Build of layers that cast and copy their weights as they run."""
        from ldm_patched.modules import ops

        context: AbstractContextManager[None] = ops.use_patched_ops(ops.manual_cast)
        return context
