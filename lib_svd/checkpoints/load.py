"""From a recognised file to four networks in the host's keeping."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.families import Family
from lib_svd.checkpoints.filling import Unfilled, fill
from lib_svd.checkpoints.native_layout import PARTS
from lib_svd.checkpoints.recognise import Checkpoint
from lib_svd.checkpoints.sources import Source, Stored
from lib_svd.engine.config import NetworkConfigs
from lib_svd.engine.memory import is_out_of_memory
from lib_svd.errors import Interrupted, NotFinite, OutOfMemory
from lib_svd.ports import PART_NAMES, Host, Part, Resident
from lib_svd.progress import Progress, Stage

MEGABYTE = 1_000_000
REMEMBERED = 16  # embeddings and start latents that a loaded model keeps: 100 kB each at most


@dataclass(frozen=True, kw_only=True)
class Svd:
    """A loaded checkpoint: its networks in the host's keeping."""

    checkpoint: Checkpoint
    residents: Mapping[Part, Resident]
    _remembered: OrderedDict[object, Tensor] = field(default_factory=OrderedDict, repr=False, compare=False)

    def recall(self, what: object, make: Callable[[], Tensor]) -> Tensor:
        """Give what `make` gave for the same key before, of the last few; the tensor is not to be changed."""
        if what not in self._remembered:
            self._remembered[what] = make()
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(what)
        return self._remembered[what]

    def keep_for(self, checkpoint: Checkpoint) -> Svd | None:
        """Give the networks that another model has, too, or None: two with unlike LoRAs differ in their UNets alone."""
        if checkpoint.identity != self.checkpoint.identity:
            return None
        return replace(self, residents={part: each for part, each in self.residents.items() if part != "unet"})

    def use_fp32(self, part: Part) -> str:
        """Let a network go on in float32 where half precision gave NaN or infinity; gives what the user should know.

        Raises:
            NotFinite: it is in float32 already.
        """
        resident, name = self.residents[part], PART_NAMES[part]
        if resident.dtype == torch.float32:
            damaged = f"weights of {self.checkpoint.path.name} are damaged, download it again"
            raise NotFinite(f"The {name} gave NaN or infinity in float32: {damaged}.")
        was = str(resident.dtype).removeprefix("torch.")
        resident.use_fp32()
        return f"The {name} gave NaN or infinity in {was}; float32 was used instead."

    @property
    def vision(self) -> Resident:
        """The image tower."""
        return self.residents["vision"]

    @property
    def encoder(self) -> Resident:
        """The VAE encoder."""
        return self.residents["encoder"]

    @property
    def unet(self) -> Resident:
        """The UNet."""
        return self.residents["unet"]

    @property
    def decoder(self) -> Resident:
        """The VAE decoder."""
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
        OutOfMemory: the weights find no room; nothing is kept.
    """
    progress = _make_progress(checkpoint, host, parts)
    in_order = sorted(parts, key=lambda part: _find_place(checkpoint.sources[part]))
    memory = host.memory
    try:
        filled = {part: _build_and_fill(part, checkpoint, host, progress) for part in in_order}
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        advice = "close other programs, or choose a model that is smaller"
        raise OutOfMemory(f"There is no memory left to load {checkpoint.path.name}: {advice}.") from error
    residents = {part: memory.adopt(filled[part], memory.choose_dtype(part)) for part in parts}
    return Svd(checkpoint=checkpoint, residents=residents)


def load_rest(kept: Svd | None, checkpoint: Checkpoint, host: Host) -> Svd:
    """Read the networks of a model but for those that are kept, see `Svd.keep_for`; raises what `load` raises."""
    if kept is None:
        return load(checkpoint, host)
    rest = load(checkpoint, host, [part for part in PARTS if part not in kept.residents])
    return replace(kept, checkpoint=checkpoint, residents={**kept.residents, **rest.residents})


def _find_place(sources: Mapping[str, Source]) -> tuple[Stored, ...]:
    """Say where a network begins, to read the files in the order in which they lie on the disk."""
    return min(source.tensors for source in sources.values() if source.tensors)


def _build_and_fill(part: Part, checkpoint: Checkpoint, host: Host, progress: Callable[[int], None]) -> nn.Module:
    """Build one network and fill it with its weights; raises what `fill` raises."""
    wanted = Unfilled(
        name=PART_NAMES[part],
        build=partial(networks.build, part, checkpoint.configs),
        shapes=networks.list_shapes(part, checkpoint.configs),
        sources=checkpoint.sources[part],
        stamps=checkpoint.stamps,
        dtype=host.memory.choose_dtype(part),
        storage=host.memory.choose_storage(part),
        loras=checkpoint.loras if part == "unet" else (),
    )
    return fill(wanted, host, progress)


def _make_progress(checkpoint: Checkpoint, host: Host, parts: Sequence[Part]) -> Callable[[int], None]:
    """Report megabytes to the host, a hundred times at most, and stop when it says so.

    Returns:
        A function that is told how many bytes of a file were read just now; it may raise Interrupted.
    """
    sources = (source for part in parts for source in checkpoint.sources[part].values())
    total = sum(stored.size for source in sources for stored in source.tensors)
    loading = Progress(Stage.LOADING, 0, max(1, total // MEGABYTE), file=checkpoint.path.name)
    done = shown = 0

    def report_size(size: int) -> None:
        nonlocal done, shown
        done += size
        if host.queue.is_interrupted():
            raise Interrupted(f"{loading.title} was stopped.")
        if (done - shown) * 100 >= total:
            shown = done
            host.report(replace(loading, done=done // MEGABYTE))

    return report_size
