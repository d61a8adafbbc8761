"""What everybody in a host shares."""

from __future__ import annotations

import os
from pathlib import Path

from modules import shared_cmd_options, shared_state
from modules.options import OptionHTML, OptionInfo, Options, options_section
from modules.paths_internal import data_path, extensions_dir, models_path, script_path

__all__ = ["OptionHTML", "data_path", "extensions_dir", "models_path", "options_section", "script_path"]

cmd_opts = shared_cmd_options.cmd_opts
parser = shared_cmd_options.parser
config_filename = cmd_opts.ui_settings_file

demo = None
sd_model = None
mem_mon = None
settings_components = None
tab_names: list[str] = []
sd_upscalers: list = []
restricted_opts = {"outdir_samples", "outdir_txt2img_samples"}

options_templates = {
    "outdir_samples": OptionInfo("", "Output directory for images"),
    "outdir_txt2img_samples": OptionInfo(str(Path("outputs") / "txt2img-images"), "Folder for txt2img images"),
    "save_to_dirs": OptionInfo(True, "Save images to a subdirectory"),
    "samples_save": OptionInfo(True, "Always save all generated images"),
    "live_previews_enable": OptionInfo(True, "Show live previews of the created image"),
    "live_previews_image_format": OptionInfo("png", "Live preview file format"),
    "show_progress_every_n_steps": OptionInfo(10, "Live preview display period"),
    "live_preview_refresh_period": OptionInfo(1000, "Progressbar and preview update period"),
    "memmon_poll_rate": OptionInfo(0, "VRAM usage polls per second during generation"),
}
opts = Options(options_templates, restricted_opts)
state = shared_state.State()


def _files_below(path, allowed_extensions=None):
    for root, _, names in os.walk(path, followlinks=True):
        for name in sorted(names):
            if allowed_extensions is None or Path(name).suffix.lower() in allowed_extensions:
                yield str(Path(root) / name)


walk_files = _files_below
