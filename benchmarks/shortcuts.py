"""What fewer steps and other shortcuts save and cost: python -m benchmarks.shortcuts

Clips of five pictures that the demo checkpoint was not trained on, each against the clip of 25 Karras steps from the
same seed: PSNR of the frames, and CPU time of sampling on one thread. Then the same with the weights of the reference
tensors, which are random. Prints one JSON row to stdout.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clip import find_revision, name_device, say
from lib_svd import images
from lib_svd.animate import Destination, order
from lib_svd.checkpoints import DEMO, Svd, load, recognise
from lib_svd.clip import Frames
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.ports import Host
from lib_svd.request import ClipRequest
from lib_svd.stages import Run, condition, decode, sample
from tests.golden.golden_set import GoldenSet
from tests.tiny import write_tiny
from training.demo import UNSEEN

SEED, MOTION = 3, 127
WHOLE = {"num_steps": 25, "schedule": "karras", "sampler": "euler"}
AYS = {"schedule": "align_your_steps", "sampler": "euler"}
SHORTCUTS: dict[str, dict[str, Any]] = {
    "Karras, 25 steps": WHOLE,
    "Karras, 10": {**WHOLE, "num_steps": 10},
    "Karras, 6": {**WHOLE, "num_steps": 6},
    **{f"Align Your Steps, {n}": {**AYS, "num_steps": n} for n in (12, 10, 8, 6, 4)},
    "Align Your Steps, 10, DPM++ 2M": {**AYS, "num_steps": 10, "sampler": "dpmpp_2m"},
    "guidance at sigma 0.3 and above": {**WHOLE, "guidance_low": 0.3},
    "guidance at sigma 50 and below": {**WHOLE, "guidance_high": 50.0},
    "guidance at sigma 0.3 to 50": {**WHOLE, "guidance_low": 0.3, "guidance_high": 50.0},
    "every 2nd step whole": {**WHOLE, "cache_interval": 2},
    "every 3rd step whole": {**WHOLE, "cache_interval": 3},
    "Align Your Steps, 10, every 2nd whole": {**AYS, "num_steps": 10, "cache_interval": 2},
}


REFERENCE = {"num_frames": 6, "width": 128, "height": 64}
GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
SCALED = "--weights float8, 25 steps"
PLAIN = "the same without a scale for each row"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shortcuts", description=__doc__)
    parser.add_argument("--revision", help="what to write for it, where git does not say")
    revision = parser.parse_args().revision or find_revision()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        of_demo, of_reference = _measure_errors(DEMO, {}), _measure_errors(_find_reference(Path(folder)), REFERENCE)
    rows = [{"name": name, **of_demo[name], "reference_psnr": of_reference[name]["psnr"]} for name in of_demo]
    about = {"date": date.today().isoformat(), "revision": revision, "device": "cpu", "device_name": name_device("cpu")}
    print(json.dumps({"kind": "shortcuts", **about, "torch": torch.__version__, "shortcuts": rows}))


def _find_reference(folder: Path) -> Path:
    """The checkpoint that the reference tensors were made with."""
    networks = GoldenSet(GOLDEN, "A").networks
    return write_tiny(folder / "svd_xt.safetensors", networks.keys, networks.seed)


def _measure_errors(checkpoint: Path, size: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of every shortcut with a model."""
    model, host = recognise(checkpoint), make_standalone_host("cpu", "float32")
    svd = load(model, host)
    made = {}
    for name, settings in SHORTCUTS.items():
        say(f"{checkpoint.name}: {name}")
        made[name] = [_make_clip(svd, host, picture, {**settings, **size}) for picture in UNSEEN.values()]
    for name, weights in ((SCALED, "float8"), (PLAIN, "auto")):
        say(f"{checkpoint.name}: {name}")
        host = make_standalone_host("cpu", "float32", weights=weights)
        svd = load(model, host)
        if name == PLAIN:
            _round_to_float8(svd)
        made[name] = [_make_clip(svd, host, picture, {**WHOLE, **size}) for picture in UNSEEN.values()]
    whole = next(iter(made.values()))
    return {name: _make_row(clips, whole) for name, clips in made.items()}


def _make_clip(svd: Svd, host: Host, picture: Path, settings: dict[str, Any]) -> tuple[Frames, float]:
    """Frames, and seconds of CPU time that sampling took."""
    request = ClipRequest(seed=SEED, motion_bucket_id=MOTION, **settings)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        ordered = order(request, picture, svd.checkpoint, Destination(out=Path(folder) / "clip.mp4"))
        run = Run(svd, ordered.request, host)
        given = condition(run, images.convert_to_tensor(ordered.picture.image))
        began = time.process_time()
        latents = sample(run, given)
        return decode(run, latents), time.process_time() - began


def _round_to_float8(svd: Svd) -> None:
    """Round every matrix of the UNet as a web UI does that keeps them in float8."""
    with svd.unet.bring_to_gpu(0) as network:
        for layer in network.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                layer.weight.data = layer.weight.data.to(torch.float8_e4m3fn).to(layer.weight.dtype)


def _make_row(clips: list[tuple[Frames, float]], whole: list[tuple[Frames, float]]) -> dict[str, Any]:
    errors = [_measure_psnr(a, b) for (a, _), (b, _) in zip(clips, whole, strict=True)]
    seconds, of_whole = (sum(took for _, took in each) for each in (clips, whole))
    same = clips is whole
    mean, least = (None, None) if same else (round(statistics.mean(errors), 1), round(min(errors), 1))
    return {"psnr": mean, "least_psnr": least, "cpu_ratio": round(seconds / of_whole, 2)}


def _measure_psnr(a: Frames, b: Frames) -> float:
    """10 log10(255^2 / mean squared difference), dB."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


if __name__ == "__main__":
    main()
