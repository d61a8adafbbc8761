"""Folders that diffusers saved, shards, and networks that are borrowed from another checkpoint."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from lib_svd.checkpoints import load, recognise
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.layers import sinusoid
from lib_svd.errors import BadCheckpoint
from tests.checkpoints.files import (
    DECODER,
    ENCODER,
    NARROW,
    UNET,
    VISION,
    Weights,
    assert_equal,
    collect_weights,
    keep_keys,
    list_native_keys,
    load_weights,
    make_host,
    write_narrow,
)
from tests.tiny import make_tiny_tensors, write_tiny


@pytest.fixture(scope="module")
def diffusers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Narrow networks written by diffusers' and transformers' own `save_pretrained`."""
    folder = tmp_path_factory.mktemp("folders") / "svd_folder"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers warns of a missing CUDA
        for name, model in _make_diffusers_models().items():
            model.save_pretrained(folder / name)
    return folder


def _make_diffusers_models() -> dict[str, Any]:
    """Random weights everywhere: a norm swapped for another must show, so none keeps its ones and zeros."""
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    unet = UNetSpatioTemporalConditionModel(
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        block_out_channels=(64, 128),
        layers_per_block=1,
        num_attention_heads=(1, 2),
        cross_attention_dim=32,
        num_frames=14,
    )
    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 2, block_out_channels=(32, 64), layers_per_block=2
    )
    vision = NARROW.vision
    tower = CLIPVisionConfig(
        hidden_size=vision.width,
        intermediate_size=vision.mlp_width,
        projection_dim=vision.embed_dim,
        num_hidden_layers=vision.num_layers,
        num_attention_heads=1,
        patch_size=vision.patch_size,
        image_size=vision.image_size,
        hidden_act="gelu",
    )
    models = {"unet": unet, "vae": vae, "image_encoder": CLIPVisionModelWithProjection(tower)}
    for model in models.values():
        for weight in model.eval().requires_grad_(False).parameters():
            weight.add_(torch.randn_like(weight) * (0.3 if weight.dim() == 1 else 0.02))
    return models


def read_stored(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            yield from ((key, file.get_tensor(key)) for key in file.keys())  # noqa: SIM118


def test_a_folder_that_diffusers_saved_loads_weight_by_weight(diffusers_folder: Path) -> None:
    checkpoint = recognise(diffusers_folder)
    assert checkpoint.family.name == "svd"
    assert checkpoint.layout == "diffusers folder"
    found = collect_weights(load(checkpoint, make_host()))

    theirs = {k: t for name in ("unet", "vae", "image_encoder") for k, t in read_stored(diffusers_folder / name)}
    assert len(theirs) == sum(map(len, found.values())) + DEAD_IN_FOLDER + 2 * 2 * 1  # q, k, v are one here
    for part, ours, key in SPOT_CHECKS:
        assert torch.equal(found[part][ours].flatten(), theirs[key].flatten()), ours
    layer = "vision_model.encoder.layers.0.self_attn"
    fused = torch.cat([theirs[f"{layer}.{part}_proj.weight"] for part in "qkv"])
    assert torch.equal(found["vision"]["transformer.resblocks.0.attn.in_proj_weight"], fused)
    assert torch.equal(found["vision"]["proj"], theirs["visual_projection.weight"].T)


DEAD_IN_FOLDER = 4 * 2 * 4  # norm2's two, to_q and to_k, in a spatial and a temporal block of four transformers
TEMPORAL = "temporal_transformer_blocks.0"
SPOT_CHECKS = (
    (
        "unet",
        "input_blocks.1.0.time_stack.in_layers.2.weight",
        "down_blocks.0.resnets.0.temporal_res_block.conv1.weight",
    ),
    ("unet", "input_blocks.2.0.op.weight", "down_blocks.0.downsamplers.0.conv.weight"),
    ("unet", "output_blocks.1.1.conv.weight", "up_blocks.0.upsamplers.0.conv.weight"),
    (
        "unet",
        "output_blocks.3.1.time_stack.0.ff_in.net.2.weight",
        f"up_blocks.1.attentions.1.{TEMPORAL}.ff_in.net.2.weight",
    ),
    ("unet", "label_emb.0.2.bias", "add_embedding.linear_2.bias"),
    ("decoder", "decoder.up.1.block.0.mix_factor", "decoder.up_blocks.0.resnets.0.time_mixer.mix_factor"),
    ("decoder", "decoder.up.0.block.1.conv2.bias", "decoder.up_blocks.1.resnets.1.spatial_res_block.conv2.bias"),
    ("decoder", "decoder.conv_out.time_mix_conv.weight", "decoder.time_conv_out.weight"),
    ("encoder", "encoder.mid.attn_1.q.weight", "encoder.mid_block.attentions.0.to_q.weight"),
    ("encoder", "encoder.down.1.block.0.nin_shortcut.bias", "encoder.down_blocks.1.resnets.0.conv_shortcut.bias"),
    ("vision", "positional_embedding", "vision_model.embeddings.position_embedding.weight"),
)
"""Part, name here, name there: a few of each kind, written down apart from the maps."""


@torch.no_grad()
def test_the_folder_computes_what_diffusers_computes(diffusers_folder: Path) -> None:
    """Names and shapes cannot show two norms swapped; the networks' results do."""
    models = _make_diffusers_models()
    svd = load(recognise(diffusers_folder), make_host())
    vision, encoder, unet, decoder = (svd.residents[part].network for part in ("vision", "encoder", "unet", "decoder"))
    vae, num_frames = models["vae"], 3

    image = torch.rand(1, 3, 28, 28) * 2 - 1
    assert _measure_difference(vision(image)[:, 0], models["image_encoder"](image).image_embeds) < 1e-5
    assert _measure_difference(encoder(image), vae.quant_conv(vae.encoder(image))) < 1e-5
    latents = torch.randn(num_frames, 4, 8, 8)
    decoded = vae.decode(latents / LATENT_SCALE, num_frames=num_frames).sample
    assert _measure_difference(torch.cat(list(decoder.decode_frames(latents, num_frames))), decoded) < 1e-5

    x, c_noise, ids = torch.randn(num_frames, 8, 8, 8), torch.tensor([0.3]), torch.tensor([[6.0, 75.0, 0.02]])
    context = torch.randn(1, 1, 32)
    theirs = models["unet"](x[None], c_noise[0], context, added_time_ids=ids).sample[0]
    tables = unet.make_tables(c_noise, sinusoid(ids, 256).flatten(1), context, num_frames)
    assert _measure_difference(unet(x, tables, 0), theirs) < 1e-3  # diffusers has another eps in most norms of its UNet


def _measure_difference(a: Tensor, b: Tensor) -> float:
    """Relative rms."""
    return float((a - b).square().mean().sqrt() / b.square().mean().sqrt())


def test_a_native_file_of_the_folder_s_weights_is_equal(diffusers_folder: Path, tmp_path: Path) -> None:
    checkpoint = recognise(diffusers_folder)
    found = collect_weights(load(checkpoint, make_host()))
    homes = {"unet": UNET, "vision": VISION, "encoder": ENCODER, "decoder": DECODER}
    keys = list_native_keys(checkpoint.configs)
    tensors = make_tiny_tensors(keys, 7)
    for part, prefix in homes.items():
        for name, tensor in found[part].items():
            tensors[prefix + name] = tensor.reshape(keys[prefix + name]).contiguous()
    save_file(tensors, tmp_path / "svd.safetensors")

    assert_equal(load_weights(tmp_path / "svd.safetensors"), found)


def test_fp16_variants_and_shards_of_a_folder(diffusers_folder: Path, tmp_path: Path) -> None:
    for name in ("unet", "vae", "image_encoder"):
        target = tmp_path / "sharded_svd" / name
        target.mkdir(parents=True)
        tensors = dict(read_stored(diffusers_folder / name))
        if name == "vae":
            save_file({k: t.half() for k, t in tensors.items()}, target / "diffusion_pytorch_model.fp16.safetensors")
        else:
            _write_shards(target, tensors)

    found = load_weights(tmp_path / "sharded_svd")
    whole = load_weights(diffusers_folder)

    for part in ("unet", "vision"):
        assert all(torch.equal(found[part][name], whole[part][name]) for name in whole[part])
    assert_equal(found, whole, tolerance=2**-10)
    assert len(recognise(tmp_path / "sharded_svd").stamps) == 5


def _write_shards(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Two files, dealt out in turn, so that q, k and v of a layer are in different ones."""
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    weight_map = {key: names[i % 2] for i, key in enumerate(tensors)}
    for name in names:
        save_file({key: tensor for key, tensor in tensors.items() if weight_map[key] == name}, folder / name)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_missing_shard_is_named(diffusers_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "svd" / "unet"
    target.mkdir(parents=True)
    _write_shards(target, dict(read_stored(diffusers_folder / "unet")))
    (target / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(BadCheckpoint, match=r"model-00002-of-00002\.safetensors is not in .*: check the name"):
        recognise(tmp_path / "svd")


def test_a_bare_diffusers_unet_borrows_the_rest(diffusers_folder: Path, native: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_tiny(tmp_path / "a" / "an_image_model.safetensors", {"cond_stage_model.x": [2], "y.input_blocks.0": [2]}, 1)
    (tmp_path / "a" / "svd_xt.safetensors").write_bytes(native.read_bytes())
    unet = tmp_path / "AnimateLCM-SVD-xt.safetensors"
    save_file(dict(read_stored(diffusers_folder / "unet")), unet)

    named = recognise(unet, companion=native)
    searched = recognise(unet, search_dirs=[tmp_path])

    assert (named.layout, named.family.name) == ("diffusers UNet", "animatelcm_svd_xt")
    assert named.notes == (
        "AnimateLCM-SVD-xt.safetensors has no image tower, VAE encoder and VAE decoder: taken from svd.safetensors.",
    )
    assert "taken from svd_xt.safetensors" in searched.notes[0]
    assert [stamp.path.name for stamp in searched.stamps] == [unet.name, "svd_xt.safetensors"]
    found, own, lent = collect_weights(load(named, make_host())), load_weights(diffusers_folder), load_weights(native)
    assert_equal(found, {"unet": own["unet"], **{part: lent[part] for part in ("vision", "encoder", "decoder")}})


def test_a_bare_native_unet_borrows_too(native: Path, tmp_path: Path, expected: Weights) -> None:
    tensors = make_tiny_tensors(keep_keys(list_native_keys(), UNET), 1)
    save_file({key.removeprefix(UNET): tensor for key, tensor in tensors.items()}, tmp_path / "svd_tuned.safetensors")

    assert_equal(load_weights(tmp_path / "svd_tuned.safetensors", companion=native), expected)


def test_two_bare_unets_have_nothing_to_lend_each_other(tmp_path: Path) -> None:
    a, b = (write_tiny(tmp_path / f"{name}.safetensors", keep_keys(list_native_keys(), UNET), 1) for name in "ab")

    with pytest.raises(BadCheckpoint, match=r"a\.safetensors has no .*, and no SVD checkpoint is at hand"):
        recognise(a)
    with pytest.raises(BadCheckpoint, match=r"b\.safetensors has no .* to lend: use an SVD checkpoint"):
        recognise(a, companion=b)


def test_a_companion_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path / "unet.safetensors", keep_keys(list_native_keys(), UNET), 1)
    from dataclasses import replace

    other = replace(NARROW, vision=replace(NARROW.vision, embed_dim=48), unet=replace(NARROW.unet, context_dim=48))
    write_narrow(tmp_path / "other" / "svd.safetensors", other)

    with pytest.raises(
        BadCheckpoint, match=r"unet\.safetensors has networks that .* \(an embedding of 48 where 32 go in\)"
    ):
        recognise(tmp_path / "unet.safetensors", companion=tmp_path / "other" / "svd.safetensors")
