"""Loading takes little more memory than the weights that stay. Measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig, VisionConfig
from tests.checkpoints.files import list_native_keys

MOST = 1.15  # times the size of the weights
MIDDLING = NetworkConfigs(
    unet=UNetConfig(channels=(128, 256, 512), num_res_blocks=1, attention=(True, True, True), context_dim=256),
    encoder=EncoderConfig(channels=(64, 128)),
    decoder=DecoderConfig(channels=(64, 128)),
    vision=VisionConfig(width=320, num_layers=4, mlp_width=1280, embed_dim=256),
)
LOAD = """
import sys, torch
from pathlib import Path
from lib_svd.checkpoints import load, recognise
from tests.checkpoints.files import make_host

def peak():  # not getrusage: its peak is handed down from the process that started this one
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

dtype = getattr(torch, sys.argv[2])
torch.ones(999, dtype=torch.float16).to(dtype)
checkpoint = recognise(sys.argv[1])
before = peak()
svd = load(checkpoint, make_host(dtype))
size = sum(checkpoint.parameters.values()) * dtype.itemsize
print(size, (peak() - before) / size)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process its peak memory")
@pytest.mark.parametrize(("stored", "wanted"), [("float16", "float16"), ("float32", "float16"), ("float16", "float32")])
def test_peak_memory_of_loading(tmp_path: Path, stored: str, wanted: str) -> None:
    dtype = getattr(torch, stored)
    path = tmp_path / "svd.safetensors"
    save_file({key: torch.full(shape, 0.5, dtype=dtype) for key, shape in list_native_keys(MIDDLING).items()}, path)

    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path), wanted],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    path.unlink()

    assert done.stderr == ""
    size, times = map(float, done.stdout.split())
    assert size > 140e6
    assert 0.9 < times < MOST
