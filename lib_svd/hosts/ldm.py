"""reForge and Forge Classic: `ldm_patched.modules.model_management`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from lib_svd.hosts.patcher import DECODER_DTYPES, UNET_PARAMETERS, PatcherHost


class LdmHost(PatcherHost):
    """Networks of ComfyUI's casting layers, as these two hosts carry them."""

    name = "reForge or Classic"

    def __init__(self) -> None:
        from ldm_patched.modules import model_management, model_patcher

        super().__init__(model_management, model_patcher.ModelPatcher)

    def unet_dtype(self) -> torch.dtype:
        """As for the host's own diffusion models: None from the host means that nothing is cast."""
        storage = self.unet_storage()
        dtype: torch.dtype = self.management.unet_manual_cast(storage, self.device()) or storage
        return dtype

    def unet_storage(self) -> torch.dtype:
        """float8 where the user chose it."""
        dtype: torch.dtype = self.management.unet_dtype(self.device(), model_params=UNET_PARAMETERS)
        return dtype

    def decoder_dtype(self) -> torch.dtype:
        """As for the host's own VAE; Classic has one answer for all."""
        choose = self.management.vae_dtype
        asked = "allowed_dtypes" in inspect.signature(choose).parameters
        dtype: torch.dtype = choose(self.device(), allowed_dtypes=DECODER_DTYPES) if asked else choose()
        return dtype

    def building(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Layers that cast and copy their weights as they run."""
        from ldm_patched.modules import ops

        context: AbstractContextManager[None] = ops.use_patched_ops(ops.manual_cast)
        return context

    def load(self, patcher: Any, working_bytes: int) -> None:
        """Load with the host's own floor raised by the work.

        Classic has no argument for room beside this network. reForge has, but then gives weights up to 40 % of what is
        free all the same. Both keep `minimum_inference_memory()` free.
        """
        with self._keeping_free(working_bytes):
            self.management.load_models_gpu([patcher])

    def loaded_bytes(self, entry: Any) -> int:
        """reForge counts what is there; Classic loads what it loads, or swaps it, so only placement tells."""
        if hasattr(entry, "model_loaded_memory"):
            return int(entry.model_loaded_memory())
        return int(entry.model_memory() - self.management.module_size(entry.model.model, exclude_device=entry.device))

    @contextmanager
    def _keeping_free(self, working_bytes: int) -> Iterator[None]:
        floor = self.management.minimum_inference_memory
        self.management.minimum_inference_memory = lambda: floor() + working_bytes
        try:
            yield
        finally:
            self.management.minimum_inference_memory = floor
