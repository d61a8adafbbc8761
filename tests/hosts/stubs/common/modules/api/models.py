"""What travels over HTTP; written so that pydantic 1 and 2 read it."""

from __future__ import annotations

from typing import Any, Optional

from modules import shared
from pydantic import BaseModel

_KNOWN = tuple(shared.options_templates)
"""Options that a host told of by now; those that extensions add later are left out of GET options."""
Text = Optional[str]  # noqa: UP045 (pydantic 1 evaluates it on Python 3.10 too)


class _Generation(BaseModel):
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = -1
    sampler_name: Text = None
    scheduler: Text = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 20
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    override_settings: Optional[dict[str, Any]] = None  # noqa: UP045
    override_settings_restore_afterwards: bool = True
    script_name: Text = None
    script_args: list[Any] = []
    alwayson_scripts: dict[str, Any] = {}
    send_images: bool = True
    save_images: bool = False
    infotext: Text = None
    force_task_id: Text = None


class StableDiffusionTxt2ImgProcessingAPI(_Generation):
    enable_hr: bool = False


class StableDiffusionImg2ImgProcessingAPI(_Generation):
    init_images: Optional[list[Any]] = None  # noqa: UP045
    denoising_strength: float = 0.75
    include_init_images: bool = False


class TextToImageResponse(BaseModel):
    images: Optional[list[str]] = None  # noqa: UP045
    parameters: dict[str, Any]
    info: str


class ImageToImageResponse(BaseModel):
    images: Optional[list[str]] = None  # noqa: UP045
    parameters: dict[str, Any]
    info: str


class PNGInfoRequest(BaseModel):
    image: str


class PNGInfoResponse(BaseModel):
    info: str
    items: dict[str, Any] = {}
    parameters: dict[str, Any] = {}


class ProgressRequest(BaseModel):
    skip_current_image: bool = False


class ProgressResponse(BaseModel):
    progress: float
    eta_relative: float
    state: dict[str, Any]
    current_image: Text = None
    textinfo: Text = None


class ScriptsList(BaseModel):
    txt2img: list[str]
    img2img: list[str]


class ScriptArg(BaseModel):
    label: Text = None
    value: Optional[Any] = None  # noqa: UP045
    minimum: Optional[Any] = None  # noqa: UP045
    maximum: Optional[Any] = None  # noqa: UP045
    step: Optional[Any] = None  # noqa: UP045
    choices: Optional[Any] = None  # noqa: UP045


class ScriptInfo(BaseModel):
    name: Text = None
    is_alwayson: Optional[bool] = None  # noqa: UP045
    is_img2img: Optional[bool] = None  # noqa: UP045
    args: list[ScriptArg]
