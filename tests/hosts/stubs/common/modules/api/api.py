"""The routes below /sdapi/v1."""

from __future__ import annotations

import base64
import io
import time
from contextlib import closing
from secrets import compare_digest
from typing import Any

import gradio as gr
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from modules import images, infotext_utils, progress, script_callbacks, scripts, sd_models, shared
from modules.api import models
from modules.processing import (
    StableDiffusionProcessingImg2Img,
    StableDiffusionProcessingTxt2Img,
    process_extra_images,
    process_images,
)
from modules.shared import opts
from PIL import PngImagePlugin

_NOT_OF_A_PICTURE = ("script_name", "script_args", "alwayson_scripts", "infotext", "send_images", "save_images")
_NOT_EITHER = ("force_task_id", "include_init_images", "init_images")


def script_name_to_index(name, scripts):
    titles = [script.title().lower() for script in scripts]
    if name.lower() not in titles:
        raise HTTPException(status_code=422, detail=f"There is no script {name!r}")
    return titles.index(name.lower())


def decode_base64_to_image(encoding):
    encoded = encoding.split(",", 1)[1] if encoding.startswith("data:image/") else encoding
    try:
        return images.read(io.BytesIO(base64.b64decode(encoded)))
    except Exception as error:
        raise HTTPException(status_code=500, detail="Invalid encoded image") from error


def encode_pil_to_base64(image):
    if isinstance(image, str):
        return image
    chunks = PngImagePlugin.PngInfo()
    for key, text in image.info.items():
        if isinstance(key, str) and isinstance(text, str):
            chunks.add_text(key, text)
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=chunks)
    return base64.b64encode(file.getvalue())


class Api:
    def __init__(self, app: FastAPI, queue_lock):
        self.app, self.queue_lock = app, queue_lock
        pairs = (pair.split(":") for pair in shared.cmd_opts.api_auth.split(",")) if shared.cmd_opts.api_auth else ()
        self.credentials = dict(pairs)
        posts = {
            **{"txt2img": self.text2imgapi, "img2img": self.img2imgapi, "png-info": self.pnginfoapi},
            **{"interrupt": self.interruptapi, "skip": self.skip, "options": self.set_config},
            "unload-checkpoint": self.unloadapi,
        }
        gets = {
            **{"progress": self.progressapi, "options": self.get_config, "cmd-flags": self.get_cmd_flags},
            **{"scripts": self.get_scripts_list, "script-info": self.get_script_info},
        }
        for method, routes in (("POST", posts), ("GET", gets)):
            for name, endpoint in routes.items():
                self.add_api_route(f"/sdapi/v1/{name}", endpoint, methods=[method])
        self.default_script_arg_txt2img = self.init_default_script_args(scripts.scripts_txt2img)
        self.default_script_arg_img2img = self.init_default_script_args(scripts.scripts_img2img)

    def add_api_route(self, path: str, endpoint, **kwargs):
        if shared.cmd_opts.api_auth:
            kwargs["dependencies"] = [Depends(self.auth)]
        return self.app.add_api_route(path, endpoint, **kwargs)

    def auth(self, credentials: HTTPBasicCredentials = Depends(HTTPBasic())):  # noqa: B008 (as FastAPI wants it)
        known = self.credentials.get(credentials.username)
        if known is not None and compare_digest(credentials.password, known):
            return True
        raise HTTPException(status_code=401, detail="Wrong name or password", headers={"WWW-Authenticate": "Basic"})

    def init_default_script_args(self, script_runner):
        values: list[Any] = [None] * max([1, *(script.args_to or 0 for script in script_runner.scripts)])
        values[0] = 0
        with gr.Blocks():  # controls are made again, only for their values
            for script in script_runner.scripts:
                if script.ui(script.is_img2img):
                    again = script.ui(script.is_img2img)
                    values[script.args_from : script.args_to] = [control.value for control in again]
        return values

    def get_script(self, script_name, script_runner):
        return script_runner.scripts[script_name_to_index(script_name, script_runner.scripts)]

    def get_selectable_script(self, script_name, script_runner):
        if not script_name:
            return None, None
        index = script_name_to_index(script_name, script_runner.selectable_scripts)
        return script_runner.selectable_scripts[index], index

    def init_script_args(
        self,
        request,
        default_script_args,
        selectable_scripts,
        selectable_idx,
        script_runner,
        *,
        input_script_args=None,
    ):
        values = list(default_script_args)
        if selectable_scripts:
            values[selectable_scripts.args_from : selectable_scripts.args_to] = request.script_args
            values[0] = selectable_idx + 1
        for index, value in (input_script_args or {}).items():
            values[index] = value
        for name, given in (request.alwayson_scripts or {}).items():
            script = self.get_script(name, script_runner)
            if not script.alwayson:
                raise HTTPException(status_code=422, detail=f"{name} is not always on")
            room = script.args_to - script.args_from
            for offset, value in enumerate(given.get("args", [])[:room]):
                values[script.args_from + offset] = value
        return values

    def apply_infotext(self, request, tabname, *, script_runner=None, mentioned_script_args=None):
        if not request.infotext:
            return {}
        parameters = infotext_utils.parse_generation_parameters(request.infotext)
        given = request.dict(exclude_unset=True)
        indexes = {component: index for index, component in enumerate(script_runner.inputs)}
        for field in infotext_utils.paste_fields[tabname]["fields"]:
            value = field.function(parameters) if field.function else parameters.get(field.label)
            if isinstance(value, dict):  # gradio's update
                value = value.get("value")
            if value is None:
                continue
            if field.api in type(request).__annotations__ and field.api not in given:
                setattr(request, field.api, type(getattr(request, field.api))(value))
            if field.component in indexes:
                kind = type(field.component.value)
                mentioned_script_args[indexes[field.component]] = value if kind is type(None) else kind(value)
        return parameters

    def text2imgapi(self, txt2imgreq: models.StableDiffusionTxt2ImgProcessingAPI):
        return self._generated(
            txt2imgreq,
            "txt2img",
            StableDiffusionProcessingTxt2Img,
            scripts.scripts_txt2img,
            self.default_script_arg_txt2img,
        )

    def img2imgapi(self, img2imgreq: models.StableDiffusionImg2ImgProcessingAPI):
        if img2imgreq.init_images is None:
            raise HTTPException(status_code=404, detail="Init image not found")
        return self._generated(
            img2imgreq,
            "img2img",
            StableDiffusionProcessingImg2Img,
            scripts.scripts_img2img,
            self.default_script_arg_img2img,
        )

    def _generated(self, request, tab, kind, runner, defaults):
        task = request.force_task_id or progress.create_task_id(tab)
        mentioned: dict[int, Any] = {}
        self.apply_infotext(request, tab, script_runner=runner, mentioned_script_args=mentioned)
        script, index = self.get_selectable_script(request.script_name, runner)
        values = self.init_script_args(request, defaults, script, index, runner, input_script_args=mentioned)
        given = {key: value for key, value in vars(request).items() if key not in (*_NOT_OF_A_PICTURE, *_NOT_EITHER)}
        given.update(do_not_save_samples=not request.save_images, do_not_save_grid=not request.save_images)
        if tab == "img2img":
            given["init_images"] = [decode_base64_to_image(each) for each in request.init_images]
        progress.add_task_to_queue(task)
        with self.queue_lock, closing(kind(sd_model=shared.sd_model, **given)) as p:
            p.is_api, p.scripts = True, runner
            p.outpath_grids = getattr(opts, f"outdir_{tab}_grids", "")
            p.outpath_samples = getattr(opts, f"outdir_{tab}_samples", "")
            try:
                shared.state.begin(job=f"scripts_{tab}")
                progress.start_task(task)
                p.script_args = tuple(values)
                processed = process_images(p) if script is None else runner.run(p, *p.script_args)
                process_extra_images(processed)
                progress.finish_task(task)
            finally:
                shared.state.end()
        every = processed.images + processed.extra_images
        encoded = list(map(encode_pil_to_base64, every)) if request.send_images else []
        answer = models.TextToImageResponse if tab == "txt2img" else models.ImageToImageResponse
        return answer(images=encoded, parameters=vars(request), info=processed.js())

    def pnginfoapi(self, req: models.PNGInfoRequest):
        geninfo, items = images.read_info_from_image(decode_base64_to_image(req.image.strip()))
        parameters = infotext_utils.parse_generation_parameters(geninfo or "")
        script_callbacks.infotext_pasted_callback(geninfo or "", parameters)
        items = {key: value for key, value in items.items() if isinstance(value, str)}
        return models.PNGInfoResponse(info=geninfo or "", items=items, parameters=parameters)

    def progressapi(self, req: models.ProgressRequest = Depends()):  # noqa: B008 (as FastAPI wants it)
        state = shared.state
        if state.job_count == 0:
            return models.ProgressResponse(progress=0, eta_relative=0, state=state.dict(), textinfo=state.textinfo)
        share = 0.01
        if state.job_count > 0:
            share += state.job_no / state.job_count
        if state.sampling_steps > 0:
            share += state.sampling_step / state.sampling_steps / state.job_count
        elapsed = time.time() - state.time_start
        picture = None
        if state.current_image and not req.skip_current_image:
            picture = encode_pil_to_base64(state.current_image)
        return models.ProgressResponse(
            progress=min(1, share),
            eta_relative=elapsed / share - elapsed,
            state=state.dict(),
            current_image=picture,
            textinfo=state.textinfo,
        )

    def interruptapi(self):
        shared.state.interrupt()
        return {}

    def skip(self):
        shared.state.skip()

    def unloadapi(self):
        sd_models.unload_model_weights()
        return {}

    def get_config(self):
        return {key: getattr(opts, key) for key in models._KNOWN}

    def set_config(self, req: dict[str, Any]):
        for key, value in req.items():
            opts.set(key, value, is_api=True)
        opts.save(shared.config_filename)

    def get_cmd_flags(self):
        return vars(shared.cmd_opts)

    def get_scripts_list(self):
        runners = {"txt2img": scripts.scripts_txt2img, "img2img": scripts.scripts_img2img}
        names = {tab: [each.name for each in runner.scripts if each.name] for tab, runner in runners.items()}
        return models.ScriptsList(**names)

    def get_script_info(self):
        every = [*scripts.scripts_txt2img.scripts, *scripts.scripts_img2img.scripts]
        return [script.api_info for script in every if script.api_info is not None]
