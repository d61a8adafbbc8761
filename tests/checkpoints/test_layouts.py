"""Every key of every known file has one place, and sizes are read from shapes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_svd.checkpoints import networks
from lib_svd.checkpoints.configs import read_decoder_config, read_encoder_config, read_unet_config, read_vision_config
from lib_svd.checkpoints.diffusers_layout import DECODER, ENCODER, UNET, VISION, Origin, map_unet, map_vae, map_vision
from lib_svd.checkpoints.load import load
from lib_svd.checkpoints.native_layout import PARTS, UNUSED, split
from lib_svd.checkpoints.recognise import recognise
from lib_svd.checkpoints.strict import trim_shape
from lib_svd.engine.config import DecoderConfig, EncoderConfig, NetworkConfigs, UNetConfig, VisionConfig
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.testing import write_checkpoint
from tests.checkpoints.files import NARROW, PLAIN, list_native_keys, read_released, set_vector, write_narrow

RELEASED = {
    "svd_xt": NetworkConfigs(
        unet=UNetConfig(), encoder=EncoderConfig(), decoder=DecoderConfig(), vision=VisionConfig()
    ),
}
RELEASED["svd_xt_image_decoder"] = replace(
    RELEASED["svd_xt"], decoder=DecoderConfig(temporal=False, post_quant_conv=True)
)
RELEASED["sv3d_u"] = replace(RELEASED["svd_xt"], unet=UNetConfig(vector_dim=256), decoder=DecoderConfig(temporal=False))
RELEASED["sv3d_p"] = replace(RELEASED["sv3d_u"], unet=UNetConfig(vector_dim=1280))
RELEASED["tiny"] = NetworkConfigs(
    unet=UNetConfig(channels=(64, 128, 256, 256), emb_dim=256, context_dim=96),
    encoder=EncoderConfig(channels=(32, 64, 128, 128)),
    decoder=DecoderConfig(channels=(32, 64, 128, 128)),
    vision=VisionConfig(width=160, num_layers=2, mlp_width=640, embed_dim=96),
)
RELEASED["tiny_sv3d_p"] = replace(
    set_vector(RELEASED["tiny"], 1280),
    decoder=DecoderConfig(channels=(32, 64, 128, 128), temporal=False),
)


@pytest.mark.parametrize("name", read_released())
def test_each_key_of_a_released_file_is_a_network_s_or_known_unused(name: str) -> None:
    keys = read_released()[name]
    found = split(keys)
    used = {part: set(names) for part, names in found.parts.items()}

    assert found.extra == []
    assert {part: set(networks.list_shapes(part, RELEASED[name])) for part in PARTS} == used
    placed = [key for names in found.parts.values() for key in names.values()] + found.unused
    assert sorted(placed) == sorted(keys)


@pytest.mark.parametrize("name", read_released())
def test_sizes_are_read_from_shapes(name: str) -> None:
    keys = read_released()[name]
    found = {part: {a: tuple(keys[b]) for a, b in names.items()} for part, names in split(keys).parts.items()}

    assert read_unet_config(found["unet"]) == RELEASED[name].unet
    assert read_encoder_config(found["encoder"]) == RELEASED[name].encoder
    assert read_decoder_config(found["decoder"]) == RELEASED[name].decoder
    assert read_vision_config(found["vision"]) == RELEASED[name].vision


@pytest.mark.parametrize(
    "changes",
    [
        {"unet": UNetConfig(channels=(64, 64), num_res_blocks=1, attention=(True, True), emb_dim=32, context_dim=32)},
        {"unet": UNetConfig(channels=(64, 128, 192), num_res_blocks=1, attention=(False, True, False), context_dim=32)},
        {"unet": UNetConfig(channels=(64, 64, 64), num_res_blocks=3, attention=(False, False, False), context_dim=32)},
        {
            "encoder": EncoderConfig(channels=(32, 32, 64), num_res_blocks=1),
            "decoder": DecoderConfig(channels=(32, 64, 64)),
        },
        {"vision": VisionConfig(width=160, num_layers=3, mlp_width=64, patch_size=7, image_size=21, embed_dim=32)},
    ],
)
def test_no_number_of_levels_or_blocks_is_taken_for_granted(tmp_path: Path, changes: dict[str, Any]) -> None:
    configs = replace(NARROW, **changes)

    found = recognise(write_narrow(tmp_path / "narrow.safetensors", configs))

    assert found.configs == configs
    assert found.size_grid == 2 ** (len(configs.encoder.channels) - 1) * 2 ** (len(configs.unet.channels) - 1)


def test_narrow_keys_of_these_tests_are_spelled_as_the_released_ones() -> None:
    keys = list_native_keys(RELEASED["svd_xt"])
    text = "conditioner.embedders.0.open_clip.model."

    real = {k: s for k, s in read_released()["svd_xt"].items() if not k.startswith(text) or k.startswith(VISION)}
    assert {k: s for k, s in keys.items() if not k.startswith(text) or k.startswith(VISION)} == real
    assert list_native_keys(PLAIN).keys() != keys.keys()


def test_each_unused_pattern_says_why() -> None:
    assert all(row.pattern and row.why for row in UNUSED)


@pytest.fixture(scope="module")
def diffusers_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    """Keys and shapes of diffusers' and transformers' own classes at full size, on the meta device."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers warns of a missing CUDA
        from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        tower = CLIPVisionConfig(
            hidden_size=1280,
            intermediate_size=5120,
            projection_dim=1024,
            num_hidden_layers=32,
            num_attention_heads=16,
            patch_size=14,
            image_size=224,
            hidden_act="gelu",
        )
        with torch.device("meta"):
            models = {
                "unet": UNetSpatioTemporalConditionModel(),
                "vae": AutoencoderKLTemporalDecoder(
                    down_block_types=("DownEncoderBlock2D",) * 4,
                    block_out_channels=(128, 256, 512, 512),
                    layers_per_block=2,
                ),
                "image_encoder": CLIPVisionModelWithProjection(tower),
            }
    return {name: {k: tuple(v.shape) for k, v in model.state_dict().items()} for name, model in models.items()}


def test_diffusers_layout_maps_one_to_one_at_full_size(diffusers_shapes: dict[str, dict[str, tuple[int, ...]]]) -> None:
    shapes = diffusers_shapes
    assert [len(keys) for keys in shapes.values()] == [1428, 374, 520]
    mapped = map_unet(shapes["unet"]) | map_vae(shapes["vae"]) | map_vision(shapes["image_encoder"])
    there = {k: v for keys in shapes.values() for k, v in keys.items()}

    ours = (UNET, VISION, ENCODER + "encoder.", ENCODER + "quant_conv.", DECODER + "decoder.")
    native = {k: tuple(s) for k, s in read_released()["svd_xt"].items() if k.startswith(ours)}
    assert set(mapped) == set(native)
    from_keys = [key for origin in mapped.values() for key in origin.keys]
    assert sorted(from_keys) == sorted(there)
    for key, origin in mapped.items():
        assert trim_shape(_move(origin, there)) == trim_shape(native[key]), key


def _move(origin: Origin, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    first = shapes[origin.keys[0]]
    if origin.transform == "stack":
        return (3 * first[0], *first[1:])
    return first[::-1] if origin.transform == "transpose" else first


@pytest.mark.parametrize(("widths", "vision_width"), [((32, 96), 96), ((160, 64), 160), ((96, 32), 32)])
def test_heads_are_as_many_as_fit_and_one_at_least(tmp_path: Path, widths: tuple[int, ...], vision_width: int) -> None:
    configs = NetworkConfigs(
        unet=UNetConfig(channels=widths, num_res_blocks=1, attention=(True, True), emb_dim=64, context_dim=32),
        encoder=EncoderConfig(channels=(32, 32), num_res_blocks=1),
        decoder=DecoderConfig(channels=(32, 32), num_res_blocks=2),
        vision=VisionConfig(width=vision_width, num_layers=1, mlp_width=64, embed_dim=32),
    )
    path = write_checkpoint(tmp_path / "svd_xt.safetensors", configs, metadata={})
    svd = load(recognise(path), make_standalone_host("cpu"))
    assert svd.configs == configs
    with svd.unet.bring_to_gpu(0) as unet, svd.vision.bring_to_gpu(0) as tower, torch.inference_mode():
        tables = unet.make_tables(torch.zeros(1), torch.zeros(1, 768), tower(torch.zeros(1, 3, 224, 224)), 2)
        assert unet(torch.zeros(2, 8, 4, 4), tables, 0).isfinite().all()
