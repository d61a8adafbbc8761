"""From a recognised file to four networks in the host's keeping.

Weights are read tensor by tensor through `safe_open`, converted on the way, and copied: nothing keeps looking into the
file, which the user may replace. Pages of a mapped file count as memory in use until it is closed, so the file is
opened anew every few hundred megabytes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.ahead import AHEAD, ReadAhead
from lib_svd.checkpoints.families import Family
from lib_svd.checkpoints.header import Stamp, opened, refusal, stamp_of
from lib_svd.checkpoints.native_layout import PARTS
from lib_svd.checkpoints.recognise import Checkpoint
from lib_svd.checkpoints.sources import Source
from lib_svd.engine.config import NetworkConfigs
from lib_svd.errors import BadCheckpoint, Interrupted, SvdError
from lib_svd.ports import PART_NAMES, Host, Part, Resident

MOST_MAPPED = 256 << 20  # bytes of a file read between two openings
LEAST_MAPPED = 16 << 20
MAPPED_SHARE = 24  # of a checkpoint about one part in this many is mapped at a time: that much is the peak above it
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
    mapped = min(MOST_MAPPED, max(LEAST_MAPPED, total // MAPPED_SHARE))
    in_order = sorted(parts, key=lambda part: _place(checkpoint.sources[part]))
    files = _files(checkpoint, in_order)
    passed_over = max(0, sum(stamp.size for stamp in checkpoint.stamps if stamp.path in files) - total)
    with ReadAhead(files, AHEAD + passed_over) as ahead:
        progress = _progress(checkpoint, host, total, ahead)
        filled = {part: _filled(part, checkpoint, host, mapped, progress) for part in in_order}
    return Svd(checkpoint=checkpoint, residents={part: host.adopt(filled[part], host.dtype(part)) for part in parts})


def _place(sources: Mapping[str, Source]) -> tuple[tuple[Path, str], ...]:
    """Where a network begins: keys stand in a file in their order."""
    return min(source.tensors for source in sources.values() if source.tensors)


def _files(checkpoint: Checkpoint, parts: Sequence[Part]) -> list[Path]:
    """In the order in which they are read."""
    return list(dict.fromkeys(path for part in parts for path, _ in _tensors(checkpoint.sources[part])))


def _tensors(sources: Mapping[str, Source]) -> Iterator[tuple[Path, str]]:
    return (tensor for source in sorted(sources.values(), key=lambda each: each.tensors) for tensor in source.tensors)


def read_weights(
    sources: Mapping[str, Source],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: torch.dtype,
    stamps: Mapping[Path, Stamp],
    *,
    storage: torch.dtype | None = None,
    mapped: int = MOST_MAPPED,
    on_read: Read = lambda size: None,
) -> dict[str, Tensor]:
    """The weights of one network, by name, copied out of their files.

    Args:
        sources: where each weight is.
        shapes: the shape each has in the network.
        dtype: floating-point type to convert to.
        stamps: every file as it was when it was recognised.
        storage: another type for matrices; norms and single factors are too few to save on.
        mapped: bytes read between two openings of a file.
        on_read: called after each weight.

    Returns:
        CPU tensors; convolutions in channels-last memory.

    Raises:
        BadCheckpoint: a file changed.
    """
    weights: dict[str, Tensor] = {}
    for group in _groups(sources, mapped):
        with ExitStack() as closing:
            files: dict[Path, Any] = {}
            for name, source in group.items():
                for path, _ in source.tensors:
                    if path not in files:
                        files[path] = closing.enter_context(_unchanged(stamps[path]))
                wanted = storage if storage and len(shapes[name]) > 1 else dtype
                weights[name] = _read(source, files, shapes[name], wanted)
                on_read(_bytes(source))
            files.clear()
    return weights


def _filled(part: Part, checkpoint: Checkpoint, host: Host, mapped: int, progress: Read) -> nn.Module:
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
    weights = read_weights(sources, shapes, dtype, stamps, storage=storage, mapped=mapped, on_read=progress)
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


def _groups(sources: Mapping[str, Source], most: int) -> Iterator[dict[str, Source]]:
    """The weights in the order of their files, in groups of about `most` bytes."""
    group: dict[str, Source] = {}
    size = 0
    for name in sorted(sources, key=lambda name: sources[name].tensors):
        group[name] = sources[name]
        size += _bytes(sources[name])
        if size >= most:
            yield group
            group, size = {}, 0
    if group:
        yield group


def _unchanged(stamp: Stamp) -> Any:
    """Open a file that must still be as it was recognised: reading past a shortened file's end kills the program."""
    if stamp_of(stamp.path) != stamp:
        raise _changed(stamp.path)
    return opened(stamp.path)


def _read(source: Source, files: Mapping[Path, Any], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if source.transform == "identity":
        return torch.eye(shape[0]).to(dtype).reshape(shape) if len(shape) > 1 else torch.zeros(shape, dtype=dtype)
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    weight = torch.empty(shape, dtype=dtype, device="cpu", memory_format=layout)
    for rows, (path, key) in zip(weight.chunk(len(source.tensors)), source.tensors, strict=True):
        stored = files[path].get_tensor(key)
        if stored.numel() != rows.numel():
            raise _changed(path)
        rows.copy_(stored.T if source.transform == "transpose" else stored.reshape(rows.shape))
    return weight


def _bytes(source: Source) -> int:
    """Of the file, for one weight."""
    width = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}.get(source.dtype, 1)
    return width * math.prod(source.shape) if source.tensors else 0


def _changed(path: Path) -> BadCheckpoint:
    return refusal(path, "was changed while it was being loaded", "wait until it is written, then load it again")


def _progress(checkpoint: Checkpoint, host: Host, total: int, ahead: ReadAhead) -> Read:
    """Report megabytes to the host, a hundred times at most, and stop when it says so."""
    done = shown = 0

    def on_read(size: int) -> None:
        nonlocal done, shown
        done += size
        ahead.used(size)
        if host.interrupted():
            raise Interrupted(f"Loading {checkpoint.path.name} was stopped.")
        if (done - shown) * 100 >= total:
            shown = done
            host.report(done // MEGABYTE, max(1, total // MEGABYTE), f"Loading {checkpoint.path.name}")

    return on_read
