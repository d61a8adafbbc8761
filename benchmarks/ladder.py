"""What clips of the released model take of cards of several sizes, by our own count: nothing is measured here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.scales import SCALES
from lib_svd.animate import complete_request
from lib_svd.checkpoints import FAMILIES, Checkpoint
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.ports import Part
from lib_svd.request import ClipRequest
from lib_svd.stages import plan

GB = 10**9
CARDS = (24, 12, 8, 6, 4)  # GB that are free
CLIPS = ((14, 1024, 576), (25, 1024, 576), (50, 1024, 576), (25, 768, 768), (25, 1280, 704))
ROOMY = 200 * GB


def make_card(free: int, weights: str = "float16") -> OwnMemory:
    """A GPU of so many free bytes, in half precision; it is only named, and none is needed."""
    return OwnMemory(torch.device("cuda"), torch.float16, in_float8=weights == "float8", budget=free)


class _Released(Checkpoint):
    @property
    def parameters(self) -> dict[Part, int]:
        return _count_weights()


def make_released() -> Checkpoint:
    """The released model with 25 frames, without a file."""
    return _Released(
        path=Path("svd_xt.safetensors"),
        family=FAMILIES["svd_xt"],
        configs=SCALES["full"].configs,
        layout="stability",
        sources={},
        stamps=(),
        dtypes={},
        metadata={},
    )


def measure_ladder() -> Iterator[dict[str, Any]]:
    """25 frames of 1024x576 on every card, and 14 on the smallest; there in float8 too."""
    for free in CARDS:
        smallest = free == min(CARDS)
        for weights in ("float16", "float8") if smallest else ("float16",):
            for frames in (25, 14) if smallest else (25,):
                yield _make_row(free * GB, frames, 1024, 576, weights)


def measure_growth() -> Iterator[dict[str, Any]]:
    """Clips of several lengths and sizes where there is room for everything at once, and the least they can do with."""
    return ({**_make_row(ROOMY, *clip), "least": _find_least(*clip)} for clip in CLIPS)


def _find_least(frames: int, width: int, height: int) -> int:
    """Bytes of the smallest card, in steps of 100 MB, on which nothing is swapped."""
    sizes = range(0, ROOMY, GB // 10)
    return sizes[bisect_left(sizes, True, key=lambda free: not _make_row(free, frames, width, height)["plan"].swapped)]


def _make_row(free: int, frames: int, width: int, height: int, weights: str = "float16") -> dict[str, Any]:
    model = make_released()
    request, _ = complete_request(ClipRequest(num_frames=frames, width=width, height=height), (width, height), model)
    found = plan(model, request, make_card(free, weights))
    return {"free": free, "weights": weights, "frames": frames, "size": (width, height), "plan": found}


@cache
def _count_weights() -> dict[Part, int]:
    configs = SCALES["full"].configs
    with torch.device("meta"):
        networks: dict[Part, torch.nn.Module] = {
            "unet": UNet(configs.unet),
            "encoder": VaeEncoder(configs.encoder),
            "decoder": VaeDecoder(configs.decoder),
            "vision": VisionTower(configs.vision),
        }
    return {part: sum(p.numel() for p in network.parameters()) for part, network in networks.items()}
