"""Small stand-ins for what a test or a first try does not have: a checkpoint of random weights, a host.

`python -m lib_svd.testing PATH` writes such a checkpoint; its clips are noise. `make_fake_host` shows how to put a host
together: of ready parts, and of those that the program around us has to give.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.strict import PREFIXES
from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig, VisionConfig
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.hosts.own_upscalers import FileUpscalers
from lib_svd.hosts.standalone import GivenFolders
from lib_svd.options import DEFAULTS
from lib_svd.ports import Host, Memory, Part
from lib_svd.progress import Preview, Progress

T = TypeVar("T")

NARROW = NetworkConfigs(
    unet=UNetConfig(
        channels=(64, 128), num_res_blocks=1, attention=(False, True), emb_dim=256, context_dim=64, vector_dim=768
    ),
    encoder=EncoderConfig(channels=(32, 64, 64), num_res_blocks=1),
    decoder=DecoderConfig(channels=(32, 64, 64), num_res_blocks=2),
    vision=VisionConfig(width=80, num_layers=1, mlp_width=160, embed_dim=64),
)
METADATA = {
    "svd.family": "svd",
    "svd.title": "Random weights: clips are noise",
    "svd.num_frames": "14",
    "svd.width": "256",
    "svd.height": "144",
    "svd.num_steps": "10",
    "svd.licence": "Apache-2.0",
    "svd.commercial_use": "Allowed.",
}


def make_random_weights(configs: NetworkConfigs = NARROW, seed: int = 0) -> dict[str, Tensor]:
    """Make tensors of a checkpoint in the released files' layout: float16, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for part in PREFIXES:
        shapes = networks.list_shapes(part, configs)
        tensors |= make_native_tensors(
            part, {name: draw_tensor(name, shape, generator) for name, shape in shapes.items()}
        )
    return tensors


def make_native_tensors(part: Part, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of one network as the released files have them: float16, time convolutions [.., 3, 1, 1]."""
    return {
        PREFIXES[part] + name: (weight[..., None] if weight.shape[2:] == (3, 1) else weight).half().contiguous()
        for name, weight in weights.items()
    }


def write_checkpoint(
    path: Path, configs: NetworkConfigs = NARROW, seed: int = 0, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write a checkpoint of random weights; `metadata` None describes it as NARROW is."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(make_random_weights(configs, seed), path, metadata=dict(METADATA if metadata is None else metadata))
    return path


def draw_tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw a weight: norms near 1, biases near 0, the rest with unit variance over the inputs."""
    weight: Tensor = torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return weight * 0.05
    if name.endswith("weight") and len(shape) == 1:
        return 1 + weight * 0.05
    inputs = weight[0].numel() if len(shape) > 1 else 4
    return weight / math.sqrt(inputs)


class FakeQueue:
    """Work runs at once, one at a time, and what it reports is kept; see `ports.Queue`.

    Args:
        stops: whether the user asks to stop when they see that.

    Attributes:
        reports: all progress that was reported.
        previews: all pictures that were shown.
    """

    def __init__(self, stops: Callable[[Progress], bool] = lambda progress: False) -> None:
        self.reports: list[Progress] = []
        self.previews: list[Image.Image] = []
        self._stops, self._is_stopped, self._turn = stops, False, threading.RLock()

    def run_exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Run `work` on the caller's thread."""
        with self._turn:
            return work()

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Keep what is told."""
        self.reports.append(progress)
        if preview is not None:
            self.previews.append(preview())
        self._is_stopped = self._stops(progress)

    def is_interrupted(self) -> bool:
        """Give what `stops` said last."""
        return self._is_stopped


def make_fake_host(
    folder: Path,
    *models: Path,
    memory: Memory | None = None,
    queue: FakeQueue | None = None,
    **options: Any,
) -> Host:
    """Make a host for tests.

    Args:
        folder: clips go to `folder/clips`.
        models: folders with models.
        memory: another one than the CPU's in float32.
        queue: another one than a `FakeQueue` that nobody stops.
        options: of `options.DEFAULTS`, those that the user has set.
    """
    memory = memory or OwnMemory(torch.device("cpu"), torch.float32)
    return Host(
        name="a fake",
        memory=memory,
        queue=queue or FakeQueue(),
        folders=GivenFolders(models, folder / "clips"),
        options={**DEFAULTS, **options},
        upscalers=FileUpscalers(memory, models),
    )


if __name__ == "__main__":
    print(write_checkpoint(Path(sys.argv[1])))
