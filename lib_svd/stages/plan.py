"""How a clip is made within the memory there is: what is run at once, and what that takes. All ways are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lib_svd.checkpoints import Checkpoint
from lib_svd.engine import memory
from lib_svd.engine.config import NetworkConfigs
from lib_svd.engine.memory import DecodePlan
from lib_svd.errors import name_savings
from lib_svd.ports import PART_NAMES, Memory, Part
from lib_svd.request import CompleteRequest


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What a clip will take of the device, in bytes."""

    needed: int  # at the worst moment
    free: int  # with everybody else evicted
    halves: bool  # guidance branches one after the other
    decoding: DecodePlan
    num_frames: int
    swapped: tuple[Part, ...]  # networks that come layer by layer, since they do not fit whole beside their work

    @property
    def fits(self) -> bool:
        """Whether there is as much as is needed."""
        return self.needed <= self.free

    def write_sentence(self) -> str:
        """Say it for people, before they wait."""
        ways = []
        if self.halves:
            ways.append("the guidance branches run one after the other")
        if self.decoding.chunk < self.num_frames:
            ways.append(f"{self.decoding.chunk} frames are decoded at a time")
        if self.swapped:
            ways.append(f"the layers of the {' and the '.join(PART_NAMES[part] for part in self.swapped)} are swapped")
        how = f": {', '.join(ways)}" if ways else ""
        said = f"Memory: about {self.needed / 1e9:.1f} GB of {self.free / 1e9:.1f} GB free{how}."
        return said if self.fits else f"{said} That may not be enough: choose {name_savings()}."


def plan(checkpoint: Checkpoint, request: CompleteRequest, where: Memory, *, is_loaded: bool = False) -> MemoryPlan:
    """Look ahead, before anything is loaded.

    Args:
        checkpoint: the model.
        request: the clip.
        where: the memory in which it shall run.
        is_loaded: whether this model's weights are in host memory already.
    """
    device, free, configs = where.get_device(), where.count_capacity(), checkpoint.configs
    weights = {part: count * where.count_bytes_a_weight(part) for part, count in checkpoint.parameters.items()}
    if device.type == "cpu":  # all networks stay in the same memory
        here = 0 if is_loaded else sum(weights.values())
        room = dict.fromkeys(weights, free - here)
    else:
        room = {part: free - own if own < free else free for part, own in weights.items()}
    frames = checkpoint.family.choose_window(request)
    halves, sampling = plan_sampling(configs, request, frames, where.choose_dtype("unet"), device.type, room["unet"])
    apart = request.decode == "reference" and request.decode_chunk  # each chunk a clip of its own
    size = (request.decode_chunk if apart else request.num_frames, request.height, request.width)
    decoding = list_decode_plans(configs, size, where.choose_dtype("decoder"), room["decoder"], request.decode_chunk)[0]
    work: Mapping[Part, int] = {
        "vision": memory.estimate_vision_bytes(configs.vision, where.choose_dtype("vision")),
        "encoder": memory.estimate_encode_bytes(
            configs.encoder, request.height, request.width, where.choose_dtype("encoder")
        ),
        "unet": sampling,
        "decoder": decoding.bytes,
    }
    swapped: tuple[Part, ...] = ()
    if device.type == "cpu":
        needed = here + max(work.values())
    else:
        swapped = tuple(part for part in work if weights[part] + work[part] > free)
        needed = max(work[part] + (0 if part in swapped else weights[part]) for part in work)
    return MemoryPlan(
        needed=needed,
        free=free,
        halves=halves,
        decoding=decoding,
        num_frames=request.num_frames,
        swapped=swapped,
    )


def plan_sampling(
    configs: NetworkConfigs, request: CompleteRequest, frames: int, dtype: torch.dtype, device: str, room: int
) -> tuple[bool, int]:
    """Decide whether to run the guidance branches one after the other, and what the UNet then takes beside its
    weights, with so many frames at a time.
    """
    scale = configs.encoder.downsampling
    height, width, caches = request.height // scale, request.width // scale, request.cache_interval > 1
    both, one = (
        memory.estimate_unet_bytes(configs.unet, branches * frames, height, width, dtype, device, caches=caches)
        for branches in (2, 1)
    )
    return (False, both) if both <= room else (True, one)


def list_decode_plans(
    configs: NetworkConfigs, size: tuple[int, int, int], dtype: torch.dtype, room: int, chunk: int = 0
) -> list[DecodePlan]:
    """List ways to decode T frames of height x width pixels that fit, the fastest first; the smallest where none
    does.
    """
    plans = memory.list_decode_plans(configs.decoder, *size, dtype, chunk)
    return [each for each in plans if each.bytes <= room] or plans[-1:]
