"""Key lists of released files, key lists of narrow models of any shape, and a host of one dtype."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from lib_svd.checkpoints import Svd, load, networks, recognise
from lib_svd.checkpoints.diffusers_layout import DECODER, ENCODER, UNET, VISION
from lib_svd.checkpoints.native_layout import PARTS
from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig, VisionConfig
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.ports import Host, Part
from lib_svd.testing import FakeQueue, make_fake_host
from tests.tiny import write_tiny

Keys = dict[str, list[int]]
Weights = dict[str, dict[str, Tensor]]
TEXT = "conditioner.embedders.0.open_clip.model."

NARROW = NetworkConfigs(
    unet=UNetConfig(channels=(64, 128), num_res_blocks=1, attention=(True, False), emb_dim=64, context_dim=32),
    encoder=EncoderConfig(channels=(32, 64), num_res_blocks=1),
    decoder=DecoderConfig(channels=(32, 64), num_res_blocks=2),
    vision=VisionConfig(width=80, num_layers=1, mlp_width=96, patch_size=14, image_size=28, embed_dim=32),
)
PLAIN = replace(
    NARROW, decoder=DecoderConfig(channels=(32, 64), num_res_blocks=2, temporal=False, post_quant_conv=True)
)


@cache
def read_released() -> dict[str, Keys]:
    """Key lists of four released files, and of the two narrow ones behind the reference tensors."""
    found: dict[str, Keys] = json.loads(lzma.decompress(Path(__file__).with_name("keys.json.xz").read_bytes()))
    return found


def set_vector(configs: NetworkConfigs, vector_dim: int) -> NetworkConfigs:
    return replace(configs, unet=replace(configs.unet, vector_dim=vector_dim))


def list_native_keys(configs: NetworkConfigs = NARROW, *, conditioner: str | None = ENCODER) -> Keys:
    """The keys of a file that holds these networks as Stability or, with conditioner None, ComfyUI saves them."""
    encoder_at = conditioner or DECODER
    prefixes = (("unet", UNET), ("vision", VISION), ("encoder", encoder_at), ("decoder", DECODER))
    keys: Keys = {}
    for part, prefix in prefixes:
        keys |= {
            prefix + name: _write_shape(name, shape) for name, shape in networks.list_shapes(part, configs).items()
        }
    keys |= _list_dead_weights(keys)
    if conditioner is not None:
        keys |= {key.replace(conditioner, DECODER): shape for key, shape in keys.items() if ".encoder.encoder." in key}
        plain = replace(configs.decoder, temporal=False, post_quant_conv=True)
        second = networks.list_shapes("decoder", replace(configs, decoder=plain))
        keys |= {conditioner + name: list(shape) for name, shape in second.items()}
        keys |= {TEXT + "logit_scale": [], TEXT + "token_embedding.weight": [9, 8], TEXT + "ln_final.bias": [8]}
    return keys


def drop_keys(keys: Keys, *beginnings: str) -> Keys:
    return {key: shape for key, shape in keys.items() if not key.startswith(beginnings)}


def keep_keys(keys: Keys, *beginnings: str) -> Keys:
    return {key: shape for key, shape in keys.items() if key.startswith(beginnings)}


def write_narrow(path: Path, configs: NetworkConfigs = NARROW, *, seed: int = 1, **how: Any) -> Path:
    """A complete narrow checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_tiny(path, list_native_keys(configs), seed, **how)


def _write_shape(name: str, shape: tuple[int, ...]) -> list[int]:
    """Files have temporal convolutions as [O, I, 3, 1, 1], the networks as [O, I, 3, 1]."""
    return [*shape, 1] if len(shape) == 4 and shape[2:] == (3, 1) else list(shape)


def _list_dead_weights(keys: Keys) -> Keys:
    dead: Keys = {}
    for key, (channels, context) in {k: s for k, s in keys.items() if k.endswith(".attn2.to_v.weight")}.items():
        block = key.removesuffix("attn2.to_v.weight")
        dead |= {f"{block}norm2.weight": [channels], f"{block}norm2.bias": [channels]}
        dead |= {f"{block}attn2.to_q.weight": [channels, channels], f"{block}attn2.to_k.weight": [channels, context]}
    return dead


class Kept(OwnMemory):
    """Every network computes in one dtype, and is built of the layers that stand in for torch's."""

    def __init__(self, dtype: torch.dtype, layers: dict[str, type[nn.Module]]) -> None:
        super().__init__(torch.device("cpu"), dtype)
        self._layers = layers

    def choose_dtype(self, part: Part) -> torch.dtype:
        return self._dtype

    @contextmanager
    def swap_layers(self, dtype: torch.dtype) -> Iterator[None]:
        with patch.multiple(nn, **self._layers) if self._layers else nullcontext():
            yield


def make_host(dtype: torch.dtype = torch.float32, queue: FakeQueue | None = None, **layers: type[nn.Module]) -> Host:
    """A host in which all networks compute in that dtype, with other layers in place of those of torch.nn."""
    return make_fake_host(Path(), memory=Kept(dtype, layers), queue=queue)


def collect_weights(svd: Svd) -> Weights:
    return {part: getattr(svd, part).network.state_dict() for part in PARTS}


def load_weights(path: Path, dtype: torch.dtype = torch.float32, **how: Any) -> Weights:
    return collect_weights(load(recognise(path, **how), make_host(dtype)))


def assert_equal(a: Weights, b: Weights, *, tolerance: float = 0.0) -> None:
    for part in PARTS:
        assert a[part].keys() == b[part].keys()
        for name in a[part]:
            torch.testing.assert_close(a[part][name], b[part][name], rtol=tolerance, atol=tolerance, msg=name)
