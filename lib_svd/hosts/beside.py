"""A web UI whose memory management we do not use: our networks are in our own keeping, beside its models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from lib_svd.hosts.lacking import DEVICE, Need
from lib_svd.hosts.standalone import StandaloneHost, choose_device, choose_dtype
from lib_svd.hosts.webui import WebuiHost

T = TypeVar("T")


class BesideHost(WebuiHost, StandaloneHost):
    """A web UI's face on the stand-alone residency: within what the web UI leaves free, and gone after each job.

    Args:
        why: what it lacks of the memory management that we know; "" where it has none.
    """

    name = "a web UI, beside its models"

    def __init__(self, why: str = "") -> None:
        WebuiHost.__init__(self)
        if why:
            self.lacks.note(Need.MEMORY, why)
        self.lacks.look(DEVICE)
        StandaloneHost.__init__(self, "cpu")
        device = self.lacks.guarded(Need.DEVICE, _host_device)()
        self._device = device or choose_device()
        self._dtype = choose_dtype("auto", self._device)

    def exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Afterwards the GPU is the host's again: it does not know of our networks, nor how to send them away."""

        def tidy() -> T:
            try:
                return work()
            finally:
                self.hand_back()

        return super().exclusively(job, tidy)

    def hand_back(self) -> None:
        """Send our networks away."""
        for resident in self.residents():
            resident.leave()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _host_device() -> torch.device:
    """Where the host computes, as the user has told it."""
    from modules import devices

    device: torch.device = devices.get_optimal_device()
    return device
