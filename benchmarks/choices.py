"""What our own settings cost and save, on one set of weights: python -m benchmarks.choices

Both branches of guidance at once or in turn, frames decoded at a time, bytes that a transformer works on at a time.
Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks.clip import add_condition_options, describe_conditions, measure_difference, order_of, say
from benchmarks.meter import Stages
from benchmarks.ours import Ours, find_network
from benchmarks.side import AUGMENTATION, FPS, MAX_GUIDANCE, MIN_GUIDANCE, MOTION, Order
from lib_svd.engine import attention, guidance, schedule
from lib_svd.engine.conditioning import Conditioning, embed_motion
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder

MEGABYTE = 2**20


@dataclass
class Choice:
    """One way to do `what`."""

    what: str
    choice: str
    work: Callable[[], Tensor]
    stages: list[Stages] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choices", description=__doc__)
    add_condition_options(parser)
    parser.add_argument("--only", nargs="*", choices=list(MAKERS), default=list(MAKERS))
    options = parser.parse_args()
    order = order_of(options)
    if order.threads:
        torch.set_num_threads(order.threads)
    side = Ours(order)
    loaded = side.memory.held()
    found: list[dict[str, Any]] = []
    for what in options.only:
        with torch.inference_mode():
            found += _measure(MAKERS[what](side, order), side, options.repeats, loaded)
    row = {
        "kind": "choices",
        **describe_conditions(order, options.revision),
        "repeats": options.repeats,
        "choices": found,
    }
    print(json.dumps(row))


def time_branches(side: Ours, order: Order) -> list[Choice]:
    """One step with guidance."""
    return [
        Choice("guidance branches", "at once", _make_step(side, order, halves=False)),
        Choice("guidance branches", "in turn", _make_step(side, order, halves=True)),
    ]


def decode(side: Ours, order: Order) -> list[Choice]:
    """Latents to frames."""
    chunks = [order.frames, *(chunk for chunk in (8, 4, 2, 1) if chunk < order.frames)]
    network = cast(VaeDecoder, find_network(side.svd.decoder))
    latents = _draw_noise(order.frames, 4, order).to(side.host.memory.get_device(), side.svd.decoder.dtype)

    def work(chunk: int) -> Tensor:
        return torch.cat([frames.float().cpu() for frames in network.decode_frames(latents, chunk)])

    return [Choice("frames decoded at a time", str(chunk), partial(work, chunk)) for chunk in chunks]


def time_chunk_bytes(side: Ours, order: Order) -> list[Choice]:
    """One step, with what a transformer works on at a time bounded."""
    name = "CPU_CHUNK_BYTES" if order.device == "cpu" else "GPU_CHUNK_BYTES"
    before, step = getattr(attention, name), _make_step(side, order, halves=False)

    def work(bound: int) -> Tensor:
        setattr(attention, name, bound)
        try:
            return step()
        finally:
            setattr(attention, name, before)

    sizes = [before // 4, before // 2, before, 2 * before]
    return [Choice("transformer chunk", f"{size // MEGABYTE} MB", partial(work, size)) for size in sizes]


MAKERS = {"branches": time_branches, "decode": decode, "chunk_bytes": time_chunk_bytes}


def _measure(choices: Sequence[Choice], side: Ours, repeats: int, loaded: int) -> list[dict[str, Any]]:
    """Every choice in turns, after one round to warm up; each result held against the first choice's."""
    first = choices[0].work().float().cpu()
    rounds = repeats if side.host.memory.get_device().type == "cpu" else repeats + 1
    apart: dict[str, float] = {}
    for _ in range(rounds):
        for choice in choices:
            stages = Stages(side.memory)
            stages.begin("work")
            result = choice.work()
            stages.end()
            choice.stages.append(stages)
            apart[choice.choice] = measure_difference(result.float().cpu().numpy(), first.numpy())["rms"]
            del result
            say(f"{choice.what}: {choice.choice}: {stages.seconds} {stages.cpu_seconds} {stages.peaks}")
    return [_compute_figures(choice, repeats, loaded, apart[choice.choice]) for choice in choices]


def _compute_figures(choice: Choice, repeats: int, loaded: int, rms: float) -> dict[str, Any]:
    kept = choice.stages[-repeats:]
    peak = min(stages.peaks["work"] for stages in kept)
    return {
        "what": choice.what,
        "choice": choice.choice,
        "seconds": _take_median([stages.seconds["work"] for stages in kept]),
        "cpu_seconds": _take_median([stages.cpu_seconds["work"] for stages in kept]),
        "peak": peak,
        "working": peak - loaded,
        "rms": rms,
    }


def _make_step(side: Ours, order: Order, *, halves: bool) -> Callable[[], Tensor]:
    """One step of a clip."""
    embed = side.svd.configs.unet.context_dim
    start = _draw_noise(1, 4, order)
    clip = Conditioning(torch.ones(1, 1, embed), start, embed_motion(FPS, MOTION, AUGMENTATION))
    sigmas = schedule.karras(order.steps)
    device = side.host.memory.get_device()
    denoise = Denoiser(
        cast(UNet, find_network(side.svd.unet)),
        clip,
        sigmas,
        guidance.linear(MIN_GUIDANCE, MAX_GUIDANCE, order.frames),
        device=device,
        dtype=side.svd.unet.dtype,
        halves=halves,
    )
    x = (_draw_noise(order.frames, 4, order) * 700).to(device)
    return lambda: denoise(x, sigmas[0])


def _draw_noise(count: int, channels: int, order: Order) -> Tensor:
    g = torch.Generator().manual_seed(2)
    return torch.randn(count, channels, order.height // 8, order.width // 8, generator=g)


def _take_median(values: Sequence[float]) -> float:
    return float(f"{statistics.median(values):.4g}")


if __name__ == "__main__":
    main()
