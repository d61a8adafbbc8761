"""What cannot be used is refused in one sentence: which file, what it is, what to do. The file is left as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_svd.checkpoints import header, recognise
from lib_svd.checkpoints.foreign import FOREIGN, TEMPORAL
from lib_svd.errors import BadCheckpoint, BadRequest
from tests.checkpoints.files import (
    ENCODER,
    PLAIN,
    UNET,
    VISION,
    Keys,
    drop_keys,
    keep_keys,
    list_native_keys,
    write_narrow,
)
from tests.tiny import write_tiny

Make = Callable[[Path], Path]


def write_bytes(name: str, content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def write_keys(keys: Keys, name: str = "model.safetensors", **how: object) -> Make:
    return lambda folder: write_tiny(folder / name, keys, 1, **how)  # type: ignore[arg-type]


def write_foreign(*names: str, name: str = "model.safetensors") -> Make:
    """A file of other keys, each a small matrix."""
    return write_keys({key: [4, 4] for key in names}, name)


def cut(length: int) -> Make:
    def make(folder: Path) -> Path:
        path = write_narrow(folder / "svd_cut.safetensors")
        os.truncate(path, length if length > 0 else path.stat().st_size + length)
        return path

    return make


def write_spoiled_header(folder: Path) -> Path:
    path = write_narrow(folder / "svd_spoiled.safetensors")
    content = bytearray(path.read_bytes())
    content[40:44] = b"\x00\x01\x02\x03"
    path.write_bytes(content)
    return path


def link_to_nothing(folder: Path) -> Path:
    (folder / "svd_link.safetensors").symlink_to(folder / "gone.safetensors")
    return folder / "svd_link.safetensors"


def write_folder(*names: str, text: str = "{}") -> Make:
    def make(folder: Path) -> Path:
        for name in names:
            (folder / "models" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "models" / name).write_text(text)
        return folder / "models"

    return make


def write_sd15_folder(folder: Path) -> Path:
    (folder / "sd15" / "unet").mkdir(parents=True)
    keys = {"down_blocks.0.resnets.0.conv1.weight": [4, 4], "conv_in.weight": [4, 4]}
    write_tiny(folder / "sd15" / "unet" / "diffusion_pytorch_model.safetensors", keys, 1)
    return folder / "sd15"


def spoil_shape() -> Keys:
    keys = list_native_keys()
    return keys | {UNET + "input_blocks.1.0.in_layers.2.weight": [64, 32, 3, 3]}


def write_quantised(folder: Path) -> Path:
    path = folder / "svd_int8.safetensors"
    save_file({key: torch.zeros(shape, dtype=torch.int8) for key, shape in list_native_keys().items()}, path)
    return path


NATIVE_IMAGE = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight"
CASES: dict[str, tuple[Make, str, str]] = {
    # files that are no safetensors files
    "missing": (lambda folder: folder / "svd.safetensors", "is not in", "check the name"),
    "broken link": (link_to_nothing, "a link to a file that is not there", "put the file there"),
    "empty file": (write_bytes("svd.safetensors", b""), "empty", "download"),
    "ckpt": (write_bytes("svd.ckpt", b"anything"), "pickle", "use the .safetensors"),
    "pt": (write_bytes("svd.pt", b"anything"), "pickle", "use the .safetensors"),
    "pth": (write_bytes("svd.PTH", b"anything"), "pickle", "use the .safetensors"),
    "bin": (write_bytes("svd.bin", b"anything"), "pickle", "use the .safetensors"),
    "zip inside": (write_bytes("svd.safetensors", b"PK\x03\x04" + bytes(60)), "zip", "use the .safetensors"),
    "pickle inside": (write_bytes("svd.safetensors", b"\x80\x02}q\x00" + bytes(60)), "pickle", "use the .safetensors"),
    "gguf": (write_bytes("svd.gguf", b"GGUF\x03\x00\x00\x00" + bytes(60)), "GGUF", "svd_xt.safetensors"),
    "gguf renamed": (write_bytes("svd.safetensors", b"GGUF\x03\x00\x00\x00" + bytes(60)), "GGUF", "svd_xt.safetensors"),
    "web page": (write_bytes("svd.safetensors", b"\n<!DOCTYPE html><html>" + b" " * 60), "web page", "download again"),
    "html": (write_bytes("svd.safetensors", b"<html><head>" + b" " * 60), "web page", "accept the licence"),
    "lfs": (write_bytes("svd.safetensors", b"version https://git-lfs.github.com/spec/v1\n"), "LFS", "git lfs pull"),
    "text": (write_bytes("svd.safetensors", b"Entry not found, sorry about that."), "text file", "use an SVD"),
    "archive": (write_bytes("svd.safetensors", b"7z\xbc\xaf\x27\x1c" + bytes(60)), "archive", "unpack"),
    "noise": (write_bytes("svd.safetensors", bytes(range(128, 256))), "not a safetensors file", "download"),
    "too short": (write_bytes("svd.safetensors", b"\x01\x02\x03"), "not a safetensors file", "download"),
    "cut in the header": (cut(500), "cut off inside its header", "download"),
    "cut in the tensors": (cut(-100), "cut off", "download"),
    "damaged header": (write_spoiled_header, "damaged", "download"),
    "folder": (write_folder("a.txt"), "is a folder", "diffusers folder"),
    "other pipeline": (
        write_folder("model_index.json", text='{"_class_name": "FluxPipeline"}'),
        "for FluxPipeline",
        "name a .safetensors file",
    ),
    "folder of pickles": (write_folder("unet/diffusion_pytorch_model.bin"), "pickle", "download the .safetensors"),
    "folder of an image model": (write_sd15_folder, "image UNet", "use an SVD"),
    "bad index": (
        write_folder("unet/model.safetensors.index.json", text='{"weight_map": {"a": "../b"}}'),
        "index",
        "again",
    ),
    "bad weights": (write_folder("unet/x.safetensors"), "text file", "use an SVD"),
    "bad JSON": (write_folder("vae/a.txt", "model_index.json", text="{"), "as JSON", "download the folder again"),
    # other models
    "no tensors": (write_keys({}), "holds no tensors", "use an SVD"),
    "SD1.5": (write_foreign(NATIVE_IMAGE, "cond_stage_model.transformer.x.weight"), "SD1.5", "use an SVD"),
    "SD2": (write_foreign(NATIVE_IMAGE, "cond_stage_model.model.ln_final.weight"), "SD2", "use an SVD"),
    "SDXL": (write_foreign(NATIVE_IMAGE, "conditioner.embedders.1.model.ln_final.weight"), "SDXL", "use an SVD"),
    "SDXL refiner": (
        write_foreign(NATIVE_IMAGE, "conditioner.embedders.0.model.ln_final.weight"),
        "refiner",
        "use an SVD",
    ),
    "SD3": (write_foreign("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"), "SD3", "use an SVD"),
    "Flux": (write_foreign("double_blocks.0.img_attn.qkv.weight"), "Flux", "use an SVD"),
    "video transformer": (write_foreign("model.diffusion_model.patchify_proj.weight"), "transformer", "use an SVD"),
    "image UNet": (
        write_foreign("model.diffusion_model.input_blocks.1.0.in_layers.2.weight"),
        "image UNet",
        "use an SVD",
    ),
    "image UNet, diffusers": (write_foreign("down_blocks.0.resnets.0.conv1.weight"), "image UNet", "use an SVD"),
    "motion module": (write_foreign("down_blocks.0.motion_modules.0.proj_in.weight"), "AnimateDiff", "use an SVD"),
    "SV4D": (write_foreign(UNET + "input_blocks.1.1.time_mix_blocks.0.norm1.weight"), "SV4D", "SV3D"),
    "SV4D2": (
        write_foreign(UNET + "input_blocks.1.0.time_stack.in_layers.0.weight", UNET + "motion_blocks.0.x"),
        "SV4D",
        "SV3D",
    ),
    "LoRA": (write_foreign("lora_unet_down_blocks_0.lora_up.weight"), "LoRA", "complete SVD"),
    "LoRA of SVD": (
        write_foreign("unet.down_blocks.0.temporal_transformer_blocks.0.to_q.lora_A.weight"),
        "LoRA",
        "complete",
    ),
    "ControlNet of SVD": (
        write_foreign(
            "down_blocks.0.resnets.0.temporal_res_block.conv1.weight",
            "controlnet_cond_embedding.conv_in.weight",
            "controlnet_down_blocks.0.weight",
        ),
        "ControlNet for SVD",
        "use an SVD",
    ),
    "ControlNeXt of SVD": (
        write_foreign("embedding.0.weight", "down_res.0.conv1.weight", "mid_convs.0.0.weight"),
        "ControlNeXt for SVD",
        "use an SVD",
    ),
    "Framer": (
        write_foreign("down_blocks.0.resnets.0.temporal_res_block.conv1.weight", "mask_token"),
        "Framer",
        "use an SVD",
    ),
    "ControlNet": (write_foreign("control_model.input_blocks.0.0.weight"), "ControlNet", "complete SVD"),
    "IP-Adapter": (
        write_foreign("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"),
        "IP-Adapter",
        "complete SVD",
    ),
    "embedding": (write_foreign("emb_params"), "embedding", "use an SVD"),
    "text to video": (write_foreign("down_blocks.0.temp_convs.0.conv1.0.weight"), "text-to-video", "use an SVD"),
    "VAE": (write_foreign("decoder.conv_in.weight", "encoder.conv_in.weight"), "VAE and no UNet", "complete SVD"),
    "CLIP": (write_foreign("vision_model.encoder.layers.0.layer_norm1.weight"), "CLIP", "complete SVD"),
    "something else": (write_foreign("body.0.rdb1.conv1.weight"), "no video model", "use an SVD"),
    "scaled fp8": (write_keys(list_native_keys() | {UNET + "out.2.scale_weight": [1]}), "quantised", "plain fp8"),
    "int8": (write_quantised, "stores", "fp16"),
    # SVD, but not whole
    "UNet alone": (
        write_keys(keep_keys(list_native_keys(), UNET)),
        "no image tower, VAE encoder and VAE decoder",
        "put svd_xt.safetensors beside it",
    ),
    "no VAE": (
        write_keys(keep_keys(list_native_keys(), UNET, VISION)),
        "no VAE encoder and VAE decoder",
        "put svd_xt.safetensors beside it",
    ),
    "all but the UNet": (write_keys(drop_keys(list_native_keys(), UNET)), "no UNet", "complete SVD"),
    "missing keys": (
        write_keys(drop_keys(list_native_keys(), UNET + "middle_block.0.")),
        "21 tensors missing",
        "download",
    ),
    "missing start": (write_keys(drop_keys(list_native_keys(), UNET + "input_blocks.0.")), "incomplete", "download"),
    "missing quant_conv half": (
        write_keys(drop_keys(list_native_keys(), ENCODER + "quant_conv.bias")),
        "1 tensor missing",
        "download",
    ),
    "extra keys": (
        write_keys(list_native_keys() | {f"extra.{i}": [2] for i in range(7)}),
        "7 tensors",
        "released file",
    ),
    "extra keys inside": (write_keys(list_native_keys() | {UNET + "out.9.bias": [2]}), "out.9.bias", "released file"),
    "wrong shape": (write_keys(spoil_shape()), "is [64, 32, 3, 3] and not [64, 64, 3, 3]", "released file"),
    "wrong rank": (
        write_keys(list_native_keys() | {VISION + "conv1.weight": [80]}),
        "shapes are not those of SVD",
        "released file",
    ),
    "no such vector": (write_keys(list_native_keys() | {UNET + "label_emb.0.0.weight": [64, 512]}), "512", "SVD"),
    "unlike networks": (write_keys(list_native_keys() | {VISION + "proj": [80, 48]}), "48 where 32", "released file"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_in_one_sentence_and_left_alone(case: str, tmp_path: Path) -> None:
    make, what, advice = CASES[case]
    path = make(tmp_path)
    before = _snapshot(tmp_path)

    with pytest.raises(BadCheckpoint) as caught:
        recognise(path, search_dirs=[tmp_path])

    sentence = str(caught.value)
    assert path.name in sentence or any(file.name in sentence for file in path.rglob("*"))
    assert what in sentence
    assert advice in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert _snapshot(tmp_path) == before


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def test_there_are_many_such_cases() -> None:
    assert len(CASES) >= 25


def test_missing_and_extra_keys_are_named_five_at_most(tmp_path: Path) -> None:
    path = write_keys(list_native_keys() | {f"extra.{i}": [2] for i in range(7)})(tmp_path)

    with pytest.raises(
        BadCheckpoint, match=r"7 tensors .*\(extra\.0, extra\.1, extra\.2, extra\.3, extra\.4, \.\.\.\)"
    ):
        recognise(path)


@pytest.mark.parametrize("suffix", header.PICKLE_SUFFIXES)
def test_a_pickle_is_not_even_opened(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bytes(f"svd{suffix}", b"\x80\x04")(tmp_path)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("opened"))

    with pytest.raises(BadCheckpoint, match="never opened"):
        recognise(path)


@pytest.mark.parametrize("place", ["stat", "open"])
def test_a_file_of_another_user_is_refused(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_narrow(tmp_path / "svd.safetensors")

    def forbid(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", lambda self: False)
    monkeypatch.setattr(Path, place, forbid)
    with pytest.raises(BadCheckpoint, match=r"svd\.safetensors may not be read.*change the permissions"):
        recognise(path)


def test_a_safetensors_file_whose_first_bytes_look_like_a_pickle_is_read(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a.weight": torch.zeros(1)}, path, metadata={"x": "y"})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    wanted = 0x0480  # begins with the two bytes of a pickle of protocol 4
    path.write_bytes(wanted.to_bytes(8, "little") + content[8 : 8 + length].ljust(wanted) + content[8 + length :])

    assert header.read_header(path).metadata == {"x": "y"}


def test_torch_load_and_load_file_are_never_called(tmp_path: Path) -> None:
    """A host renames the user's file when one of them fails; looked for in a process of its own, imports included."""
    write_narrow(tmp_path / "svd.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"PK\x03\x04" + bytes(99))
    code = """
import sys, torch, safetensors.torch
def no(*a, **k): raise SystemExit("called")
torch.load = safetensors.torch.load_file = no
from pathlib import Path
from lib_svd.checkpoints import recognise
from lib_svd.errors import BadCheckpoint
recognise(Path(sys.argv[1]) / "svd.safetensors")
try: recognise(Path(sys.argv[1]) / "bad.safetensors")
except BadCheckpoint: print("refused")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_no_row_of_the_table_fits_an_svd_file() -> None:
    text = "\n".join(list_native_keys() | list_native_keys(PLAIN))
    from lib_svd.checkpoints.foreign import _matches

    assert _matches(TEMPORAL, text)
    assert [kind.what for kind in FOREIGN if _matches(kind.pattern, text) and not _matches(kind.without, text)] == []


@pytest.mark.parametrize("place", ["unet/diffusion_pytorch_model.safetensors", "", "a.safetensors"])
def test_a_unet_of_generative_inbetweening_is_told_by_its_folder(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "svd_reverse_motion_with_attnflip"
    write_narrow(folder / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "unet" / "config.json").write_text("{}", "utf-8")
    write_narrow(folder / "a.safetensors")
    with pytest.raises(BadCheckpoint, match=r"is the UNet of Generative Inbetweening .*, which moves backwards"):
        recognise(folder / place)


def test_an_unknown_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="'svd_9' is not a variant: choose one of svd, svd_xt"):
        recognise(write_narrow(tmp_path / "svd.safetensors"), variant="svd_9")


def test_a_variant_against_the_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=r"svd\.safetensors has .* 768 numbers and cannot be sv3d_u"):
        recognise(write_narrow(tmp_path / "svd.safetensors"), variant="sv3d_u")


def test_folder_with_heads_of_another_width_is_refused(tmp_path: Path) -> None:
    unet = tmp_path / "svd_folder" / "unet"
    unet.mkdir(parents=True)
    write_tiny(unet / "diffusion_pytorch_model.safetensors", {"down_blocks.0.resnets.0.temporal_res_block.x": [2]}, 1)
    (unet / "config.json").write_text(json.dumps({"num_attention_heads": [2], "block_out_channels": [64]}))

    with pytest.raises(BadCheckpoint, match="svd_folder has 2 attention heads over 64 channels, not 64 each"):
        recognise(unet.parent)
    shutil.rmtree(unet.parent)
