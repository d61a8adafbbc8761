"""What is no LoRA for SVD is refused by its name, and no key of one is passed over."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_svd.checkpoints import recognise
from lib_svd.checkpoints.lora_files import RELEASED, describe_lora, is_lora, match_layers, read_lora
from lib_svd.checkpoints.lora_names import list_layers, list_spellings
from lib_svd.checkpoints.loras import keep_marks, list_lora_dirs, read_text
from lib_svd.errors import BadCheckpoint
from lib_svd.testing import NARROW
from tests.checkpoints.loras import DEAD, LAYERS, LAYOUTS, write_lora

Shapes = dict[str, tuple[int, ...]]


def write_shapes(path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Path:
    save_file({key: torch.zeros(shape) for key, shape in shapes.items()}, path, metadata=metadata)
    return path


def make_pair(layer: str, out: int, into: int, rank: int = 4) -> Shapes:
    return {f"{layer}.lora_up.weight": (out, rank), f"{layer}.lora_down.weight": (rank, into)}


ATTENTION = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"
BLOCK = "down_blocks.1.attentions.0"
MOTION = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor"
FLUX = make_pair("lora_unet_double_blocks_0_img_attn_qkv", 9, 3)
KINDS: dict[str, tuple[Shapes, str]] = {
    "SD 1.5": (make_pair(f"{ATTENTION}_attn2_to_k", 640, 768), "is an SD 1.5 LoRA and does not fit narrow"),
    "SD 2": (make_pair(f"{ATTENTION}_attn2_to_v", 640, 1024), "is an SD 2 LoRA and does not fit"),
    "SDXL": (make_pair(f"{ATTENTION}_attn2_to_v", 640, 2048), "is an SDXL LoRA and does not fit"),
    "SD 1.5 with text": (
        make_pair("lora_te_text_model_encoder_layers_0_mlp_fc1", 8, 8) | make_pair(f"{ATTENTION}_attn2_to_v", 640, 768),
        "is an SD 1.5 LoRA, with a part for its text encoder",
    ),
    "SDXL with text": (make_pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 8, 8), "is an SDXL LoRA: use a LoRA"),
    "AnimateDiff": (
        {f"{MOTION}.to_q_lora.{role}.weight": (4, 4) for role in ("up", "down")},
        "is a LoRA for AnimateDiff's motion module",
    ),
    "LoHa": ({f"{ATTENTION}_attn1_to_q.hada_w1_a": (4, 4)}, "is a LoHa: use a plain LoRA"),
    "LoKr": ({f"{ATTENTION}_attn1_to_q.lokr_w1": (4, 4)}, "is a LoKr"),
    "DoRA": (make_pair("unet.conv_in", 4, 4) | {"unet.conv_in.lora_magnitude_vector": (4,)}, "is a DoRA"),
    "DoRA, kohya": (make_pair("lora_unet_conv_in", 4, 4) | {"lora_unet_conv_in.dora_scale": (4, 1)}, "is a DoRA"),
    "Tucker": (
        make_pair("lora_unet_conv_in", 4, 4) | {"lora_unet_conv_in.lora_mid.weight": (4, 4, 3, 3)},
        "is a LoRA in Tucker's form",
    ),
    "Flux": (FLUX, "is a LoRA for Flux, HunyuanVideo or a similar model"),
    "Wan": (make_pair("diffusion_model.blocks.0.self_attn.q", 8, 8), "is a LoRA for Wan or a similar model"),
    "SD3": (make_pair("transformer.transformer_blocks.0.attn.to_q", 8, 8), "is a LoRA for SD3, LTX or a similar"),
    "ModelScope": (make_pair("unet.down_blocks.0.temp_attentions.0.proj_in", 8, 8), "text-to-video model"),
    "differences": (
        make_pair("lora_unet_conv_in", 4, 4) | {"lora_unet_conv_in.diff_b": (4,)},
        "carries whole differences of weights",
    ),
    "half": ({"lora_unet_conv_in.lora_up.weight": (64, 4)}, "is an incomplete LoRA, it lacks down of conv_in"),
    "odd ranks": (
        {"lora_unet_conv_in.lora_up.weight": (64, 4), "lora_unet_conv_in.lora_down.weight": (3, 8)},
        "has shapes in conv_in that make no LoRA",
    ),
    "a checkpoint": ({"model.diffusion_model.out.2.bias": (4,)}, r"is no LoRA \(its tensors: model\.diffusion"),
    "one key more": (
        make_pair("lora_unet_conv_in", 4, 4) | {"lora_unet_conv_in.odd": (4,)},
        "has a tensor that no LoRA",
    ),
    "a wrong shape": (
        make_pair(f"{BLOCK}.temporal_transformer_blocks.0.attn1.to_q", 128, 640),
        r"is a LoRA for another video model and does not fit narrow\.safetensors \(.*adds \[128, 640\] to \[128, 128\]",
    ),
    "a layer that is none": (
        make_pair("down_blocks.7.attentions.0.temporal_transformer_blocks.0.attn1.to_q", 128, 128),
        "down_blocks.7.attentions.0.temporal_transformer_blocks.0.attn1.to_q is none of its layers",
    ),
    "a layer twice": (
        make_pair("lora_unet_conv_out", 4, 64 * 9) | make_pair("lora_unet_out_2", 4, 64 * 9),
        "adds|is there twice",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused_by_its_name(tmp_path, kind) -> None:
    shapes, said = KINDS[kind]
    path = write_shapes(tmp_path / "fog.safetensors", shapes)
    with pytest.raises(BadCheckpoint, match=said) as refusal:
        match_layers(read_lora(path), NARROW, "narrow.safetensors")
    assert str(refusal.value).startswith("fog.safetensors ")


@pytest.mark.parametrize(
    ("name", "says"),
    [("ss_base_model_version", "sd_v2_768_v"), ("modelspec.architecture", "stable-diffusion-xl-v1-base/lora")],
)
def test_a_lora_that_says_that_it_is_for_another_model_is_believed(tmp_path, name, says) -> None:
    """SD 2, of which SVD was made, has the same layers in space."""
    path = write_shapes(tmp_path / "fog.safetensors", make_pair("lora_unet_conv_in", 64, 72), {name: says})
    with pytest.raises(BadCheckpoint, match=rf"is a LoRA for another model, by its own metadata \({says}\)"):
        read_lora(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layer_goes_to_its_weight_and_one_that_is_dead_to_none(tmp_path, layout) -> None:
    file = read_lora(write_lora(tmp_path / "fog.safetensors", layout))
    assert set(match_layers(file, NARROW, "")) == {f"{ours}.weight" for ours in LAYERS.values() if ours != DEAD}
    assert file.alpha == (None if layout.startswith("kohya") else 3.0)


def test_a_dead_layer_must_have_its_shape_too(tmp_path) -> None:
    path = write_shapes(tmp_path / "fog.safetensors", make_pair(f"diffusion_model.{DEAD}", 128, 65))
    with pytest.raises(BadCheckpoint, match=r"adds \[128, 65\] to \[128, 64\]"):
        match_layers(read_lora(path), NARROW, "")


def test_every_matrix_of_diffusers_own_unet_has_its_place() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers warns of a missing CUDA
        from diffusers import UNetSpatioTemporalConditionModel
    with torch.device("meta"):
        theirs = UNetSpatioTemporalConditionModel()
    spellings, layers = list_spellings(RELEASED), list_layers(RELEASED)
    shapes = {
        name.removesuffix(".weight"): tuple(weight.shape)
        for name, weight in theirs.named_parameters()
        if name.endswith(".weight") and weight.ndim > 1
    }

    assert {spellings[name] for name in shapes} == {spellings[name.replace(".", "_")] for name in shapes} == set(layers)
    assert len(shapes) == len(layers)
    for name, shape in shapes.items():
        assert layers[spellings[name]] == (shape[:-1] if len(shape) == 5 else shape), name


def test_pefts_settings_beside_a_file_count_as_they_are_now(tmp_path) -> None:
    path = write_lora(tmp_path / "fog.safetensors", "peft")
    beside = path.with_name("adapter_config.json")
    assert (read_lora(path).alpha, read_lora(path).by_root) == (3.0, False)
    beside.write_text(json.dumps({"lora_alpha": 8, "use_rslora": True}), "utf-8")
    assert (read_lora(path).alpha, read_lora(path).by_root) == (8.0, True)
    beside.write_text(json.dumps({"lora_alpha": 8, "use_dora": True}), "utf-8")
    with pytest.raises(BadCheckpoint, match="is a DoRA"):
        read_lora(path)
    beside.write_text(json.dumps({"alpha_pattern": {"attn1": 2}}), "utf-8")
    with pytest.raises(BadCheckpoint, match="alpha_pattern"):
        read_lora(path)
    beside.write_text("{", "utf-8")
    with pytest.raises(BadCheckpoint, match=r"adapter_config\.json beside it that cannot be read"):
        read_lora(path)


def test_a_lora_is_told_what_it_is(tmp_path) -> None:
    path = write_lora(tmp_path / "fog.safetensors")
    told = describe_lora(path)

    assert is_lora(path)
    assert (told["layout"], told["layers"], told["ranks"], told["fits_svd"]) == ("kohya", 15, {"4": 15}, False)
    assert told["alpha"] == "each layer's own"
    assert told["parts"] == {"convolutions and the rest": 8, "spatial transformers": 3, "temporal transformers": 4}


def test_a_checkpoint_that_tells_of_loras_is_none(tmp_path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", {"out.2.bias": (4,)}, {"about": "three lora_up merged"})
    assert not is_lora(path)


def test_a_lora_that_is_chosen_as_a_model_is_told_where_it_belongs(tmp_path) -> None:
    with pytest.raises(BadCheckpoint, match=r"is a LoRA: use a complete SVD checkpoint .* and name the LoRA as such"):
        recognise(write_lora(tmp_path / "fog.safetensors"))


def test_folders_of_loras_are_beside_those_of_models_and_in_them(tmp_path) -> None:
    below = [path.relative_to(tmp_path).as_posix() for path in list_lora_dirs([tmp_path / "svd"])]
    assert below == ["Lora", "loras", "svd/Lora", "svd/loras", "svd"]


def test_what_a_user_writes_is_read(tmp_path) -> None:
    asked = read_text("fog:0.8, <lora:rain and sun:-2>,snow, ice [0123456789]:1.5,")
    assert [(each.name, each.mark, each.strength) for each in asked] == [
        ("fog", "", 0.8),
        ("rain and sun", "", -2.0),
        ("snow", "", 1.0),
        ("ice", "0123456789", 1.5),
    ]
    assert keep_marks("fog [0123456789]:1, ice:2") == "0123456789:1, ice:2"
