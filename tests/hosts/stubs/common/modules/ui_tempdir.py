"""Files that were saved already are served where they are, with their text chunks, and not copied."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from modules import shared
from PIL import PngImagePlugin

_IS_GRADIO_4 = not hasattr(gr.components, "IOComponent")


def register_tmp_file(gradio_app, filename):
    gradio_app.temp_file_sets[0] = gradio_app.temp_file_sets[0] | {_absolute(filename)}


def check_tmp_file(gradio_app, filename):
    return any(_absolute(filename) in files for files in gradio_app.temp_file_sets)


def save_pil_to_file(pil_image, cache_dir=None, format="png"):
    return _saved(pil_image, cache_dir)


def is_gradio_temp_path(path):
    return Path(os.environ["GRADIO_TEMP_DIR"]).resolve() in Path(path).resolve().parents


def install_ui_tempdir_override():
    if _IS_GRADIO_4:
        gr.processing_utils.save_pil_to_cache = lambda img, cache_dir=None, name="image", format="png": _saved(
            img, cache_dir
        )
        gr.processing_utils.async_move_files_to_cache = _in_place
    else:
        gr.components.IOComponent.pil_to_temp_file = lambda self, img, dir=None, format="png": _saved(img, dir)


def _absolute(filename: str) -> Any:
    return gr.utils.abspath(filename) if _IS_GRADIO_4 else str(Path(filename).absolute())


def _saved(image: Any, folder: str | None) -> str:
    """Where a picture lies: where it was saved, with its time, or in a new file."""
    known = getattr(image, "already_saved_as", None)
    if known and Path(known).is_file():
        timed = f"{known}?{Path(known).stat().st_mtime}"
        register_tmp_file(shared.demo, known)
        register_tmp_file(shared.demo, timed)
        return timed
    Path(folder).mkdir(parents=True, exist_ok=True)
    chunks = PngImagePlugin.PngInfo()
    for key, text in image.info.items():
        if isinstance(key, str) and isinstance(text, str):
            chunks.add_text(key, text)
    with tempfile.NamedTemporaryFile(delete=False, suffix=".png", dir=folder) as file:
        image.save(file, format="PNG", pnginfo=chunks)
    return file.name


_original = getattr(gr.processing_utils, "async_move_files_to_cache", None)


async def _in_place(data, block, postprocess=False, check_in_upload_folder=False, keep_in_cache=False):
    """gradio 4's own, but for files that are registered: they stay where they are."""
    from gradio.data_classes import FileData, GradioModel, GradioRootModel
    from gradio_client import utils

    async def placed(described):
        path = FileData(**described).path.rsplit("?", 1)[0]
        if check_tmp_file(shared.demo, path):
            return FileData(**{**described, "path": path, "url": f"/file={path}"}).model_dump()
        return await _original({**described, "path": path}, block, postprocess, check_in_upload_folder, keep_in_cache)

    plain = data.model_dump() if isinstance(data, (GradioModel, GradioRootModel)) else data
    return await utils.async_traverse(plain, placed, utils.is_file_obj)
