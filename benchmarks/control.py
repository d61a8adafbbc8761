"""What the controls of docs/control.md do to clips of the demo: python -m benchmarks.control

Five pictures, three seeds: the seam of a seamless loop, of windows over time and of segments, each over the median step
from frame to frame; how far colours jump where segments, or clips of the last frame, go on; how near the last frame
comes to a last picture; how much moves outside a mask; how the memory of sampling grows with frames; and how far the
camera goes that is told where to, over how far it was asked to, on pictures with texture everywhere. Prints one JSON
row to stdout.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from benchmarks.clip import find_revision, name_device, say
from benchmarks.meter import Memory, Stages
from lib_svd.animate import Destination, animate, order
from lib_svd.checkpoints import DEMO, load, recognise
from lib_svd.clip import Frames
from lib_svd.engine.windows import place_windows
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.request import ClipRequest
from lib_svd.stages import Run, condition, sample
from tests.control.clips import MASKS, draw_mask, measure_camera, measure_seam, measure_steps
from training.scenes import draw_scene

LIGHTHOUSE = Path(__file__).parents[1] / "examples" / "lighthouse.jpg"
HELD_OUT = Path(__file__).parents[1] / "tests" / "demo" / "pictures"
SIZE = {"width": 80, "height": 48}
TEXTURED = ("camera", "coffee", "coins")  # of the demo's held-out pictures; beside them drawn scenes
STRENGTH = 30
CAMERAS = {
    "pan_left": ("right", -30.0),
    "pan_right": ("right", 30.0),
    "pan_up": ("down", -30.0),
    "pan_down": ("down", 30.0),
    "zoom_in": ("nears", 30.0),
    "zoom_out": ("nears", 100 / 1.3 - 100),
    "orbit_left": ("shift", -30.0),
    "orbit_right": ("shift", 30.0),
}
"""What is measured of each camera at that strength, and how much of it was asked for, percent."""
Make = Callable[..., Frames]


def main() -> None:
    """Measure, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = [*_list_pictures(options.pictures)]
        make = prepare(Path(folder))
        seeds = range(1, options.seeds + 1)
        lines = [_summarise("loop", [_measure_loop(make, each, seed) for each in pictures for seed in seeds])]
        for count in (50, 100):
            lines.append(_summarise(f"{count} frames", [_measure_joins(make, each, count) for each in pictures]))
        lines += _measure_segments(make, pictures)
        lines += [_measure_memory(Path(folder), count) for count in (100, 200)]
        lines.append(_summarise("two pictures", [_measure_meeting(make, *pair) for pair in pairwise(pictures)]))
        for name in MASKS:
            mask = draw_mask(name)
            lines.append(_summarise(f"mask, {name}", [_measure_mask(make, each, mask) for each in pictures]))
        textured = [*_list_textured(pictures)]
        for camera in CAMERAS:
            lines.append(_summarise(f"camera, {camera}", [_measure_camera(make, each, camera) for each in textured]))
    about = {"date": date.today().isoformat(), "revision": find_revision(), "device": "cpu"}
    about |= {"device_name": name_device("cpu"), "torch": torch.__version__, "pictures": len(pictures)}
    print(json.dumps({"kind": "control", **about, "seeds": options.seeds, "lines": lines}))


def _list_pictures(count: int) -> Iterator[Image.Image]:
    yield Image.open(LIGHTHOUSE).convert("RGB")
    rng = np.random.default_rng(7)
    for _ in range(count - 1):
        drawn = np.asarray(draw_scene(rng), np.float64)
        yield Image.fromarray(np.clip(drawn * (255 if drawn.max() <= 1 else 1), 0, 255).astype(np.uint8))


def _list_textured(drawn: Sequence[Image.Image]) -> Iterator[Image.Image]:
    for name in TEXTURED:
        yield Image.open(HELD_OUT / f"{name}.jpg").convert("RGB")
    yield from drawn[3:5]  # full of shapes; those before are a lighthouse, clouds and a table


def prepare(folder: Path) -> Make:
    """Give what makes clips of the demo, in this folder."""
    host, checkpoint = make_standalone_host("cpu", output_dir=folder), recognise(DEMO)
    svd = load(checkpoint, host)
    count = 0

    def make(
        picture: Image.Image, mask: Image.Image | None = None, last: Image.Image | None = None, **given: Any
    ) -> Frames:
        nonlocal count
        count += 1
        for name, each in (("mask", mask), ("last_picture", last)):
            if each is not None:
                given[name] = str(folder / f"{count}-{name}.png")
                each.save(given[name])
        request = ClipRequest(**{"seed": 1, **SIZE, **given})
        made = order(request, picture, checkpoint, Destination(out=folder / f"{count}.mp4"))
        say(f"clip {count}: {given}")
        return animate(made, host, lambda *_: svd).clip.frames

    return make


def _measure_loop(make: Make, picture: Image.Image, seed: int) -> float:
    frames = make(picture, ending="loop", seed=seed)
    return measure_seam(frames) / float(np.median(measure_steps(frames)))


def _measure_joins(make: Make, picture: Image.Image, num_frames: int) -> float:
    """The largest step where a window begins or ends, over the median step."""
    steps = measure_steps(make(picture, num_frames=num_frames))
    ends = {int(end) for window in place_windows(num_frames, 8) for end in (window[0] - 1, window[-1])}
    return max(float(steps[end]) for end in ends if 0 <= end < len(steps)) / float(np.median(steps))


def _measure_segments(make: Make, pictures: Sequence[Image.Image]) -> Iterator[dict[str, Any]]:
    """Six segments: the largest step at a join over the median step; and by how much of 255 the mean colour changes
    there more than in the steps beside it, also where the last frame is encoded as a picture instead.
    """
    clips = [(make(each, num_frames=33, longer="segments"), range(7, 32, 5)) for each in pictures]
    again = [(_go_on(make, each, 6), range(7, 42, 7)) for each in pictures]
    steps = [measure_steps(frames) for frames, _ in clips]
    at_joins = [float(each[list(joins)].max() / np.median(each)) for each, (_, joins) in zip(steps, clips, strict=True)]
    yield _summarise("segments, step", at_joins)
    yield _summarise("segments, colour", [jump for clip in clips for jump in _measure_jumps(*clip)])
    yield _summarise("re-encoded, colour", [jump for clip in again for jump in _measure_jumps(*clip)])
    others = [(frames, set(range(1, len(frames) - 2)) - set(joins)) for frames, joins in clips]
    yield _summarise("elsewhere, colour", [jump for clip in others for jump in _measure_jumps(*clip)])


def _go_on(make: Make, picture: Image.Image, count: int) -> Frames:
    frames = make(picture)
    for seed in range(2, count + 1):
        frames = np.concatenate([frames, make(Image.fromarray(frames[-1]), seed=seed)[1:]])
    return frames


def _measure_jumps(frames: Frames, steps: Iterable[int]) -> list[float]:
    change = np.diff(frames.astype(np.float64).mean((1, 2)), axis=0)
    return [float(np.abs(change[at] - (change[at - 1] + change[at + 1]) / 2).max()) for at in steps]


def _measure_memory(folder: Path, num_frames: int) -> dict[str, Any]:
    """The peak of sampling in windows, beside what was held, over that of 50 frames."""
    peaks = [min(_measure_peak(folder, count) for _ in range(3)) for count in (50, num_frames)]
    return _summarise(f"memory, {num_frames} frames", [peaks[1] / peaks[0]])


def _measure_peak(folder: Path, num_frames: int) -> int:
    host, checkpoint = make_standalone_host("cpu", output_dir=folder), recognise(DEMO)
    asked = ClipRequest(num_frames=num_frames, num_steps=1, width=128, height=128, decode_chunk=4)
    request, _ = checkpoint.family.complete(asked, grid=checkpoint.size_grid)
    run, stages = Run(load(checkpoint, host), request, host), Stages(Memory(torch.device("cpu")))
    with torch.inference_mode():
        clip = condition(run, torch.zeros(1, 3, 128, 128))
        held = stages.memory.held()
        stages.begin("sample")
        sample(run, clip)
        stages.end()
    return stages.peaks["sample"] - held


def _measure_meeting(make: Make, first: Image.Image, last: Image.Image) -> float:
    """How far the last frame is from the last picture, over how far the VAE alone is: 1 is as near as it can."""
    small = last.resize((SIZE["width"], SIZE["height"]), Image.Resampling.LANCZOS)
    ends, alone = (frames.astype(np.float64) for frames in (make(first, last=small), make(small)))
    target = np.asarray(small, np.float64)
    return float(np.sqrt(np.square(ends[-1] - target).mean() / np.square(alone[0] - target).mean()))


def _measure_mask(make: Make, picture: Image.Image, mask: Image.Image) -> float:
    frames = make(picture, mask=mask, mask_edge=4, motion_bucket_id=200).astype(np.float64)
    moved = np.abs(np.diff(frames, axis=0)).mean((0, 3))
    inside, outside = np.asarray(mask) > 0, np.asarray(mask.filter(ImageFilter.MaxFilter(9))) == 0  # beyond the edge
    return float(moved[outside].mean() / moved[inside].mean())


def _measure_camera(make: Make, picture: Image.Image, camera: str) -> float:
    """How far the camera goes, over how far it was asked to."""
    what, asked = CAMERAS[camera]
    frames = make(picture, camera=camera, camera_strength=STRENGTH, width=128, height=128)
    return measure_camera(frames)[what] / asked


def _summarise(what: str, values: list[float]) -> dict[str, Any]:
    least, most, median = min(values), max(values), statistics.median(values)
    say(f"{what}: median {median:.3f}, {least:.3f} to {most:.3f}, of {len(values)}")
    return {
        "what": what,
        "clips": len(values),
        "least": round(least, 3),
        "median": round(median, 3),
        "most": round(most, 3),
    }


if __name__ == "__main__":
    main()
