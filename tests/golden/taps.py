"""Results inside the networks, caught on their way by hooks where a module of ours means what the reference's does.

Ours differ in three ways: transformer blocks run in chunks (a hook fires several times), what is the same for all
frames is worked out once, and the decoder's temporal half runs outside its module's forward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from lib_svd.engine.attention import TemporalBlock, TokenCrossAttention
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.parked import ParkedFrames
from lib_svd.engine.unet import TimeStack, UNet
from lib_svd.engine.vae import TemporalResnetBlock, VaeDecoder
from tests.golden.checks_networks import decode, take_one_row
from tests.golden.golden_set import Lacking, Stage
from tests.golden.measure import DECODE, NETWORK, Limit, Result

PREFIX = "tap."
Caught = dict[str, list[Tensor]]


def unet_taps(stage: Stage) -> Iterator[Result]:
    """One clip through the UNet."""
    unet, x = stage.golden.networks.unet, stage["x_concat"]
    c_noise, context = take_one_row(stage["c_noise"]), take_one_row(stage["crossattn"])
    if len(c_noise) > 1 or len(context) > 1:
        raise Lacking("one noise level and one context for the clip")
    wanted = [name.removeprefix(PREFIX) for name in stage if name.startswith(PREFIX)]
    with _watch_paths(unet, wanted) as caught:
        out = unet(x, unet.make_tables(c_noise, take_one_row(stage["vector"]), context, len(x)), 0)
    if "out" in stage:
        yield Result("out", out, NETWORK)
    for path, tensors in caught.items():
        actual = _turn_to_reference(unet, path, tensors, stage[PREFIX + path].shape)
        if actual is not None:
            yield Result(PREFIX + path, actual, _widen(NETWORK, stage[PREFIX + path]))


def _widen(limit: Limit, expected: Tensor) -> Limit:
    """Values inside a network are some times larger than its output's, and rounded as much more coarsely."""
    return Limit(limit.max_abs * max(1.0, float(expected.square().mean().sqrt())))


@contextmanager
def _watch_paths(network: nn.Module, paths: list[str]) -> Iterator[Caught]:
    """Collects what the modules of these paths give, as long as the context lasts."""
    caught: Caught = {}
    modules = dict(network.named_modules())
    with ExitStack() as watching:
        for path in paths:
            if path in modules:
                watching.enter_context(_watch(modules, path, caught))
        yield caught


@contextmanager
def _watch(modules: dict[str, nn.Module], path: str, caught: Caught) -> Iterator[None]:
    """Catch one module's results; copied, as later layers work in place."""

    def keep(tensor: Tensor) -> None:
        caught.setdefault(path, []).append(tensor.clone())

    def added(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        keep(given[0] + result)  # ours returns what is added to its input

    def after(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        keep(result)

    def before(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        keep(given[0])

    module, parent = modules[path], path.rpartition(".")[0]
    if path.endswith(".time_mixer") and f"{parent}.proj_out" in modules:  # ours is a number; its result goes in here
        handle = modules[f"{parent}.proj_out"].register_forward_pre_hook(before)
    elif path.endswith(".time_mixer"):
        handle = modules[parent].register_forward_hook(after)
    else:
        handle = module.register_forward_hook(added if isinstance(module, TimeStack) else after)
    try:
        yield
    finally:
        handle.remove()


def _turn_to_reference(unet: UNet, path: str, tensors: list[Tensor], shape: torch.Size) -> Tensor | None:
    """One tensor in the reference's axes; None where ours has another meaning."""
    module = unet.get_submodule(path)
    if isinstance(module, TokenCrossAttention):
        return tensors[0].expand(shape) if tensors[0].shape[-1] == shape[-1] else None
    if ".time_stack.0" in path and tensors[0].ndim == 3:
        clip = torch.cat(tensors, dim=1)  # [T, pixels, C], in chunks of pixels
        found = clip if isinstance(module, TemporalBlock) else clip.transpose(0, 1)
    elif ".time_stack.0" in path:
        return None
    else:
        found = _take_along_space(torch.cat(tensors), path, shape)
    return found if found.shape == shape else None


def _take_along_space(whole: Tensor, path: str, shape: torch.Size) -> Tensor:
    """Of all frames; a step's own row stands for all frames where they have the same."""
    if len(shape) == 5 and whole.ndim == 4:  # [b, c, t, h, w]
        if ".time_stack" in path:
            return whole.unflatten(-1, shape[-2:]) if whole.shape[-1] == shape[-1] * shape[-2] else whole
        return whole.unflatten(0, (-1, shape[2])).transpose(1, 2) if len(whole) % shape[2] == 0 else whole
    if whole.ndim == 3 and len(shape) == 2:  # [step, rows, E]
        whole = whole[0]
    if len(whole) == 1 and whole.ndim == len(shape) and whole.shape[-1] == shape[-1]:
        return whole.expand(shape)
    return whole.view(shape) if whole.numel() == shape.numel() and whole.ndim == 2 else whole


def decoder_taps(stage: Stage) -> Iterator[Result]:
    """Some frames through the decoder, all at once."""
    decoder = stage.golden.networks.decoder
    wanted = [name.removeprefix(PREFIX) for name in stage if name.startswith(PREFIX)]
    with _watch_decoder(decoder, wanted) as caught:
        out = _run_decoder_alone(decoder, stage["z"])
    if "out" in stage:
        yield Result("out", out, DECODE)
    for path, tensors in caught.items():
        yield Result(PREFIX + path, torch.cat(tensors), _widen(DECODE, stage[PREFIX + path]))


def _run_decoder_alone(decoder: VaeDecoder, z: Tensor) -> Tensor:
    """From latents that are divided already, without post_quant_conv."""
    if not decoder.config.temporal:
        for layer in decoder.decoder.list_layers():
            z = layer(z)
        return z
    return decode(decoder, z * LATENT_SCALE, len(z))


@contextmanager
def _watch_decoder(decoder: VaeDecoder, paths: list[str]) -> Iterator[Caught]:
    blocks = {
        path: module for path, module in decoder.decoder.named_modules() if isinstance(module, TemporalResnetBlock)
    }
    plain = [path for path in paths if path not in blocks and ".time_stack" not in path and path != "conv_out"]
    with _watch_paths(decoder.decoder, plain) as caught, ExitStack() as watching:
        for path in paths:
            if path in blocks:
                watching.enter_context(_watch_block(blocks[path], path, caught))
        yield caught


@contextmanager
def _watch_block(block: TemporalResnetBlock, path: str, caught: Caught) -> Iterator[None]:
    """Catch the frames of a temporal block once its temporal side is added."""
    along_time: Callable[[ParkedFrames], None] = block.add_temporal_side

    def watched(frames: ParkedFrames) -> None:
        along_time(frames)
        caught[path] = [torch.cat(list(frames)).clone()]

    block.add_temporal_side = watched
    try:
        yield
    finally:
        del block.add_temporal_side


def image_decoder(stage: Stage) -> Iterator[Result]:
    """The plain decoder that a checkpoint carries beside its encoder."""
    if "image_decoder_out" not in stage:
        return
    z = stage["z"] * LATENT_SCALE
    yield Result("image_decoder_out", decode(stage.golden.networks.image_decoder, z, len(z)), DECODE)
