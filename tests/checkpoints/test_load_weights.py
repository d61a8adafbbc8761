"""Every way a file may be stored loads to the same weights, in the host's dtype and in the host's own layers."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lib_svd.checkpoints import load, recognise
from lib_svd.checkpoints.ahead import ReadAhead
from lib_svd.checkpoints.native_layout import PARTS, split
from lib_svd.checkpoints.weights import plan_weights
from lib_svd.errors import BadCheckpoint, Interrupted, SvdError
from lib_svd.testing import FakeQueue
from tests.checkpoints.files import (
    DECODER,
    ENCODER,
    NARROW,
    PLAIN,
    VISION,
    Weights,
    assert_equal,
    collect_weights,
    drop_keys,
    keep_keys,
    list_native_keys,
    load_weights,
    make_host,
    set_vector,
    write_narrow,
)
from tests.tiny import make_tiny_tensors, write_tiny


def test_weights_are_the_file_s_own(native: Path, expected: Weights) -> None:
    tensors = make_tiny_tensors(list_native_keys(), 1)
    parts = split(tensors).parts

    for part in PARTS:
        assert expected[part].keys() == parts[part].keys()
        for name, key in parts[part].items():
            stored = tensors[key].float()
            assert torch.equal(expected[part][name], stored.reshape(expected[part][name].shape)), name


def test_networks_are_ready_to_run(native: Path) -> None:
    host = make_host(torch.bfloat16)
    checkpoint = recognise(native)
    svd = load(checkpoint, host)

    assert host.memory.list_residents() == [svd.vision, svd.encoder, svd.unet, svd.decoder]
    assert (svd.family, svd.configs) == (checkpoint.family, NARROW)
    for network in (resident.network for resident in host.memory.list_residents()):
        assert not any(module.training for module in network.modules())
        for weight in [*network.parameters(), *network.buffers()]:
            assert (weight.dtype, weight.device.type, weight.requires_grad) == (torch.bfloat16, "cpu", False)
            assert weight.dim() != 4 or weight.is_contiguous(memory_format=torch.channels_last)
            assert weight.untyped_storage().nbytes() <= weight.numel() * weight.element_size()


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 0.0), (torch.bfloat16, 2**-8), (torch.float8_e4m3fn, 2**-4), (torch.float8_e5m2, 2**-3)],
)
def test_every_storage_dtype_loads(tmp_path: Path, expected: Weights, dtype: torch.dtype, tolerance: float) -> None:
    path = write_narrow(tmp_path / "svd.safetensors", dtype=dtype)

    assert_equal(load_weights(path), expected, tolerance=tolerance)
    assert recognise(path).dtypes["unet"] == ({4: "F32", 2: "BF16", 1: ""}[dtype.itemsize] or _name_fp8(dtype),)


def _name_fp8(dtype: torch.dtype) -> str:
    return "F8_E4M3" if dtype == torch.float8_e4m3fn else "F8_E5M2"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_converted_to_what_the_host_computes_in(native: Path, expected: Weights, dtype: torch.dtype) -> None:
    rounded = {part: {k: w.to(dtype) for k, w in found.items()} for part, found in expected.items()}

    assert_equal(load_weights(native, dtype), rounded)


@pytest.mark.parametrize(
    ("configs", "conditioner"),
    [(PLAIN, ENCODER), (PLAIN, None), (NARROW, None), (set_vector(PLAIN, 256), "conditioner.embedders.1.encoder.")],
)
def test_other_released_layouts_load(tmp_path: Path, configs: Any, conditioner: str | None) -> None:
    path = write_tiny(tmp_path / "svd.safetensors", list_native_keys(configs, conditioner=conditioner), 1)

    found = load_weights(path)

    encoder = make_tiny_tensors(list_native_keys(configs, conditioner=conditioner), 1)
    key = (conditioner or DECODER) + "quant_conv.weight"
    assert torch.equal(found["encoder"]["quant_conv.weight"], encoder[key].float())


def test_saved_by_comfyui_the_encoder_has_its_last_convolution_folded(tmp_path: Path, expected: Weights) -> None:
    keys = drop_keys(list_native_keys(conditioner=None), DECODER + "quant_conv.")
    found = load_weights(write_tiny(tmp_path / "svd.safetensors", keys | {"edm_vpred.sigma_max": []}, 1))

    assert torch.equal(found["encoder"]["quant_conv.weight"][..., 0, 0], torch.eye(8))
    assert not found["encoder"]["quant_conv.bias"].any()
    stored = make_tiny_tensors(keys, 1)[DECODER + "encoder.conv_in.weight"]
    assert torch.equal(found["encoder"]["encoder.conv_in.weight"], stored.float())
    assert_equal(found | {"encoder": {}}, expected | {"encoder": {}})


def test_sv3d_saved_by_comfyui_has_its_only_decoder_with_the_conditioner(tmp_path: Path) -> None:
    home = "conditioner.embedders.1.encoder."
    keys = drop_keys(list_native_keys(set_vector(PLAIN, 256), conditioner=home), DECODER)

    checkpoint = recognise(write_tiny(tmp_path / "a.safetensors", keys, 1))

    assert checkpoint.family.name == "sv3d_u"
    assert checkpoint.configs.decoder == PLAIN.decoder
    assert checkpoint.sources["decoder"]["decoder.conv_in.weight"].tensors[0].key == home + "decoder.conv_in.weight"


def _rename_as_transformers(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The image tower of a native file as transformers names it; written down apart from the map under test."""
    renames = {
        "class_embedding": "embeddings.class_embedding",
        "conv1.weight": "embeddings.patch_embedding.weight",
        "positional_embedding": "embeddings.position_embedding.weight",
        "ln_pre.": "pre_layrnorm.",
        "ln_post.": "post_layernorm.",
        "transformer.resblocks.": "encoder.layers.",
        "ln_1.": "layer_norm1.",
        "ln_2.": "layer_norm2.",
        "mlp.c_fc.": "mlp.fc1.",
        "mlp.c_proj.": "mlp.fc2.",
        "attn.out_proj.": "self_attn.out_proj.",
    }
    found = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(VISION)
        if name == "proj":
            found[f"{prefix}visual_projection.weight"] = tensor.T.contiguous()
            continue
        for old, new in renames.items():
            name = name.replace(old, new)
        if ".in_proj_" in name:
            kind = name.rpartition("_")[2]
            for part, rows in zip("qkv", tensor.chunk(3), strict=True):
                layer = name.partition(".attn.")[0]
                found[f"{prefix}vision_model.{layer}.self_attn.{part}_proj.{kind}"] = rows.contiguous()
        else:
            found[f"{prefix}vision_model.{name}"] = tensor
    return found


def test_saved_by_comfyui_the_image_tower_is_in_transformers_layout(tmp_path: Path, expected: Weights) -> None:
    tensors = make_tiny_tensors(list_native_keys(), 1)
    tower = {key: tensors.pop(key) for key in keep_keys(list_native_keys(), VISION)}
    position_ids = {VISION + "vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file(tensors | _rename_as_transformers(tower, VISION) | position_ids, tmp_path / "svd.safetensors")

    assert_equal(load_weights(tmp_path / "svd.safetensors"), expected)


def test_training_leftovers_are_passed_over(tmp_path: Path, expected: Weights) -> None:
    more = {"model_ema.decay": [], "model_ema.xinput_blocks00weight": [3], "denoiser.sigmas": [9], "v_pred": [0]}
    text = {"conditioner.embedders.0.open_clip.model.transformer.resblocks.0.ln_1.weight": [4]}

    assert_equal(load_weights(write_tiny(tmp_path / "svd.safetensors", list_native_keys() | more | text, 1)), expected)


def test_progress_is_told_and_stopping_is_heard(native: Path) -> None:
    queue = FakeQueue()
    load(recognise(native), make_host(queue=queue))

    done = [report.done for report in queue.reports]
    assert 2 <= len(done) <= 101
    assert done == sorted(done)
    assert queue.reports[-1].done <= queue.reports[-1].total
    assert queue.reports[-1].title == "Loading svd.safetensors"

    stopping = make_host(queue=FakeQueue(lambda progress: 2 * progress.done >= progress.total))
    with pytest.raises(Interrupted, match=r"Loading svd\.safetensors was stopped"):
        load(recognise(native), stopping)
    assert stopping.memory.list_residents() == []


@pytest.mark.parametrize("how", ["cut", "replaced", "deleted", "touched"])
def test_a_file_that_changes_before_it_is_loaded_is_refused(tmp_path: Path, how: str) -> None:
    path = write_narrow(tmp_path / "svd.safetensors")
    checkpoint = recognise(path)
    if how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "replaced":
        write_narrow(path, PLAIN, seed=2)
    elif how == "deleted":
        path.unlink()
    else:
        os.utime(path, ns=(0, 0))

    with pytest.raises(BadCheckpoint, match=r"svd\.safetensors (was changed while it was being loaded|is not in)"):
        load(checkpoint, make_host())


def test_a_file_that_changes_while_it_is_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_narrow(tmp_path / "svd.safetensors")
    checkpoint = recognise(path)
    queue = FakeQueue(lambda progress: os.utime(path, ns=(0, 0)) is not None)

    with pytest.raises(BadCheckpoint, match="was changed while"):
        load(checkpoint, make_host(queue=queue))


def test_loaded_weights_do_not_look_into_the_file(tmp_path: Path) -> None:
    path = write_narrow(tmp_path / "svd.safetensors")
    found = load_weights(path, torch.float16)
    before = {part: {name: w.clone() for name, w in parts.items()} for part, parts in found.items()}

    with path.open("r+b") as file:  # in place, so that the same pages change
        file.write(bytes(path.stat().st_size))

    assert_equal(found, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_read_row_by_row_it_is_the_same(
    native: Path, expected: Weights, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("lib_svd.checkpoints.weights"), "BUFFER", 1000)
    checkpoint = recognise(native)
    shapes = {name: tuple(w.shape) for name, w in expected["unet"].items()}
    stamps = {stamp.path: stamp for stamp in checkpoint.stamps}

    found, pieces = plan_weights(checkpoint.sources["unet"], shapes, dtype, stamps)
    with ReadAhead(pieces) as reading:
        read = list(reading)

    assert found.keys() == expected["unet"].keys()
    assert all(torch.equal(found[name], expected["unet"][name].to(dtype)) for name in found)
    assert sum(read) == sum(2 * math.prod(shape) for shape in shapes.values())


SHORTENED = """
import os, sys
from pathlib import Path
from lib_svd.checkpoints import load, recognise
from lib_svd.errors import BadCheckpoint
from lib_svd.testing import FakeQueue
from tests.checkpoints.files import make_host

path, how = Path(sys.argv[1]), sys.argv[2]
def spoil(progress):
    if len(queue.reports) == 20 and how == "shortened":
        os.truncate(path, 5000)
    if len(queue.reports) == 20 and how == "rewritten":
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))

queue = FakeQueue(spoil)
try:
    load(recognise(path), make_host(queue=queue))
except BadCheckpoint as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["shortened", "rewritten"])
def test_a_file_that_is_spoiled_in_place_while_it_is_read_is_refused(tmp_path: Path, how: str) -> None:
    """In a process of its own: one that looks into a mapped file which has become shorter is ended by the system."""
    path = write_narrow(tmp_path / "svd.safetensors")
    words = [sys.executable, "-c", SHORTENED, str(path), how]

    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "svd.safetensors was changed while it was being loaded: wait until it is written, then load it again.\n"
    )


class ForgeLinear(nn.Module):
    """As Forge's: no nn.Linear, no weight until it is loaded, which then goes where its dummy is."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.dummy = nn.Parameter(torch.empty(1))
        self.weight = self.bias = None

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any, **more: Any) -> None:
        if not hasattr(self, "dummy"):
            super()._load_from_state_dict(state_dict, prefix, *rest, **more)
            return
        for name in ("weight", "bias"):
            if prefix + name in state_dict:
                setattr(self, name, nn.Parameter(state_dict[prefix + name].to(self.dummy)))
        del self.dummy


class ForgeConv2d(nn.Conv2d):
    def reset_parameters(self) -> None:
        return None


class LossyLinear(nn.Linear):
    """A host's layer that loses its weight."""

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any, **more: Any) -> None:
        return None


def test_layers_that_a_host_swapped_are_filled(native: Path, expected: Weights) -> None:
    svd = load(recognise(native), make_host(torch.float16, Linear=ForgeLinear, Conv2d=ForgeConv2d))

    built = [resident.network for resident in svd.residents.values()]
    assert any(isinstance(module, ForgeLinear) for network in built for module in network.modules())
    assert not any(w.requires_grad for network in built for w in network.parameters())
    half = {part: {k: w.half() for k, w in found.items()} for part, found in expected.items()}
    assert_equal(collect_weights(svd), half)


def test_layers_that_lose_weights_are_not_passed_over(native: Path) -> None:
    with pytest.raises(SvdError, match="layers of a fake did not take weights of the image tower"):
        load(recognise(native), make_host(Linear=LossyLinear))
