"""AUTOMATIC1111's web UI: it keeps its checkpoint on the GPU and manages nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from lib_svd.hosts.standalone import StandaloneHost, StandaloneResident
from lib_svd.hosts.webui import WebuiHost
from lib_svd.ports import Part

T = TypeVar("T")


class A1111Host(WebuiHost, StandaloneHost):
    """A web UI's face on the stand-alone residency, with the host's checkpoint as one more that can make room."""

    name = "A1111"

    def __init__(self) -> None:
        from modules import devices

        WebuiHost.__init__(self)
        StandaloneHost.__init__(self, "cpu")
        self._device = devices.get_optimal_device()
        self._sent_away = False  # the host's checkpoint, by us

    def dtype(self, part: Part) -> torch.dtype:
        """The host's own for its UNet and its VAE; the encoder decides every frame: float32."""
        from modules import devices

        dtypes = {"encoder": torch.float32, "decoder": devices.dtype_vae}
        dtype: torch.dtype = dtypes.get(part, devices.dtype)
        return dtype

    def exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Afterwards the GPU is the host's again: it does not know of our networks, nor how to send them away."""

        def tidy() -> T:
            try:
                return work()
            finally:
                self._hand_back()

        return super().exclusively(job, tidy)

    def capacity(self) -> int:
        """As stand-alone; the host's checkpoint can make room too."""
        return super().capacity() + self._checkpoint_bytes()

    def make_room(self, wanted: int, owner: StandaloneResident) -> bool:
        """Send our own away first, then the host's checkpoint; whether `wanted` bytes are free."""
        if super().make_room(wanted + self._checkpoint_bytes(), owner):
            return True
        if self._checkpoint_bytes():
            from modules import sd_models

            sd_models.send_model_to_cpu(sd_models.model_data.sd_model)
            self._sent_away = True
        return super().make_room(wanted, owner)

    def _checkpoint_bytes(self) -> int:
        """Of the device, that the host's checkpoint takes now."""
        from modules import sd_models

        model = sd_models.model_data.sd_model  # not shared.sd_model, which loads one where there is none
        if model is None or self._device.type == "cpu":
            return 0
        return sum(p.nbytes for p in model.parameters() if p.device == self._device)

    def _hand_back(self) -> None:
        from modules import devices, sd_models

        for resident in self.residents():
            resident.leave()
        devices.torch_gc()
        if self._sent_away:
            sd_models.send_model_to_device(sd_models.model_data.sd_model)
            self._sent_away = False
