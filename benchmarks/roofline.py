"""What a clip takes at a chip's own rates, by count at full size: python -m benchmarks.roofline

Prints one JSON row; neither a GPU nor memory is needed, since the networks run on the meta device. Every operation is
counted as it is called in half precision on a GPU: its multiply-adds, and each tensor that it reads or writes once. It
can take no less than the longer of both at the chip's rates; the sum over all operations is a floor that does not
depend on the machine at hand. What a library's kernel does worse than that is not in it.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import flop_registry

from benchmarks.clip import find_revision
from benchmarks.gpu_like import META, GpuKernels
from benchmarks.scales import SCALES
from benchmarks.weights import build_peer_networks
from lib_svd.engine import fused
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder

CHIP, RATE, BANDWIDTH = "H200", 790e12, 4.8e12  # half precision as measured, memory as its maker says
FRAMES, HEIGHT, WIDTH = 25, 576, 1024
HALF = torch.float16

KINDS = {
    "convolutions": ("convolution",),
    "matrix products": ("addmm", "mm", "bmm", "baddbmm"),
    "attention": ("attention",),
    "norms": ("native_group_norm", "native_layer_norm", "mean", "linalg_vector_norm", "norm_silu"),
    "activations": ("silu", "silu_", "gelu", "mul", "mul_", "gated"),
    "copies": ("copy_", "clone", "cat", "constant_pad_nd", "_to_copy", "repeat", "upsample_nearest2d"),
}
"""By the name of the operation; what is in none of them are sums."""
FREE = ("empty_like", "new_empty", "detach", "_unsafe_view")
READS = {
    "native_group_norm": 2,
    "norm_silu": 2,
}  # times that the input is read: for the statistics, then for the result


@dataclass
class Count:
    """Of all operations of a kind."""

    calls: int = 0
    flops: float = 0
    bytes: float = 0
    seconds: float = 0

    def add(self, flops: float, moved: float) -> None:
        """One operation."""
        self.calls += 1
        self.flops += flops
        self.bytes += moved
        self.seconds += max(flops / RATE, moved / BANDWIDTH)


class Counter(TorchDispatchMode):
    """Counts what is called inside, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, Count] = defaultdict(Count)

    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        named = named or {}
        result = func(*given, **named)
        name = func._overloadpacket.__name__
        inputs = [given, *(value for key, value in named.items() if key != "out")]
        taken = [x for x in tree_flatten(inputs)[0] if isinstance(x, Tensor)]
        if taken and not func.is_view and name not in FREE:
            count = flop_registry.get(func._overloadpacket)
            flops = count(*given, **named, out_val=result) if count else 0
            self.note(name, taken, [x for x in tree_flatten(result)[0] if isinstance(x, Tensor)], flops)
        return result

    def note(self, name: str, taken: list[Tensor], made: list[Tensor], flops: float = 0) -> None:
        """One operation by its name."""
        kind = next((kind for kind, names in KINDS.items() if name in names), "sums")
        if name == "addcmul" and taken[0].dtype != taken[1].dtype:
            kind = "norms"  # the float32 multiply-add of half numbers
        moved = (
            READS.get(name, 1) * _count_bytes(taken[0])
            + sum(map(_count_bytes, taken[1:]))
            + sum(map(_count_bytes, made))
        )
        self.counts[kind].add(flops, moved)

    def note_attention(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        """Scores and their product with v."""
        self.note("attention", [q, k, v], [q], 4 * q.numel() * k.shape[-2])


def _count_bytes(x: Tensor) -> int:
    return x.numel() * x.element_size()


@contextmanager
def _count_as_one_kernel(counter: Counter) -> Iterator[None]:
    """What is compiled counts as one kernel a function: inputs once (a norm's twice), the result once."""

    def count_calls(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(x: Tensor, *more: Any) -> Tensor:
            counter.note(function.__name__.strip("_"), [x], [x[..., : x.shape[-1] // 2] if not more else x])
            return torch.empty_like(x) if more else x.new_empty(*x.shape[:-1], x.shape[-1] // 2)

        return call

    with fused.compile_inside(), patch.object(fused, "fuse", count_calls):
        yield


def _count(work: Callable[[], object], around: Callable[[Counter], AbstractContextManager[None]]) -> dict[str, Count]:
    counter = Counter()
    with ExitStack() as inside:
        for each in (META, torch.no_grad(), around(counter), GpuKernels(counter.note_attention), counter):
            inside.enter_context(each)
        work()
    return counter.counts


def _halve(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    return network.to(META, HALF).to(memory_format=layout).eval()


def _make_zeros(*shape: int, dtype: torch.dtype = HALF) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device=META)


def _build_our_step() -> Callable[[], object]:
    scale = SCALES["full"]
    with META:
        unet = _halve(UNet(scale.configs.unet), torch.channels_last)
        with torch.no_grad():
            vector, context = _make_zeros(1, 768, dtype=torch.float32), _make_zeros(2, 1, scale.embed)
            tables = unet.make_tables(_make_zeros(1, dtype=torch.float32), vector, context, FRAMES)
    x = _make_zeros(2 * FRAMES, 8, HEIGHT // 8, WIDTH // 8).contiguous(memory_format=torch.channels_last)
    return lambda: unet(x, tables, 0)


def _build_our_decode() -> Callable[[], object]:
    with META:
        decoder = _halve(VaeDecoder(SCALES["full"].configs.decoder), torch.channels_last)
    latents = _make_zeros(FRAMES, 4, HEIGHT // 8, WIDTH // 8)
    return lambda: list(decoder.decode_frames(latents, FRAMES))


def _build_their_step() -> Callable[[], object]:
    scale = SCALES["full"]
    unet = _halve(build_peer_networks(scale)["unet"], torch.contiguous_format)
    x, context = _make_zeros(2, FRAMES, 8, HEIGHT // 8, WIDTH // 8), _make_zeros(2, 1, scale.embed)
    return lambda: unet(x, _make_zeros(1, dtype=torch.float32), context, _make_zeros(2, 3, dtype=torch.float32))


def _build_their_decode() -> Callable[[], object]:
    vae = _halve(build_peer_networks(SCALES["full"])["vae"], torch.contiguous_format)
    latents = _make_zeros(FRAMES, 4, HEIGHT // 8, WIDTH // 8)
    return lambda: vae.decode(latents, num_frames=FRAMES)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__)
    parser.add_argument("--revision", help="what to write for it, where git does not say")
    revision = parser.parse_args().revision or find_revision()
    about = {"date": date.today().isoformat(), "revision": revision, "device": "meta", "device_name": CHIP}
    rates = {"flops_a_second": RATE, "bytes_a_second": BANDWIDTH, "frames": FRAMES, "size": [WIDTH, HEIGHT]}
    print(json.dumps({"kind": "roofline", **about, "torch": torch.__version__, **rates, "stages": count_stages()}))


def count_stages() -> dict[str, dict[str, dict[str, Any]]]:
    """By stage, then by who computes it, then by kind of operation: calls, flops, bytes, seconds."""
    stages = {"a step": (_build_our_step, _build_their_step), "decoding": (_build_our_decode, _build_their_decode)}
    made = {
        stage: {
            "ours": _count(ours(), lambda _: nullcontext()),
            "--compile": _count(ours(), _count_as_one_kernel),
            "diffusers": _count(theirs(), lambda _: nullcontext()),
        }
        for stage, (ours, theirs) in stages.items()
    }
    return {
        stage: {who: {kind: asdict(counts[kind]) for kind in (*KINDS, "sums")} for who, counts in by.items()}
        for stage, by in made.items()
    }


if __name__ == "__main__":
    main()
