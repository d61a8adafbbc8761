"""The job behind Generate."""

from __future__ import annotations

from contextlib import closing

import gradio as gr
from modules import processing, scripts
from modules.shared import opts
from modules.ui_common import plaintext_to_html
from modules_forge import main_thread


def txt2img_function(id_task: str, request: gr.Request, *args):
    prompt, negative_prompt, count, size, cfg, height, width, *script_args = args
    p = processing.StableDiffusionProcessingTxt2Img(
        outpath_samples=getattr(opts, "outdir_samples", "") or opts.outdir_txt2img_samples,
        outpath_grids=opts.outdir_txt2img_grids,
        prompt=prompt,
        negative_prompt=negative_prompt,
        n_iter=int(count),
        batch_size=int(size),
        cfg_scale=cfg,
        width=int(width),
        height=int(height),
    )
    p.scripts = scripts.scripts_txt2img
    p.script_args = tuple(script_args)
    return _shown(p)


def txt2img(id_task: str, request: gr.Request, *args):
    return main_thread.run_and_wait_result(txt2img_function, id_task, request, *args)


def _shown(p):
    """What the gallery and the texts below it get."""
    with closing(p):
        processed = p.scripts.run(p, *p.script_args) or processing.process_images(p)
    pictures = processed.images + processed.extra_images
    comments = plaintext_to_html(processed.comments, classname="comments")
    return pictures, processed.js(), plaintext_to_html(processed.info), comments
