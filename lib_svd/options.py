"""What every option is where the user has not set it; `Host.options` has each of these names."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    # ours; a web UI shows them on its page of settings, see ui/options.py
    "svd_checkpoint": "",  # the model chosen last
    "svd_preset": "",  # the preset chosen last
    "svd_extra_dir": "",
    "outdir_svd_samples": "",
    "svd_picture_dir": "",
    "svd_copies": [],
    "svd_formats": "",
    "svd_save_frames": False,
    "svd_keep_loaded": True,
    "svd_review": True,
    "svd_finishing": "",  # what the Finish panel was set to last, as `Finishing.text` has it
    "svd_finishing_copies": [],
    "svd_finish_every": False,
    "svd_fetch_pictures": False,
    "svd_compile": False,
    "svd_preview": True,
    # of web UIs, which do not all have them
    "save_to_dirs": False,
    "outdir_samples": "",
    "outdir_txt2img_samples": "outputs/txt2img",
    "outdir_img2img_samples": "outputs/img2img",
    "outdir_extras_samples": "outputs/extras",
    "outdir_videos": "",
    "live_previews_enable": True,
    "video_crf": None,
    "video_preset": None,
    "video_profile": None,
    "video_container": None,
    "video_player_auto": True,
    "video_player_loop": True,
}
