"""Checks of the four networks and of the loop, through the calls that a clip is made with."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from lib_svd.engine import precond, samplers
from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.vae import VaeDecoder
from lib_svd.engine.vision import prepare_input
from lib_svd.images import convert_to_tensor
from lib_svd.stages.decode import convert_to_uint8
from tests.golden.checks_numbers import make_conditioning_vector, make_loop_schedule, make_ramp
from tests.golden.golden_set import Lacking, Stage
from tests.golden.measure import CLIP_PIXELS, DECODE, EXACT, LOOP, NETWORK, Limit, Result

CPU = torch.device("cpu")


def scale_picture(image_u8: Tensor) -> Tensor:
    """uint8 [H, W, 3] to [1, 3, H, W] in [-1, 1]."""
    return convert_to_tensor(Image.fromarray(image_u8.numpy()))


def clip_stage(stage: Stage) -> Iterator[Result]:
    for name in stage:
        if match := re.fullmatch(r"(clip_input|crossattn)_(\d+x\d+)", name):
            image = scale_picture(stage[f"image_u8_{match[2]}"])
            if match[1] == "clip_input":
                yield Result(name, prepare_input(image, stage[name].shape[-1]), CLIP_PIXELS)
            else:
                yield Result(name, compute_image_embeds(stage, image), NETWORK)


def compute_image_embeds(stage: Stage, image: Tensor) -> Tensor:
    """[1, 1, D]."""
    vision = stage.golden.networks.vision
    return vision(prepare_input(image, vision.config.image_size))


def vae_encode(stage: Stage) -> Iterator[Result]:
    encoder, image = stage.golden.networks.encoder, add_noise(stage)
    if "encoder_out" in stage:
        yield Result("encoder_out", encoder.encoder(image), NETWORK)
    if "moments" in stage:
        yield Result("moments", encoder(image), NETWORK)
    if "concat_latent" in stage:
        yield Result("concat_latent", encoder.start_latent(image), NETWORK)


def add_noise(stage: Stage) -> Tensor:
    """The picture with its augmentation noise, [1, 3, H, W]."""
    clean, strength = scale_picture(stage["image_u8"]), stage.read_number("cond_aug")
    if strength == 0:
        return clean
    noise = stage["noise_image"] if "noise_image" in stage else stage["noise"]
    if noise.shape != clean.shape:
        raise Lacking(f"{stage.name} has no noise of the picture's size")
    return clean + strength * noise


def embeds_of_branches(stage: Stage) -> Iterator[Result]:
    """Image embedding of every frame; zero in the unconditional branch."""
    if "uc_crossattn" in stage:
        yield Result("uc_crossattn", torch.zeros_like(stage["uc_crossattn"]), EXACT)
    if "c_crossattn" in stage:
        image = clean_picture(stage)
        yield Result(
            "c_crossattn", compute_image_embeds(stage, image).expand(len(stage["c_crossattn"]), -1, -1), NETWORK
        )


def latents_of_branches(stage: Stage) -> Iterator[Result]:
    """Start latent of every frame; zero in the unconditional branch."""
    if "uc_concat" in stage:
        yield Result("uc_concat", torch.zeros_like(stage["uc_concat"]), EXACT)
    if "c_concat" in stage:
        latent = stage.golden.networks.encoder.start_latent(add_noise(_find_source(stage)))
        yield Result("c_concat", latent.expand(len(stage["c_concat"]), -1, -1, -1), NETWORK)


def _find_source(stage: Stage) -> Stage:
    """The file with the picture that a conditioning was made from."""
    return stage if "image_u8" in stage else stage.golden.read_stage("vae_encode")


def clean_picture(stage: Stage) -> Tensor:
    """The picture that a conditioning was made from, [1, 3, H, W]."""
    golden = stage.golden
    if "image_u8" not in stage and "vae_encode" not in golden.files:
        height, width = golden.facts.get("size_HxW", (0, 0))
        return scale_picture(golden.read_stage("clip")[f"image_u8_{height}x{width}"])
    return scale_picture(_find_source(stage)["image_u8"])


def make_conditioning(stage: Stage) -> Conditioning:
    """Of the loop in a file: its own, the set's, or made from the set's picture and numbers."""
    golden = stage.golden
    for source in (stage, golden.read_stage("cond") if "cond" in golden.files else stage):
        if "c_vector" in source:
            return _make_from_rows(source["c_crossattn"], source["c_concat"], source["c_vector"])
    frames = len(stage["noise"])
    if f"unet_T{frames}" in golden.files:
        source = golden.read_stage(f"unet_T{frames}")
        return _make_from_rows(*(source[name][-frames:] for name in ("crossattn", "concat", "vector")))
    source = _find_source(stage)
    embeds = compute_image_embeds(stage, clean_picture(stage))
    latent = golden.networks.encoder.start_latent(add_noise(source))
    return Conditioning(embeds, latent, make_conditioning_vector(source))


def _make_from_rows(crossattn: Tensor, concat: Tensor, vector: Tensor) -> Conditioning:
    """From one row a frame."""
    return Conditioning(crossattn[:1], concat[:1], take_one_row(vector))


def take_one_row(rows: Tensor) -> Tensor:
    """[1, ...] where all frames have the same, which the project then keeps once; otherwise all rows."""
    return rows[:1] if torch.equal(rows, rows[:1].expand_as(rows)) else rows


def unet_inputs(stage: Stage) -> Iterator[Result]:
    """c_noise is what preconditioning makes of sigma."""
    if "sigma" in stage and "c_noise" in stage:
        yield Result("c_noise", precond.c_noise(stage["sigma"]), NETWORK)


def unet_raw(stage: Stage) -> Iterator[Result]:
    """Raw output, unconditional clip first: both clips in one batch, then each on its own."""
    name = "unet_out" if "unet_out" in stage else "out"
    if name not in stage:
        return
    clips = _list_clips(stage)
    if all(torch.equal(clips[0][i], clip[i]) for clip in clips for i in (2, 3)):  # one noise level, one vector
        yield Result(name, _run_unet(stage, clips), NETWORK, "one batch")
    yield Result(name, torch.cat([_run_unet(stage, [clip]) for clip in clips]), NETWORK, "halves")


Clip = tuple[Tensor, Tensor, Tensor, Tensor]


def _list_clips(stage: Stage) -> list[Clip]:
    """(8 channels in, context [1, 1, D], c_noise [1], vector) of each clip of the batch."""
    x, frames = stage["x"], count_frames(stage)
    context, start, vector = _list_context_rows(stage, len(x))
    rows = (torch.cat([x, start], dim=1), context, stage["c_noise"].expand(len(x)), vector)
    clips = []
    for parts in zip(*(row.split(frames) for row in rows), strict=True):
        whole, context, c_noise, vector = parts
        if len(whole) != frames or len(take_one_row(context)) > 1 or len(take_one_row(c_noise)) > 1:
            raise Lacking(f"{stage.name} is no batch of whole clips with one context and one noise level each")
        clips.append((whole, context[:1], c_noise[:1], take_one_row(vector)))
    return clips


def count_frames(stage: Stage) -> int:
    """T of a UNet stage: from its name, or half of the rows."""
    match = re.fullmatch(r"unet_T(\d+)", stage.name)
    return int(match[1]) if match else len(stage["x"]) // 2


def _list_context_rows(stage: Stage, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Context, start latent and vector of each row; files of one loop give the conditional clip's alone."""
    if "crossattn" in stage:
        return stage["crossattn"], stage["concat"], stage["vector"]
    both = [torch.cat([torch.zeros_like(t), t]) for t in (stage["c_crossattn"], stage["c_concat"])]
    uncond = stage["uc_vector"] if "uc_vector" in stage else stage["c_vector"]
    return both[0][-rows:], both[1][-rows:], torch.cat([uncond, stage["c_vector"]])[-rows:]


def _run_unet(stage: Stage, clips: list[Clip]) -> Tensor:
    unet = stage.golden.networks.unet
    x, context = (torch.cat([clip[i] for clip in clips]) for i in (0, 1))
    _, _, c_noise, vector = clips[0]
    return unet(x, unet.make_tables(c_noise, vector, context, len(clips[0][0])), 0)


def unet_denoised(stage: Stage) -> Iterator[Result]:
    """D(x; sigma) of each branch, told apart by guidance: 0 gives the unconditional one, 1 the conditional one."""
    if "denoised" not in stage:
        return
    x_u, x_c = _split_branches(stage, "x_sigma")
    (zero_context, crossattn), (zero_start, concat) = (_split_branches(stage, name) for name in ("crossattn", "concat"))
    vector_u, vector = _split_branches(stage, "vector")
    if (
        zero_context.any()
        or zero_start.any()
        or not torch.equal(vector_u, vector)
        or len(take_one_row(stage["sigma"])) > 1
    ):
        raise Lacking("the clips are no unconditional and conditional branch at one noise level")
    c, sigma = _make_from_rows(crossattn, concat, vector), stage["sigma"][0]
    for how, halves in (("one batch", False), ("halves", True)):
        parts = [
            _make_denoiser(stage, c, torch.stack([sigma, sigma * 0]), torch.full((len(x),), scale), halves)(x, sigma)
            for scale, x in ((0.0, x_u), (1.0, x_c))
        ]
        yield Result("denoised", torch.cat(parts), NETWORK, how)


def _split_branches(stage: Stage, name: str) -> tuple[Tensor, Tensor]:
    """Rows of the unconditional and of the conditional clip."""
    parts = stage[name].split(count_frames(stage))
    if len(parts) != 2:
        raise Lacking(f"{stage.name} has not two clips")
    return parts[0], parts[1]


def _make_denoiser(stage: Stage, c: Conditioning, sigmas: Tensor, scale: Tensor, halves: bool) -> Denoiser:
    return Denoiser(stage.golden.networks.unet, c, sigmas, scale, device=CPU, dtype=torch.float32, halves=halves)


def loop(stage: Stage) -> Iterator[Result]:
    """Euler from the file's noise, both branches in one batch, then one after the other."""
    noise, sigmas = stage["noise"], make_loop_schedule(stage)
    scale = stage["scale"] if "scale" in stage else make_ramp(stage, len(noise))
    c = make_conditioning(stage)
    for how, halves in (("one batch", False), ("halves", True)):
        denoise = _make_denoiser(stage, c, sigmas, scale, halves)
        x, lost = samplers.start(noise, sigmas), 0.0
        yield Result("x_0", x, _compute_loop_limit(_compute_rms(x) * ROUNDING, x), how)
        for step in samplers.euler(denoise, x, sigmas, lambda: noise):
            sigma, sigma_next = sigmas[step.number - 1 : step.number + 1].tolist()
            lost_of_d, kept = lost / (1 + sigma**2) ** 0.5, sigma_next / sigma  # x_next = kept x + (1 - kept) D
            yield Result(
                f"denoised_{step.number - 1}", step.denoised, _compute_loop_limit(lost_of_d, step.denoised), how
            )
            lost = kept * lost + (1 - kept) * lost_of_d + _compute_rms(x) * ROUNDING
            x = step.x
            name = f"x_{step.number}" if step.number < step.total else "samples_z"
            yield Result(name, x, _compute_loop_limit(lost, x), how)


ROUNDING = 2.0**-24  # of a number in fp32, relative


def _compute_rms(x: Tensor) -> float:
    return float(x.double().square().mean().sqrt())


def _compute_loop_limit(lost: float, x: Tensor) -> Limit:
    """Of a sample that the rounding of larger ones before it has moved by an rms of `lost`.

    Next to nothing but at the first steps, and in loops of two steps, where 700 times the noise has to cancel at once.
    """
    return Limit(max(LOOP.max_abs, 16 * lost), max(LOOP.rel_rms, lost / max(_compute_rms(x), 1e-12)))


def decode_whole(stage: Stage) -> Iterator[Result]:
    """All frames, whatever the chunk; the bytes of a clip."""
    name = "frames" if "frames" in stage else "frames_all"
    if name not in stage and "frames_u8" not in stage:
        return
    z, decoder = stage["samples_z"], stage.golden.networks.decoder
    for chunk in sorted({n for n in (len(z), 3, 2, 1) if n <= len(z)}, reverse=True):
        frames = decode(decoder, z, chunk)
        if name in stage:
            yield Result(name, frames, DECODE, f"chunk {chunk}")
        if "frames_u8" in stage:
            off = find_unexplained(frames, stage["frames_u8"])
            yield Result("frames_u8", off, EXACT, f"chunk {chunk}", torch.zeros_like(off))


def decode(decoder: VaeDecoder, z: Tensor, chunk: int) -> Tensor:
    """[T, 3, H, W]."""
    return torch.cat(list(decoder.decode_frames(z, chunk)))


def decode_chunks(stage: Stage) -> Iterator[Result]:
    """The reference's own chunks, each decoded as if it were a clip."""
    for name in stage:
        if match := re.fullmatch(r"frames_chunk(\d+)", name):
            chunks = stage["samples_z"].split(int(match[1]))
            parts = [decode(stage.golden.networks.decoder, z, len(z)) for z in chunks]
            yield Result(name, torch.cat(parts), DECODE)


def find_unexplained(frames: Tensor, expected: Tensor) -> Tensor:
    """Differences of the bytes, [T, H, W, 3]; 0 where both are right: one apart, and the float at a whole number."""
    if frames.permute(0, 2, 3, 1).shape != expected.shape or not frames.isfinite().all():
        return torch.full(expected.shape, torch.nan)
    off = (torch.from_numpy(convert_to_uint8(frames)).int() - expected.int()).abs()
    levels = (frames.permute(0, 2, 3, 1) + 1) / 2 * 255
    at_an_edge = (levels - levels.round()).abs() < DECODE.max_abs / 2 * 255
    return off.where((off != 1) | ~at_an_edge, 0).double()
