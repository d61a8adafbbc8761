"""Networks in our own keeping: weights wait in host memory and go to the device when they are used."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import nn

from lib_svd.engine.float8 import keep_in_float8
from lib_svd.engine.memory import count_weight_bytes, is_out_of_memory
from lib_svd.engine.unet import UNet
from lib_svd.errors import BadRequest, OutOfMemory
from lib_svd.ports import Part

DTYPES = {"auto": None, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(name: str = "auto") -> torch.device:
    """Choose the device by name; "auto" takes what is there, fastest first.

    Raises:
        BadRequest: that device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there.get(name, False):
        found = ", ".join(device for device, found in there.items() if found)
        raise BadRequest(f"Device {name!r} is not there: this machine and this PyTorch have {found}.")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Choose by name what networks compute in; "auto" is float16 on a GPU and float32 on a CPU.

    Raises:
        BadRequest: there is no such name.
    """
    if name not in DTYPES:
        raise BadRequest(f"Dtype must be one of {', '.join(DTYPES)}, not {name!r}.")
    return DTYPES[name] or (torch.float32 if device.type == "cpu" else torch.float16)


def check_computes(dtype: torch.dtype, device: torch.device) -> None:
    """Try in a moment what would else fail after the weights are loaded.

    Raises:
        BadRequest: this PyTorch cannot compute in that dtype there, as older ones cannot in float16 on a CPU.
    """
    try:
        _compute_a_little(dtype, device)
    except torch.cuda.OutOfMemoryError:
        return  # it can; whether there is room is found out where room is made
    except (RuntimeError, TypeError) as error:  # TypeError: what a Mac's GPU does not know
        name = str(dtype).removeprefix("torch.")
        raise BadRequest(
            f"PyTorch {torch.__version__} cannot compute in {name} on {device.type} ({error}): use float32."
        ) from error


def _compute_a_little(dtype: torch.dtype, device: torch.device) -> None:
    """Do the kinds of work that the networks are made of, on next to nothing."""
    with torch.inference_mode():
        x = torch.zeros(1, 2, 2, 2, dtype=dtype, device=device)
        F.group_norm(F.conv2d(F.silu(x), x[..., :1, :1]), 1)
        F.linear(F.gelu(F.layer_norm(x, (2,))), x[0, 0])
        F.scaled_dot_product_attention(x, x, x)


class OwnMemory:
    """What fits stays on the device; the rest makes room for it, or comes layer by layer.

    Args:
        device: where networks compute.
        dtype: what they compute in; the encoder always in float32.
        in_float8: keep the UNet's matrices in half the memory, rounded.
        budget: bytes of the device that may be used; None: what is free.
    """

    def __init__(
        self, device: torch.device, dtype: torch.dtype, *, in_float8: bool = False, budget: int | None = None
    ) -> None:
        self._device, self._dtype, self._in_float8, self._budget = device, dtype, in_float8, budget
        self._residents: list[weakref.ref[OwnResident]] = []  # a model that nobody holds any more shall go

    def get_device(self) -> torch.device:
        """Say where networks compute."""
        return self._device

    def choose_dtype(self, part: Part) -> torch.dtype:
        """Take float32 for the encoder, which runs once a clip and decides every frame, as in the reference."""
        return torch.float32 if part == "encoder" else self._dtype

    def choose_storage(self, part: Part) -> torch.dtype:
        """Read weights as they compute; float8 is made of that, which needs all of a row."""
        return self.choose_dtype(part)

    def count_bytes_a_weight(self, part: Part) -> int:
        """Count one byte a number for matrices in float8."""
        return 1 if part == "unet" and self._in_float8 else self.choose_dtype(part).itemsize

    def count_capacity(self) -> int:
        """Count the bytes of the device that our networks and their work may take in all."""
        if self._budget is not None:
            return self._budget
        return _count_unused_bytes(self._device) + self._count_held()

    def swap_layers(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Build networks of plain torch layers."""
        return nullcontext()

    def adopt(self, network: nn.Module, dtype: torch.dtype) -> OwnResident:
        """Keep a network."""
        if self._in_float8 and isinstance(network, UNet):
            keep_in_float8(network)
        resident = OwnResident(network, dtype, self)
        self._residents = [weakref.ref(r) for r in (*self.list_residents(), resident)]
        return resident

    def list_residents(self) -> list[OwnResident]:
        """List the networks in our keeping that somebody still holds, the oldest first."""
        return [resident for reference in self._residents if (resident := reference()) is not None]

    def make_room(self, wanted: int, owner: OwnResident) -> bool:
        """Send other networks back to host memory until `wanted` bytes are free; tell whether they are."""
        for other in self.list_residents():
            if self.count_capacity() - self._count_held(but=owner) >= wanted:
                break
            if other is not owner:
                other.leave()
        return self.count_capacity() - self._count_held(but=owner) >= wanted

    def _count_held(self, but: OwnResident | None = None) -> int:
        return sum(r.count_bytes_on_device() for r in self.list_residents() if r is not but)


class OwnResident:
    """A network that is on the device while it is used; see `ports.Resident`."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, memory: OwnMemory) -> None:
        self.network, self.dtype, self.device, self._memory = network, dtype, memory.get_device(), memory
        self._state = "away"  # or "there", or "streamed": layer by layer

    @property
    def weights(self) -> int:
        """How many bytes all parameters take."""
        return count_weight_bytes(self.network)

    def count_bytes_on_device(self) -> int:
        """Count the bytes that the network holds of the device now."""
        return self.weights if self._state == "there" else 0

    def count_room(self) -> int:
        """Count the bytes that work could take beside the weights, other networks sent away."""
        if self.device.type == "cpu":
            return self._memory.count_capacity()
        return self._memory.count_capacity() - (0 if self._state == "streamed" else self.weights)

    @contextmanager
    def bring_to_gpu(self, working_bytes: int) -> Iterator[nn.Module]:
        """Bring the network to the device, whole if there is room, else layer by layer.

        Raises:
            OutOfMemory: the device had no room for the weights or for the work.
        """
        try:
            self._arrive(working_bytes)
            yield self.network
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory.on(self.device.type) from error

    def use_fp32(self) -> None:
        """Convert the weights."""
        self.dtype = torch.float32
        self.network.float()

    def leave(self) -> None:
        """Go back to host memory."""
        if self._state == "there":
            self.network.to("cpu")
            self._state = "away"

    def _arrive(self, working_bytes: int) -> None:
        if self.device.type == "cpu" or self._state == "streamed":
            return
        if self._memory.make_room(self.weights + working_bytes, self):
            self._state = "there"  # before it is: if room runs out halfway, `leave` must still bring the half back
            self.network.to(self.device)
        else:
            self.leave()
            stream_layers(self.network, self.device)
            self._state = "streamed"


def stream_layers(network: nn.Module, device: torch.device) -> None:
    """Keep convolutions and linear layers in host memory, on the device while they run: diffusers' group offloading.

    What remains, norms and single factors, is small and goes to the device for good.

    Raises:
        OutOfMemory: this diffusers is older than its group offloading.
    """
    try:
        from diffusers.hooks.group_offloading import apply_group_offloading
    except ImportError as error:
        needs = "to bring its layers one by one needs diffusers 0.33 or newer"
        advice = "ask for a smaller clip, or run `pip install 'diffusers>=0.33'`"
        raise OutOfMemory(f"A network does not fit on {device}, and {needs}: {advice}.") from error

    layers = [module for module in network.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    parts = {part for layer in layers for part in layer.modules()}
    for module in network.modules():
        if module not in parts:
            for name, parameter in module.named_parameters(recurse=False):
                setattr(module, name, nn.Parameter(parameter.to(device), requires_grad=False))
    # A list of them, not the network: a norm is also reached without its parent's forward. Nor each on its own, which
    # diffusers 0.33 takes for a parent.
    apply_group_offloading(
        nn.ModuleList(layers), onload_device=device, offload_device=torch.device("cpu"), offload_type="leaf_level"
    )


def _count_unused_bytes(device: torch.device) -> int:
    """Count the memory that nobody uses, the allocator's own reserve included."""
    if device.type == "cuda":
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + reserve
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    import psutil

    return int(psutil.virtual_memory().available)
