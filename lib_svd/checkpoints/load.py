"""From a recognised file to four networks in the host's keeping.

Weights are read row by row into the memory where they stay, converted on the way; nothing of the file is mapped (see
`tensor_file`), so that one which is rewritten meanwhile is refused with a sentence.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path

import torch
from torch import Tensor, nn

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.ahead import AHEAD, ReadAhead
from lib_svd.checkpoints.families import Family
from lib_svd.checkpoints.header import Stamp, changed, opened
from lib_svd.checkpoints.native_layout import PARTS
from lib_svd.checkpoints.recognise import Checkpoint
from lib_svd.checkpoints.sources import Source, Stored
from lib_svd.engine.config import NetworkConfigs
from lib_svd.errors import Interrupted, SvdError
from lib_svd.ports import PART_NAMES, Host, Part, Resident
from lib_svd.progress import Progress, Stage
from lib_svd.tensor_file import read_into

PIECE = 2 << 20  # bytes of a weight read at a time, where they are converted
TORCH = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2},
}
"""The dtypes that `strict.FLOATS` lets in."""
MEGABYTE = 1_000_000
REMEMBERED = 16  # embeddings and start latents that a loaded model keeps: 100 kB each at most

Read = Callable[[int], None]
"""Told how many bytes of a file were read just now; may raise Interrupted."""


@dataclass(frozen=True, kw_only=True)
class Svd:
    """A loaded checkpoint: its networks in the host's keeping."""

    checkpoint: Checkpoint
    residents: Mapping[Part, Resident]
    _remembered: OrderedDict[object, Tensor] = field(default_factory=OrderedDict, repr=False, compare=False)

    def remembered(self, what: object, make: Callable[[], Tensor]) -> Tensor:
        """What `make` gave for the same key before, of the last few; the tensor is not to be changed."""
        if what not in self._remembered:
            self._remembered[what] = make()
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(what)
        return self._remembered[what]

    @property
    def vision(self) -> Resident:
        """Image tower."""
        return self.residents["vision"]

    @property
    def encoder(self) -> Resident:
        """VAE encoder."""
        return self.residents["encoder"]

    @property
    def unet(self) -> Resident:
        """UNet."""
        return self.residents["unet"]

    @property
    def decoder(self) -> Resident:
        """VAE decoder."""
        return self.residents["decoder"]

    @property
    def family(self) -> Family:
        """What the model was made for."""
        return self.checkpoint.family

    @property
    def configs(self) -> NetworkConfigs:
        """Sizes of the networks."""
        return self.checkpoint.configs


def load(checkpoint: Checkpoint, host: Host, parts: Sequence[Part] = PARTS) -> Svd:
    """Read the networks, or some of them, each into the dtype that the host computes it in.

    Raises:
        BadCheckpoint: a file changed since it was recognised.
        Interrupted: the user stopped it; nothing is kept.
    """
    total = sum(_bytes(source) for part in parts for source in checkpoint.sources[part].values())
    in_order = sorted(parts, key=lambda part: _place(checkpoint.sources[part]))
    files = _files(checkpoint, in_order)
    passed_over = max(0, sum(stamp.size for stamp in checkpoint.stamps if stamp.path in files) - total)
    with ReadAhead(files, AHEAD + passed_over) as ahead:
        progress = _progress(checkpoint, host, total, ahead)
        filled = {part: _filled(part, checkpoint, host, progress) for part in in_order}
    return Svd(checkpoint=checkpoint, residents={part: host.adopt(filled[part], host.dtype(part)) for part in parts})


def _place(sources: Mapping[str, Source]) -> tuple[Stored, ...]:
    """Where a network begins."""
    return min(source.tensors for source in sources.values() if source.tensors)


def _files(checkpoint: Checkpoint, parts: Sequence[Part]) -> list[Path]:
    """In the order in which they are read."""
    return list(dict.fromkeys(stored.path for part in parts for stored in _tensors(checkpoint.sources[part])))


def _tensors(sources: Mapping[str, Source]) -> Iterator[Stored]:
    return (stored for source in sorted(sources.values(), key=lambda each: each.tensors) for stored in source.tensors)


def read_weights(
    sources: Mapping[str, Source],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: torch.dtype,
    stamps: Mapping[Path, Stamp],
    *,
    storage: torch.dtype | None = None,
    on_read: Read = lambda size: None,
) -> dict[str, Tensor]:
    """The weights of one network, by name, copied out of their files.

    Args:
        sources: where each weight is.
        shapes: the shape each has in the network.
        dtype: floating-point type to convert to.
        stamps: every file as it was when it was recognised.
        storage: another type for matrices; norms and single factors are too few to save on.
        on_read: called after each weight.

    Returns:
        CPU tensors; convolutions in channels-last memory.

    Raises:
        BadCheckpoint: a file changed.
    """
    weights: dict[str, Tensor] = {}
    memory = torch.empty(PIECE, dtype=torch.uint8, device="cpu")
    with ExitStack() as closing:
        files: dict[Path, BufferedReader] = {}
        for name in sorted(sources, key=lambda name: sources[name].tensors):
            source = sources[name]
            for stored in source.tensors:
                if stored.path not in files:
                    files[stored.path] = closing.enter_context(opened(stored.path))
            wanted = storage if storage and len(shapes[name]) > 1 else dtype
            weights[name] = _read(source, files, shapes[name], wanted, memory)
            for stored in source.tensors:
                _check_unchanged(files[stored.path], stamps[stored.path])
            on_read(_bytes(source))
    return weights


def _filled(part: Part, checkpoint: Checkpoint, host: Host, progress: Read) -> nn.Module:
    """One network with its weights.

    Raises:
        SvdError: the host's own layers did not take a weight.
    """
    dtype, storage = host.dtype(part), host.storage(part)
    shapes = networks.shapes(part, checkpoint.configs)
    with host.building(storage):
        network = networks.build(part, checkpoint.configs)
    _give_memory(network, shapes, storage)
    stamps = {stamp.path: stamp for stamp in checkpoint.stamps}
    sources = checkpoint.sources[part]
    weights = read_weights(sources, shapes, dtype, stamps, storage=storage, on_read=progress)
    # Not torch's own strict check: a host's layers may have helper weights of their own, or none until this call.
    unexpected = network.load_state_dict(weights, strict=False, assign=True).unexpected_keys
    taken = network.state_dict()
    lost = [name for name in shapes if name not in taken or taken[name].is_meta]
    if lost or unexpected:
        first = ", ".join([*lost, *unexpected][:5])
        raise SvdError(
            f"The layers of {host.name} did not take weights of the {PART_NAMES[part]} ({first}): report this."
        )
    return network.eval().requires_grad_(False)


def _give_memory(network: nn.Module, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> None:
    """Take a host's own helper weights off the meta device.

    Forge's Linear has no weight until it is loaded; it then puts it where its one-element `dummy` is.
    """
    for prefix, module in network.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.is_meta and (f"{prefix}.{name}" if prefix else name) not in shapes:
                setattr(module, name, nn.Parameter(torch.empty(weight.shape, dtype=dtype, device="cpu"), False))


def _check_unchanged(file: BufferedReader, stamp: Stamp) -> None:
    """A file that is read must still be as it was recognised."""
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (stamp.size, stamp.mtime_ns):
        raise changed(stamp.path)


def _read(
    source: Source, files: Mapping[Path, BufferedReader], shape: tuple[int, ...], dtype: torch.dtype, memory: Tensor
) -> Tensor:
    if source.transform == "identity":
        return torch.eye(shape[0]).to(dtype).reshape(shape) if len(shape) > 1 else torch.zeros(shape, dtype=dtype)
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    weight = torch.empty(shape, dtype=dtype, device="cpu", memory_format=layout)
    for part, stored in zip(weight.chunk(len(source.tensors)), source.tensors, strict=True):
        files[stored.path].seek(stored.begin)
        rows = part.T if source.transform == "transpose" else part
        _fill(rows, files[stored.path], memory.view(TORCH[source.dtype]))
    return weight


def _fill(weight: Tensor, file: BufferedReader, memory: Tensor) -> None:
    """Read a weight from where the file stands, through memory of the dtype in which it is stored there."""
    if weight.dtype == memory.dtype and weight.is_contiguous():
        read_into(file, _bytes_of(weight))
        return
    row = weight[0].numel()
    if row > len(memory):
        memory = torch.empty(row, dtype=memory.dtype, device="cpu")
    for rows in weight.split(len(memory) // row):
        stored = memory[: rows.numel()]
        read_into(file, _bytes_of(stored))
        rows.copy_(stored.view(rows.shape))


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.view(-1).view(torch.uint8).numpy().data


def _bytes(source: Source) -> int:
    """Of the file, for one weight."""
    return sum(stored.size for stored in source.tensors)


def _progress(checkpoint: Checkpoint, host: Host, total: int, ahead: ReadAhead) -> Read:
    """Report megabytes to the host, a hundred times at most, and stop when it says so."""
    loading = Progress(Stage.LOADING, 0, max(1, total // MEGABYTE), file=checkpoint.path.name)
    done = shown = 0

    def on_read(size: int) -> None:
        nonlocal done, shown
        done += size
        ahead.used(size)
        if host.interrupted():
            raise Interrupted(f"{loading.title} was stopped.")
        if (done - shown) * 100 >= total:
            shown = done
            host.report(replace(loading, done=done // MEGABYTE))

    return on_read
