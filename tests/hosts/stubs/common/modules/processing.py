"""Pictures in place of a model's: a gradient from the seed, in as many steps, through every hook of the scripts."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from modules import images, scripts, shared
from modules.infotext_utils import quote
from modules.shared import opts, state
from PIL import Image

opt_C, opt_f = 4, 8
_SECONDS_PER_STEP = float(os.environ.get("STUB_STEP_SECONDS", "0.02"))


@dataclass(repr=False)
class StableDiffusionProcessing:
    sd_model: object = None
    outpath_samples: str | None = None
    outpath_grids: str | None = None
    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] | None = None
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0
    sampler_name: str | None = None
    scheduler: str | None = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    extra_generation_params: dict[str, Any] | None = None
    denoising_strength: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    scripts_value: Any = field(default=None, init=False)
    script_args_value: Any = field(default=None, init=False)
    scripts_setup_complete: bool = field(default=False, init=False)
    all_prompts: list[str] | None = field(default=None, init=False)
    all_negative_prompts: list[str] | None = field(default=None, init=False)
    all_seeds: list[int] | None = field(default=None, init=False)
    all_subseeds: list[int] | None = field(default=None, init=False)
    iteration: int = field(default=0, init=False)
    prompts: list[str] | None = field(default=None, init=False)
    negative_prompts: list[str] | None = field(default=None, init=False)
    seeds: list[int] | None = field(default=None, init=False)
    subseeds: list[int] | None = field(default=None, init=False)
    user: str | None = field(default=None, init=False)
    sd_model_name: str = field(default="stub", init=False)
    sd_model_hash: str = field(default="0123456789", init=False)
    is_api: bool = field(default=False, init=False)

    def __post_init__(self):
        self.comments: dict[str, int] = {}
        self.styles = self.styles or []
        self.extra_generation_params = self.extra_generation_params or {}
        self.override_settings = self.override_settings or {}
        self.extra_result_images: list[Any] = []

    @property
    def scripts(self):
        return self.scripts_value

    @scripts.setter
    def scripts(self, value):
        self.scripts_value = value
        self._set_up_when_ready()

    @property
    def script_args(self):
        return self.script_args_value

    @script_args.setter
    def script_args(self, value):
        self.script_args_value = value
        self._set_up_when_ready()

    def _set_up_when_ready(self) -> None:
        if self.scripts_value and self.script_args_value and not self.scripts_setup_complete:
            self.setup_scripts()

    def setup_scripts(self):
        self.scripts_setup_complete = True
        self.scripts.setup_scrips(self, is_ui=not self.is_api)

    def comment(self, text):
        self.comments[text] = 1

    def setup_prompts(self):
        count = self.batch_size * self.n_iter
        self.all_prompts, self.all_negative_prompts = [self.prompt] * count, [self.negative_prompt] * count

    def init(self, all_prompts, all_seeds, all_subseeds):
        """Nothing to read in."""

    def sample(self, conditioning, unconditional_conditioning, seeds, subseeds, subseed_strength, prompts):
        noise = torch.zeros(len(seeds), opt_C, self.height // opt_f, self.width // opt_f)
        if self.scripts is not None:
            self.scripts.process_before_every_sampling(self, x=noise, noise=noise, c=conditioning, uc=None)
        finished = [self._painted(seed) for seed in seeds]
        state.sampling_steps = self.steps
        for step in range(self.steps):
            if state.interrupted or state.skipped:
                break
            time.sleep(_SECONDS_PER_STEP)
            state.sampling_step = step + 1
            if step % 5 == 0:
                state.assign_current_image(Image.fromarray(finished[0]).resize((64, 64)))
        return torch.stack([torch.from_numpy(each).permute(2, 0, 1).float() / 127.5 - 1 for each in finished])

    def _painted(self, seed: int) -> np.ndarray:
        """A gradient whose colours come from the seed."""
        y, x = np.mgrid[0 : self.height, 0 : self.width]
        colour = np.full_like(x, seed % 256)
        return np.stack([x * 255 // self.width, y * 255 // self.height, colour], -1).astype(np.uint8)

    def save_samples(self) -> bool:
        kept = getattr(opts, "save_incomplete_images", False) or not (state.interrupted or state.skipped)
        return bool(opts.samples_save and not self.do_not_save_samples and kept)

    def close(self):
        """Nothing is held."""


@dataclass(repr=False)
class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    enable_hr: bool = False


@dataclass(repr=False)
class StableDiffusionProcessingImg2Img(StableDiffusionProcessing):
    init_images: list[Any] | None = None
    resize_mode: int = 0

    def init(self, all_prompts, all_seeds, all_subseeds):
        self.init_images = [image.convert("RGB") for image in self.init_images]

    def _painted(self, seed: int) -> np.ndarray:
        size = (self.width, self.height)
        return np.asarray(Image.blend(self.init_images[0].resize(size), Image.fromarray(super()._painted(seed)), 0.2))


class Processed:
    def __init__(
        self,
        p: StableDiffusionProcessing,
        images_list,
        seed=-1,
        info="",
        subseed=None,
        all_prompts=None,
        all_negative_prompts=None,
        all_seeds=None,
        all_subseeds=None,
        index_of_first_image=0,
        infotexts=None,
        comments="",
        extra_images_list=(),
    ):
        self.images, self.extra_images = images_list, list(extra_images_list)
        self.prompt, self.negative_prompt, self.styles = p.prompt, p.negative_prompt, p.styles
        self.seed, self.subseed = int(seed), int(-1 if subseed is None else subseed)
        self.info, self.comments = info, "".join(f"{comment}\n" for comment in p.comments)
        self.width, self.height, self.steps, self.cfg_scale = p.width, p.height, p.steps, p.cfg_scale
        self.batch_size, self.sampler_name = p.batch_size, p.sampler_name
        self.sd_model_name, self.sd_model_hash = p.sd_model_name, p.sd_model_hash
        self.denoising_strength, self.extra_generation_params = p.denoising_strength, p.extra_generation_params
        self.index_of_first_image, self.job_timestamp = index_of_first_image, state.job_timestamp
        self.all_prompts = all_prompts or p.all_prompts or [self.prompt]
        self.all_negative_prompts = all_negative_prompts or p.all_negative_prompts or [self.negative_prompt]
        self.all_seeds = all_seeds or p.all_seeds or [self.seed]
        self.all_subseeds = all_subseeds or p.all_subseeds or [self.subseed]
        self.infotexts = infotexts or [info] * len(images_list)

    def js(self):
        shown = {key: value for key, value in vars(self).items() if key not in ("images", "extra_images", "info")}
        return json.dumps(shown, default=lambda value: None)

    def infotext(self, p: StableDiffusionProcessing, index):
        return create_infotext(p, self.all_prompts, self.all_seeds, self.all_subseeds, index=index)


def get_fixed_seed(seed):
    return random.randrange(4294967294) if seed in ("", None, -1) else int(seed)


def fix_seed(p):
    p.seed, p.subseed = get_fixed_seed(p.seed), get_fixed_seed(p.subseed)


def program_version():
    return "stub"


def create_infotext(
    p,
    all_prompts,
    all_seeds,
    all_subseeds,
    comments=None,
    iteration=0,
    position_in_batch=0,
    use_main_prompt=False,
    index=None,
    all_negative_prompts=None,
):
    index = position_in_batch + iteration * p.batch_size if index is None else index
    written = {
        "Steps": p.steps,
        "Sampler": p.sampler_name,
        "Schedule type": p.scheduler,
        "CFG scale": p.cfg_scale,
        "Seed": p.all_seeds[0] if use_main_prompt else all_seeds[index],
        "Size": f"{p.width}x{p.height}",
        "Model hash": p.sd_model_hash,
        "Model": p.sd_model_name,
        "Denoising strength": p.denoising_strength,
        **p.extra_generation_params,
        "Version": program_version(),
    }
    line = ", ".join(f"{label}: {quote(value)}" for label, value in written.items() if value is not None)
    prompt = p.prompt if use_main_prompt else all_prompts[index]
    negative = f"\nNegative prompt: {p.negative_prompt}" if p.negative_prompt else ""
    return f"{prompt}{negative}\n{line}".strip()


def process_images(p: StableDiffusionProcessing) -> Processed:
    if p.scripts is not None:
        p.scripts.before_process(p)
    stored = {key: opts.data[key] for key in p.override_settings if key in opts.data}
    try:
        for key, value in p.override_settings.items():
            opts.set(key, value, is_api=True, run_callbacks=False)
        return process_images_inner(p)
    finally:
        if p.override_settings_restore_afterwards:
            for key, value in stored.items():
                setattr(opts, key, value)


def process_images_inner(p: StableDiffusionProcessing) -> Processed:
    fix_seed(p)
    p.setup_prompts()
    p.all_seeds = [p.seed + number for number in range(len(p.all_prompts))]
    p.all_subseeds = [p.subseed + number for number in range(len(p.all_prompts))]
    if p.scripts is not None:
        p.scripts.process(p)
    pictures: list[Any] = []
    infotexts: list[str] = []
    with torch.inference_mode():
        p.init(p.all_prompts, p.all_seeds, p.all_subseeds)
        if state.job_count == -1:
            state.job_count = p.n_iter
        for number in range(p.n_iter):
            p.iteration = number
            if state.skipped:
                state.skipped = False
            if state.interrupted or state.stopping_generation:
                break
            for picture, text in _batch(p, number):
                pictures.append(picture)
                infotexts.append(text)
    if not infotexts:
        infotexts.append(create_infotext(p, p.all_prompts, p.all_seeds, p.all_subseeds, index=0))
    first = _with_grid(p, pictures, infotexts)
    processed = Processed(
        p,
        images_list=pictures,
        seed=p.all_seeds[0],
        info=infotexts[0],
        subseed=p.all_subseeds[0],
        index_of_first_image=first,
        infotexts=infotexts,
        extra_images_list=p.extra_result_images,
    )
    if p.scripts is not None:
        p.scripts.postprocess(p, processed)
    return processed


def process_extra_images(processed: Processed):
    processed.extra_images = [each for each in processed.extra_images if isinstance(each, Image.Image)]


def _batch(p, number):
    """The pictures of a batch, each saved, with its text."""
    here = slice(number * p.batch_size, (number + 1) * p.batch_size)
    p.prompts, p.negative_prompts = p.all_prompts[here], p.all_negative_prompts[here]
    p.seeds, p.subseeds = p.all_seeds[here], p.all_subseeds[here]
    asked = {"batch_number": number, "prompts": p.prompts, "seeds": p.seeds, "subseeds": p.subseeds}
    p.scripts.before_process_batch(p, **asked)
    p.scripts.process_batch(p, **asked)
    if number == 0:
        text = create_infotext(p, p.prompts, p.seeds, p.subseeds, index=0)
        (Path(shared.data_path) / "params.txt").write_text(text, "utf-8")
    if p.n_iter > 1:
        state.job = f"Batch {number + 1} out of {p.n_iter}"
    samples = scripts.PostSampleArgs(p.sample(None, None, p.seeds, p.subseeds, 0, p.prompts))
    p.scripts.post_sample(p, samples)
    decoded = torch.clamp((samples.samples + 1) / 2, 0, 1)
    state.nextjob()
    p.scripts.postprocess_batch(p, decoded, batch_number=number)
    listed = scripts.PostprocessBatchListArgs(list(decoded))
    p.scripts.postprocess_batch_list(p, listed, batch_number=number)
    for index, tensor in enumerate(listed.images):
        yield _picture(p, index, tensor)


def _picture(p, index, tensor):
    p.batch_index = index
    image = Image.fromarray((255.0 * np.moveaxis(tensor.cpu().numpy(), 0, 2)).astype(np.uint8))
    for hook in (p.scripts.postprocess_image, p.scripts.postprocess_image_after_composite):
        params = scripts.PostprocessImageArgs(image, index + p.iteration * p.batch_size)
        hook(p, params)
        image = params.image
    text = create_infotext(p, p.prompts, p.seeds, p.subseeds, index=index)
    if p.save_samples():
        images.save_image(image, p.outpath_samples, "", p.seeds[index], p.prompts[index], "png", info=text, p=p)
    image.info["parameters"] = text
    return image, text


def _with_grid(p, pictures, infotexts) -> int:
    """Put a grid before several pictures; gives the place of the first picture."""
    if len(pictures) < 2 or p.do_not_save_grid or not getattr(opts, "return_grid", True):
        return 0
    grid = images.image_grid(pictures, p.batch_size)
    text = create_infotext(p, p.all_prompts, p.all_seeds, p.all_subseeds, use_main_prompt=True)
    grid.info["parameters"] = text
    seed, prompt = p.all_seeds[0], p.all_prompts[0]
    images.save_image(
        grid, p.outpath_grids, "grid", seed, prompt, "png", info=text, short_filename=True, p=p, grid=True
    )
    pictures.insert(0, grid)
    infotexts.insert(0, text)
    return 1
