"""`python -m training.report`: figures of the shipped checkpoint as a table, and its contact sheets, for docs/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from lib_svd.clip import Frames
from training.demo import ROOT, UNSEEN, Demo
from training.measures import measure_difference, measure_flow, measure_psnr
from training.sheets import write_sheet

MOTIONS = (1, 20, 30, 75, 127, 200)
SEEDS = (0, 1, 2)


def main() -> None:
    """Print the table and write the sheets."""
    demo = Demo()
    print("| asked | flow, px a frame | difference | frame 0 to the VAE's own | frame 0 to the picture |")
    print("|---|---|---|---|---|")
    for motion in MOTIONS:
        print(_write_row(demo, f"motion {motion}", motion_bucket_id=motion))
    for fps in (6, 20):
        print(_write_row(demo, f"motion 127, {fps} fps", motion_bucket_id=127, fps=fps))
    for strength in (0.2, 0.6):
        print(_write_row(demo, f"motion 75, augmentation {strength}", motion_bucket_id=75, noise_aug_strength=strength))
    _draw_lighthouse(demo, ROOT / "docs" / "demo-sheet.png")
    _draw_held_out(demo, ROOT / "docs" / "demo-held-out.png")


def _write_row(demo: Demo, asked: str, **settings: object) -> str:
    def mean(measure: Callable[[str, Frames], float]) -> float:
        clips = [(name, demo.clip(name, seed, **settings)) for name in UNSEEN for seed in SEEDS]
        return float(np.mean([measure(name, frames) for name, frames in clips]))

    moved, changed = mean(lambda _, frames: measure_flow(frames)), mean(lambda _, frames: measure_difference(frames))
    own = mean(lambda name, frames: measure_psnr(frames[0], demo.pass_through_vae(demo.fit_picture(name, frames))))
    true = mean(lambda name, frames: measure_psnr(frames[0], demo.fit_picture(name, frames)))
    return f"| {asked} | {moved:.2f} | {changed:.4f} | {own:.1f} dB | {true:.1f} dB |"


def _draw_lighthouse(demo: Demo, path: Path) -> None:
    write_sheet(
        [_convert_to_tensor(demo.clip("lighthouse", 1, motion_bucket_id=motion)) for motion in (20, 75, 127, 200)], path
    )


def _draw_held_out(demo: Demo, path: Path) -> None:
    rows = []
    for name in UNSEEN:
        for motion in (75, 127):
            frames = demo.clip(name, 0, motion_bucket_id=motion)
            rows.append(_convert_to_tensor(np.concatenate([demo.fit_picture(name, frames)[None], frames])))
    write_sheet(rows, path)


def _convert_to_tensor(frames: Frames) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1


if __name__ == "__main__":
    main()
