"""AUTOMATIC1111's web UI: it keeps its checkpoint on the GPU and manages nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lib_svd.hosts.beside import BesideMemory
from lib_svd.hosts.own_memory import OwnResident
from lib_svd.ports import Part


class A1111Memory(BesideMemory):
    """The host's checkpoint is one more that can make room."""

    _sent_away = False  # the host's checkpoint, by us

    def choose_dtype(self, part: Part) -> torch.dtype:
        """Take the host's own for its UNet and its VAE; the encoder decides every frame: float32."""
        from modules import devices

        dtypes = {"encoder": torch.float32, "decoder": devices.dtype_vae}
        dtype: torch.dtype = dtypes.get(part, devices.dtype)
        return dtype

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Lend the GPU to the work inside, but not while the host loads its first checkpoint, which it does on a thread
        of its own, past its queue.

        It swaps `torch.nn` and `load_state_dict` for all threads then (modules/sd_disable_initialization.py).
        """
        from modules import sd_models

        with super().lend(), sd_models.model_data.lock:
            yield

    def count_capacity(self) -> int:
        """Count as stand-alone; the host's checkpoint can make room too."""
        return super().count_capacity() + self._count_checkpoint_bytes()

    def make_room(self, wanted: int, owner: OwnResident) -> bool:
        """Send our own away first, then the host's checkpoint; whether `wanted` bytes are free."""
        if super().make_room(wanted + self._count_checkpoint_bytes(), owner):
            return True
        if self._count_checkpoint_bytes():
            from modules import sd_models

            sd_models.send_model_to_cpu(sd_models.model_data.sd_model)
            self._sent_away = True
        return super().make_room(wanted, owner)

    def _count_checkpoint_bytes(self) -> int:
        """Count the bytes of the device that the host's checkpoint takes now."""
        from modules import sd_models

        model = sd_models.model_data.sd_model  # not shared.sd_model, which loads one where there is none
        if model is None or self._device.type == "cpu":
            return 0
        return sum(p.nbytes for p in model.parameters() if p.device == self._device)

    def hand_back(self) -> None:
        """Send our networks away, and the host's checkpoint back to where it was."""
        from modules import devices, sd_models

        super().hand_back()
        devices.torch_gc()
        if self._sent_away:
            sd_models.send_model_to_device(sd_models.model_data.sd_model)
            self._sent_away = False
