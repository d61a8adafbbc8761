"""Networks kept by a host's ModelPatcher: what Forge, Neo, reForge and Classic have in common.

The host's list of loaded models decides who is on the GPU. It evicts our networks when a picture is made and its own
when a clip is, so nothing has to be brought back by hand.
"""

from __future__ import annotations

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn

from lib_svd.engine.memory import is_out_of_memory
from lib_svd.errors import OutOfMemory
from lib_svd.ports import Part

log = logging.getLogger("svd")

UNET_PARAMETERS = 1_500_000_000  # of the released models: old cards choose their dtype by it
DECODER_DTYPES = [torch.float16, torch.bfloat16, torch.float32]  # best first: NaN of float16 is found and made good
STORABLE = (torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
"""What weights can wait in: numbers with a sign and a fraction, which a cast brings back."""


class PatcherMemory(ABC):
    """A memory management that is a module with a list of loaded models.

    Args:
        management: that module.
        patcher: its ModelPatcher class.
    """

    def __init__(self, management: Any, patcher: Any) -> None:
        self.management, self.patcher = management, patcher
        self._refused: set[object] = set()  # storage dtypes that the log has a line about

    def get_device(self) -> torch.device:
        """Say where the host computes."""
        device: torch.device = self.management.get_torch_device()
        return device

    def choose_dtype(self, part: Part) -> torch.dtype:
        """Take float32 for the encoder, which decides every frame and runs once. The tower follows the UNet, which it
        conditions.
        """
        if part == "encoder":
            return torch.float32
        return self.choose_decoder_dtype() if part == "decoder" else self.choose_unet_dtype()

    def choose_storage(self, part: Part) -> torch.dtype:
        """Say what matrices wait in: for the UNet the host's choice, perhaps float8; else what they compute in."""
        return self.choose_unet_storage() if part == "unet" else self.choose_dtype(part)

    def count_bytes_a_weight(self, part: Part) -> int:
        """Count the bytes of a number of matrices, which wait as they are read."""
        return self.choose_storage(part).itemsize

    @abstractmethod
    def choose_unet_dtype(self) -> torch.dtype:
        """Say what the UNet computes in."""

    @abstractmethod
    def choose_unet_storage(self) -> torch.dtype:
        """Say what the UNet's matrices wait in."""

    @abstractmethod
    def choose_decoder_dtype(self) -> torch.dtype:
        """Say what the decoder computes in."""

    @abstractmethod
    def swap_layers(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Build of the host's layers, which copy their weights from host memory when they must."""

    def choose_storable(self, *choices: object) -> torch.dtype:
        """Take the first of the host's choices of a storage dtype that weights can wait in; None stands for no choice.

        Hosts have others, int8 and such of 4 bits, for which they quantise files of their own models.
        """
        found = next(each for each in (*choices, torch.float16) if each in STORABLE)
        assert isinstance(found, torch.dtype)
        for refused in {each for each in choices if each not in (None, *STORABLE)} - self._refused:
            log.warning("SVD cannot keep its UNet as %s, so it is kept as %s", refused, found)
            self._refused.add(refused)
        return found

    def load(self, patcher: Any, working_bytes: int) -> None:
        """Put as much of a network on the device as leaves `working_bytes` beside it, others evicted.

        Forge has an argument for that room; its `memory_required` evicts others and no more. Classic has none. reForge
        and Neo have one, but give weights up to 40 % of what is free all the same. These three keep
        `minimum_inference_memory()` free, so that is raised by the work.
        """
        load = self.management.load_models_gpu
        if "hard_memory_preservation" in inspect.signature(load).parameters:
            load([patcher], hard_memory_preservation=working_bytes)
            return
        with self._keep_free(working_bytes):
            load([patcher])

    def count_loaded_bytes(self, entry: Any) -> int:
        """Count the bytes of the device that an entry of the host's list takes.

        reForge and Neo count what is there; in the others, which may swap layers, only the weights' places tell.
        """
        if hasattr(entry, "model_loaded_memory"):
            return int(entry.model_loaded_memory())
        size, network = self.management.module_size, entry.model.model
        return int(size(network) - size(network, exclude_device=entry.device))

    @contextmanager
    def _keep_free(self, working_bytes: int) -> Iterator[None]:
        floor = self.management.minimum_inference_memory
        self.management.minimum_inference_memory = lambda: floor() + working_bytes
        try:
            yield
        finally:
            self.management.minimum_inference_memory = floor

    def adopt(self, network: nn.Module, dtype: torch.dtype) -> PatchedResident:
        """Hand a network to the host."""
        return PatchedResident(network, dtype, self)

    def count_capacity(self) -> int:
        """Count the bytes of the device that one network and its work could take, everybody else evicted."""
        device = self.get_device()
        free = int(self.management.get_free_memory(device))
        if not self.management.is_device_cpu(device):
            listed = [each for each in self.management.current_loaded_models if each.model is not None]  # not yet swept
            free += sum(self.count_loaded_bytes(each) for each in listed if each.device == device)
        return max(0, free - int(self.management.minimum_inference_memory()))


class PatchedResident:
    """A network in a host's ModelPatcher; see `ports.Resident`."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, memory: PatcherMemory) -> None:
        self.network, self.dtype, self.device, self._memory = network, dtype, memory.get_device(), memory
        self._inside: list[int] = []  # working bytes of the contexts that are open
        self._patcher = self._find_patched()  # ours to hold: hosts forget a patcher that only their list knows

    def count_room(self) -> int:
        """Count the bytes that work could take beside the weights, others evicted.

        Where there is none, layers are swapped anyhow, and then work may have it all: one pass over two guidance
        branches copies every layer once, two passes copy it twice.
        """
        capacity = self._memory.count_capacity()
        if self._memory.management.is_device_cpu(self.device):
            return capacity
        beside = capacity - self._patcher.model_size()
        return int(beside if beside > 0 else capacity)

    @contextmanager
    def bring_to_gpu(self, working_bytes: int) -> Iterator[nn.Module]:
        """Load the network with room for its work, layers swapped where it has to be.

        Raises:
            OutOfMemory: no room for it, everybody else unloaded, or not for the work.
        """
        self._inside.append(working_bytes)
        try:
            self._arrive(working_bytes)
            yield self.network
        except Exception as error:
            if not self._is_out_of_room(error):
                raise
            self._unload_all()
            raise OutOfMemory.on(self.device.type) from error
        finally:
            self._inside.pop()

    def use_fp32(self) -> None:
        """Convert the weights in host memory, and come back if it was called in the middle of work."""
        self._leave()
        self.dtype = torch.float32
        self.network.float()
        self._patcher = self._find_patched()  # it noted the size
        if self._inside:
            self._arrive(2 * max(self._inside))

    def _arrive(self, working_bytes: int) -> None:
        try:
            self._load(working_bytes)
        except Exception as error:
            if not self._is_out_of_room(error):
                raise
            self._leave()
            self._unload_all()
            self._load(working_bytes)

    def _load(self, working_bytes: int) -> None:
        management = self._memory.management
        was_there = bool(self._list_entries())
        self._memory.load(self._patcher, working_bytes)
        if was_there and management.get_free_memory(self.device) < working_bytes:
            self._leave()  # a host divides a network between GPU and CPU once, when it loads it
            self._memory.load(self._patcher, working_bytes)

    def _leave(self) -> None:
        """Go back to host memory, as the host's list does it."""
        for entry in self._list_entries():
            self._memory.management.current_loaded_models.remove(entry)
            entry.model_unload()
        self.network.to(self._patcher.offload_device)  # what a failed arrival left there, too
        self._memory.management.soft_empty_cache()

    def _unload_all(self) -> None:
        self._memory.management.unload_all_models()
        self._memory.management.soft_empty_cache()

    def _list_entries(self) -> list[Any]:
        return [entry for entry in self._memory.management.current_loaded_models if entry.model is self._patcher]

    def _find_patched(self) -> Any:
        return self._memory.patcher(self.network, self.device, self._memory.management.unet_offload_device())

    def _is_out_of_room(self, error: Exception) -> bool:
        """Tell whether the device was full. With DirectML every exception is the host's out-of-memory error."""
        full = self._memory.management.OOM_EXCEPTION
        return is_out_of_memory(error) or (full is not Exception and isinstance(error, full))
