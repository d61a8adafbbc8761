"""What the web UI's Settings page offers for this extension."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from lib_svd import video


class Row(NamedTuple):
    """One option: what it is called, and how it is shown."""

    label: str
    component: Any = None  # of gradio; None: by the type of the option's default
    how: dict[str, Any] | None = None  # arguments of the component


ROWS = {
    "svd_checkpoint": Row("SVD model; the tab keeps your choice here"),
    "svd_preset": Row("SVD preset; the tab keeps your choice here"),
    "svd_extra_dir": Row("Another folder with SVD models"),
    "outdir_svd_samples": Row("Folder for clips; empty: beside the folders for pictures"),
    "svd_picture_dir": Row("Another folder of pictures that programs, and jobs for a whole folder, may read"),
    "svd_copies": Row("Write every clip in these formats too", gr.CheckboxGroup, {"choices": video.list_formats()}),
    "svd_formats": Row("How these formats are written, where not as usual, such as h265:24:slow, gif:bayer"),
    "svd_save_frames": Row('Tick "Save frames too" when the page loads'),
    "svd_keep_loaded": Row("Keep the model in memory between clips"),
    "svd_review": Row("Measure every clip"),
    "svd_finishing": Row("How clips are finished; the Finish panel of the tab keeps your choices here"),
    "svd_finishing_copies": Row(
        "Formats of finished clips; the Finish panel keeps them here",
        gr.CheckboxGroup,
        {"choices": video.list_formats()},
    ),
    "svd_finish_every": Row("Finish every clip so; the clip itself stays"),
    "svd_fetch_pictures": Row("Let programs name pictures by their address in the net, never in this network"),
    "svd_compile": Row("Compile small kernels once after each start: faster on CUDA, where Triton is there"),
    "svd_preview": Row("Show a preview while a clip is being made"),
}
"""By the name of the option, see `options.DEFAULTS`."""
