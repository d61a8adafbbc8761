"""A web UI whose memory management we do not use: our networks are in our own keeping, beside its models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lib_svd.hosts.lacking import DEVICE, Lacks, Need
from lib_svd.hosts.own_memory import OwnMemory, choose_device, choose_dtype
from lib_svd.hosts.webui import WebuiHost, make_webui_host


class BesideMemory(OwnMemory):
    """Our own keeping within what the web UI leaves free, and gone after each job."""

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Lend the GPU to the work inside; after it the GPU is the web UI's again, which does not know how to send our
        networks away.
        """
        try:
            yield
        finally:
            self.hand_back()

    def hand_back(self) -> None:
        """Send our networks away."""
        for resident in self.list_residents():
            resident.leave()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def make_beside_host(name: str, keeping: type[BesideMemory] = BesideMemory, why: str = "") -> WebuiHost:
    """Make a web UI with our networks beside its models, on the device that it is told to use.

    Args:
        name: what log lines call it.
        keeping: how room is made.
        why: what it lacks of the memory management that we know; "" where it has none.
    """
    lacks = Lacks()
    if why:
        lacks.note(Need.MEMORY, why)
    lacks.look(DEVICE)
    device = lacks.guard(Need.DEVICE, _find_host_device)() or choose_device()
    memory = keeping(device, choose_dtype("auto", device))
    return make_webui_host(name, memory, lacks, memory.lend)


def _find_host_device() -> torch.device:
    """Say where the host computes, as the user has told it."""
    from modules import devices

    device: torch.device = devices.get_optimal_device()
    return device
