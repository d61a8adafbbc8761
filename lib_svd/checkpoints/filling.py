"""From what is known of a network to the network with its weights.

Weights are read row by row into the memory where they stay, converted on the way; nothing of the file is mapped (see
`tensor_file`), so that one which is rewritten meanwhile is refused with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lib_svd.checkpoints.ahead import ReadAhead
from lib_svd.checkpoints.header import Stamp
from lib_svd.checkpoints.lora_files import Lora
from lib_svd.checkpoints.merging import merge
from lib_svd.checkpoints.sources import Source
from lib_svd.checkpoints.weights import plan_weights
from lib_svd.errors import SvdError
from lib_svd.ports import Host


@dataclass(frozen=True, kw_only=True)
class Unfilled:
    """A network before its weights are read."""

    name: str  # as users know it
    build: Callable[[], nn.Module]  # on the meta device, of whatever layers `torch.nn` holds at the moment
    shapes: Mapping[str, tuple[int, ...]]  # of all its weights
    sources: Mapping[str, Source]  # where they are
    stamps: Sequence[Stamp]  # the files as they were when they were looked at
    dtype: torch.dtype  # in which it computes
    storage: torch.dtype  # in which its matrices wait
    loras: Sequence[Lora] = ()  # what is added to its weights


def fill(wanted: Unfilled, host: Host, progress: Callable[[int], None]) -> nn.Module:
    """Build the network with its weights, on the CPU, ready for the host to adopt.

    Args:
        wanted: what it is.
        host: whose layers it is built of.
        progress: told how many bytes of a file were read just now; may raise to stop.

    Raises:
        BadCheckpoint: a file changed since it was looked at.
        SvdError: the host's own layers did not take a weight.
    """
    stamps = {stamp.path: stamp for stamp in (*wanted.stamps, *(lora.file.stamp for lora in wanted.loras))}
    weights, pieces = plan_weights(wanted.sources, wanted.shapes, wanted.dtype, stamps, storage=wanted.storage)
    with ReadAhead(pieces) as ahead:
        with host.memory.swap_layers(wanted.storage):
            network = wanted.build()
        _give_memory(network, wanted.shapes, wanted.storage)
        for size in ahead:
            progress(size)
    merge(weights, wanted.sources, stamps, wanted.loras, progress)
    # Not torch's own strict check: a host's layers may have helper weights of their own, or none until this call.
    unexpected = network.load_state_dict(weights, strict=False, assign=True).unexpected_keys
    taken = network.state_dict()
    lost = [name for name in wanted.shapes if name not in taken or taken[name].is_meta]
    if lost or unexpected:
        first = ", ".join([*lost, *unexpected][:5])
        raise SvdError(f"The layers of {host.name} did not take weights of the {wanted.name} ({first}): report this.")
    return network.eval().requires_grad_(False)


def _give_memory(network: nn.Module, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> None:
    """Take a host's own helper weights off the meta device.

    Forge's Linear has no weight until it is loaded; it then puts it where its one-element `dummy` is.
    """
    for prefix, module in network.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.is_meta and (f"{prefix}.{name}" if prefix else name) not in shapes:
                setattr(module, name, nn.Parameter(torch.empty(weight.shape, dtype=dtype, device="cpu"), False))
