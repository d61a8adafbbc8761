"""The job behind Generate where there is a picture to start from."""

from __future__ import annotations

import gradio as gr
from modules import images, processing, scripts
from modules.shared import opts
from modules.txt2img import _shown
from modules_forge import main_thread


def img2img(id_task: str, request: gr.Request, *args):
    return main_thread.run_and_wait_result(_img2img, *args)


def _img2img(mode, prompt, negative_prompt, init_img, count, size, cfg, strength, height, width, *script_args):
    p = processing.StableDiffusionProcessingImg2Img(
        outpath_samples=getattr(opts, "outdir_samples", "") or opts.outdir_img2img_samples,
        outpath_grids=opts.outdir_img2img_grids,
        prompt=prompt,
        negative_prompt=negative_prompt,
        n_iter=int(count),
        batch_size=int(size),
        cfg_scale=cfg,
        width=int(width),
        height=int(height),
        init_images=[images.fix_image(init_img)],
        denoising_strength=strength,
    )
    p.scripts = scripts.scripts_img2img
    p.script_args = tuple(script_args)
    return _shown(p)
