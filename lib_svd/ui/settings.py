"""What the web UI's Settings page offers for this extension."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from lib_svd import video


class Setting(NamedTuple):
    """One option: what it is at first, what it is called, how it is shown."""

    default: Any
    label: str
    component: Any = None  # of gradio; None: by the default's type
    how: dict[str, Any] | None = None  # arguments of the component


SETTINGS = {
    "svd_checkpoint": Setting("", "SVD model; the tab keeps your choice here"),
    "svd_preset": Setting("", "SVD preset; the tab keeps your choice here"),
    "svd_extra_dir": Setting("", "Another folder with SVD models"),
    "outdir_svd_samples": Setting("", "Folder for clips; empty: beside the folders for pictures"),
    "svd_copies": Setting(
        [], "Write every clip as a moving picture too", gr.CheckboxGroup, {"choices": sorted(video.COPIES)}
    ),
    "svd_save_frames": Setting(False, 'Tick "Save frames too" when the page loads'),
    "svd_keep_loaded": Setting(True, "Keep the model in memory between clips"),
    "svd_review": Setting(True, "Measure every clip"),
    "svd_compile": Setting(False, "Compile small kernels, once a start: faster on CUDA, where Triton is there"),
    "svd_preview": Setting(True, "Show a preview while a clip is being made"),
}
"""By the name that `Host.option` takes."""
