"""Files of kept latents, spoiled at random: python -m benchmarks.fuzz.latents --count 10000

Exits with 1 where anything but latents or a sentence comes out.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import torch

from benchmarks.fuzz.spoil import run
from lib_svd.latents import load_latents, save_latents
from tests.requests import complete


def main() -> None:
    """Spoil the latents of two small frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = save_latents(
            torch.zeros(2, 4, 3, 5), complete(num_frames=2).write_infotext(), Path(folder, "a.safetensors")
        )
        content = path.read_bytes()
    run(__doc__, itertools.repeat(content), ".latents.safetensors", load_latents, 2000)


if __name__ == "__main__":
    main()
