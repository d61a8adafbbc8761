"""Whatever is wrong with what a user asks for: one line that says what and what to do, and nothing else happens."""

from __future__ import annotations

import errno
import json
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_svd.engine.config import DecoderConfig, EncoderConfig
from lib_svd.settings import MAX_SEED, SETTINGS
from lib_svd.testing import write_checkpoint
from tests.conftest import NARROW, save_picture, start
from tests.requests import complete

OTHER = replace(
    NARROW,
    encoder=EncoderConfig(channels=(32, 64), num_res_blocks=1),
    decoder=DecoderConfig(channels=(32, 64), num_res_blocks=1),
)
"""Latents half as wide as the picture, not an eighth."""

GOOD = "photo.png --checkpoint svd.safetensors --out new.mp4"
LATENTS = "--from-latents kept.safetensors --checkpoint svd.safetensors --out new.mp4"

CASES = {
    # settings; the words after `animate GOOD`, and what the sentence must hold
    "--frames 0": "--frames must be from 1 to 1024, not 0",
    "--frames 21 --window 21": "makes 5 frames and cannot make 21 at a time|set --window to 0, and it will make",
    "--frames 6 --window 5 --cache-interval 2": "cannot reuse the inner stages|set --cache-interval to 1",
    "--ending loop --cache-interval 2": "begins at another frame in each step|set --cache-interval to 1",
    "--last-picture nothing.png": "--last-picture nothing.png is not there: choose the picture again",
    "--mask notes.txt": "--mask notes.txt is a text file, not a picture",
    "--frames many": "--frames must be a number, not 'many'",
    "--num-frames 2.5": "--frames must be a whole number, not 2.5",
    "--fps 0": "--fps must be from 1 to 30, not 0",
    "--fps 31": "--fps must be from 1 to 30, not 31",
    "--motion 0": "--motion must be from 1 to 255, not 0",
    "--motion-bucket-id 256": "--motion must be from 1 to 255, not 256",
    "--augmentation -0.1": "--augmentation must be from 0 to 1, not -0.1",
    "--augmentation nan": "--augmentation must be a number, not nan",
    "--augmentation 0,02": "--augmentation must be a number, not '0,02'",
    "--min-guidance 0.5": "--min-guidance must be from 1 to 20, not 0.5",
    "--max-guidance inf": "--max-guidance must be a number, not inf",
    "--min-guidance 3 --max-guidance 2": "not begin with a --min-guidance above --max-guidance: 3 is above 2",
    "--guidance-ramp sine": "--guidance-ramp must be one of linear, triangle, constant, not 'sine'",
    "--steps 0": "--steps must be from 1 to 100, not 0",
    "--num-steps 101": "--steps must be from 1 to 100, not 101",
    "--sampler plms": "--sampler must be one of euler, |not 'plms'",
    "--schedule simple": "--schedule must be one of karras, |not 'simple'",
    "--fit cover": "--fit must be one of crop, letterbox, stretch, not 'cover'",
    "--focus-x 1.1": "--focus-x must be from 0 to 1, not 1.1",
    "--focus-y -1": "--focus-y must be from 0 to 1, not -1",
    "--zoom 0.5": "--zoom must be from 1 to 8, not 0.5",
    "--guidance-low 5 --guidance-high 2": "Guidance must have a --guidance-low below --guidance-high: 5 is above 2",
    "--guidance-high 1001": "--guidance-high must be from 0 to 1000 (sigma), not 1001",
    "--cache-interval 0": "--cache-interval must be from 1 to 10, not 0",
    "--background red": "--background must be a colour such as #ffffff, not 'red'",
    "--decode fast": "--decode must be one of exact, reference, not 'fast'",
    "--decode-chunk -1": "--decode-chunk must be from 0 to 1024, not -1",
    "--elevation 20": "--elevation is for SV3D_p only, and Stable Video Diffusion XT has none|leave it out",
    "--cut-out never": "--cut-out is for SV3D only, and Stable Video Diffusion XT has none|leave it out",
    "--object-fill 0.05": "--object-fill must be from 0.1 to 1, not 0.05",
    "--orbit 90": "--orbit is for SV3D_p only",
    "--elevation 91": "--elevation must be from -90 to 90 degrees, not 91",
    "--elevation 10;95": "--elevation must be from -90 to 90 degrees, not 95",
    "--elevation high": "--elevation must be a number, or up to 100 along the clip such as 0, 30, 0, not 'high'",
    "--orbit round": "--orbit must be a number, or up to 100 along the clip such as 0, 30, 0, or dynamic, not 'round'",
    "--orbit -361": "--orbit must be from -360 to 360 degrees, not -361",
    "--seed -2": "--seed must be from 0 to 4294967295, not -2",
    "--seed lucky": "--seed must be a number, not 'lucky'",
    f"--seed {MAX_SEED} --count 2": f"Seeds end at {MAX_SEED}|choose a smaller --seed or --count",
    "--size 1024": "--size '1024' cannot be read|such as 1024x576, or auto",
    "--size 97x64": "The sides of --size must be multiples of 16|96x64, 112x64 come nearest",
    "--enlarge 0": "Invalid value for '--enlarge': 0 is not in the range 1<=x<=64",
    "--enlarge 2.5": "Invalid value for '--enlarge': '2.5' is not a valid integer",
    "--enlarge 60": "Enlarged 60 times the video would be too large to play: --enlarge 42 times at most",
    "--size 8x8": "--size must be from 32 to 4096 pixels, not 8",
    "--size 256x128": "256x128 is more than 4 times the 96x64|choose a smaller --size and upscale",
    "--count 0": "Invalid value for '--count': 0 is not in the range 1<=x<=1000",
    "--count two": "Invalid value for '--count': 'two' is not a valid integer",
    "--count 2 --frames-dir f": "--frames-dir goes with one clip, not with 2",
    "--count 2 --save-latents l.safetensors": "--save-latents goes with one clip",
    "--count 2 --seed 7 --out third.mp4": "third-8.mp4 exists already|choose another name",
    # where it runs
    "--device cuda": "Device 'cuda' is not there|have cpu",
    "--device tpu": "Device 'tpu' is not there",
    "--weights int8": "Weights must be one of auto, float8, not 'int8'",
    "--dtype float8": "Dtype must be one of auto, float32, float16, bfloat16, not 'float8'",
    # the picture
    "@ none.png": "none.png does not exist|check the spelling",
    "@ full": "full is a folder, not a picture|choose a file in it",
    "@ notes.txt": "notes.txt is a text file|choose a PNG",
    "@ cut.png": "cut.png is incomplete or damaged|download it again",
    "@ tiny.png": "tiny.png is only 24x24 pixels|choose a larger picture",
    "@ bomb.png": "bomb.png has too many pixels|make it smaller",
    "@ strip.png": "strip.png is 1280x64 pixels|crop it first",
    "@ empty.png": "empty.png is empty|download it again",
    "@ svd.safetensors": "Error: svd.safetensors is not a picture|convert it to PNG",
    "@": "Which picture? Name one: python -m lib_svd animate photo.jpg",
    # the model
    "--checkpoint none": "No model is called 'none'|name one of these",
    "--checkpoint ./none.safetensors": "No model is called './none.safetensors'",
    "--checkpoint model.ckpt": "model.ckpt is a .ckpt file, a pickle|use the .safetensors file",
    "--checkpoint lora.safetensors": "lora.safetensors is a LoRA|use a complete SVD checkpoint|name the LoRA as such",
    "--lora mist:0.8": "--lora 'mist' is not there|put yours into",
    "--lora fog:strong": "--lora 'fog:strong' cannot be read: write name:strength",
    "--lora lora.safetensors": "lora.safetensors has shapes in down_blocks.0 that make no LoRA",
    "--lora sd15.safetensors": "sd15.safetensors is no LoRA",
    "--checkpoint sd15.safetensors": "sd15.safetensors is an SD1.5 checkpoint|use an SVD checkpoint",
    "--checkpoint sv4d.safetensors": "sv4d.safetensors is an SV4D model|use SVD or SV3D",
    "--checkpoint vae.safetensors": "vae.safetensors holds a VAE and no UNet|use a complete SVD checkpoint",
    "--checkpoint cut.safetensors": "cut.safetensors is cut off|download it again",
    "--checkpoint page.safetensors": "page.safetensors is a web page|download again",
    "--checkpoint tiny.png": "tiny.png is not a safetensors file",
    "--checkpoint full": "No model is called 'full'",
    "--checkpoint unet.safetensors --companion lora.safetensors": "lora.safetensors is a LoRA",
    "--checkpoint unet.safetensors --companion none.safetensors": "none.safetensors is not in|check the name",
    "--variant svd_xl": "'svd_xl' is not a variant|choose one of svd, svd_xt",
    "--variant sv3d_p": "cannot be sv3d_p|say --variant svd",
    "--checkpoint=": "There is no SVD model yet|huggingface.co/stabilityai|models/svd|say --checkpoint demo to see",
    # the place to write
    "--out taken.mp4": "taken.mp4 exists already|choose another name",
    "--out notes.mp4": "notes.txt exists already|choose another name",
    "--out clip.webm": "clip.webm is no name for a clip|name it clip.mp4 and ask for VP9 (webm) beside it, --also webm",
    "--out full": "full is a folder|add a name for the clip",
    "--out notes.txt/clip.mp4": "notes.txt is a file, not a folder|choose another place",
    f"--out {'x' * 250}.mp4": "is too long|choose a shorter one",
    "--frames-dir full": "full is not empty|choose a new folder",
    "--frames-dir notes.txt": "notes.txt is a file|choose another folder",
    "--save-latents kept.safetensors": "kept.safetensors exists already|choose another name",
    "--save-latents none/l.safetensors": "The folder none for the latents is not there|make it first",
    "--save-latents clip.mp4": "clip.mp4 does not end in .safetensors|name it so",
    # settings of another clip
    "--like none.mp4": "none.mp4 is not there|name a clip, a frame or a .txt",
    "--like full": "full is not there|name a clip",
    "--like notes.txt": "notes.txt carries no settings|name one that was made here",
    "--like tiny.png": "tiny.png carries no settings",
    "--like bomb.png": "bomb.png cannot be read|name a clip",
    "--like cut.png": "cut.png cannot be read",
    "--like kept.safetensors": "--like kept.safetensors is not a video that can be read",
    "--like wrong.txt": "wrong.txt: --fps must be from 1 to 30, not 99",
    # latents of another clip; the words stand alone
    "--from-latents none.safetensors": "none.safetensors is not there|--save-latents wrote",
    "--from-latents full": "full is not there|--save-latents wrote",
    "--from-latents photo.png": "photo.png holds no latents|--save-latents wrote",
    "--from-latents lora.safetensors": "lora.safetensors holds no latents|--save-latents wrote",
    "--from-latents nan.safetensors": "nan.safetensors holds NaN|sample the clip again",
    "--from-latents short.safetensors": "short.safetensors holds no latents",
    LATENTS + " --seed 5 --count 2": "decodes what is sampled already|leave out --seed and --count",
    LATENTS + " photo.png": "leave out a picture",
    LATENTS + " --like taken.mp4": "leave out --like",
    LATENTS.replace(
        "svd.saf", "narrower.saf"
    ): "narrower.safetensors cannot decode these latents: give --checkpoint svd.saf",
    LATENTS.replace("new.mp4", "taken.mp4"): "taken.mp4 exists already",
    "--speed 9": "'9' is no speed|best, balanced, draft",
    # the command line itself
    "--fast 9": "No such option|--fast|see python -m lib_svd animate --help",
    "--fps": "Option '--fps' requires an argument|--help",
    "second.png": "--out goes with one clip, not with 2|leave it out",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, checkpoint) -> Path:
    """A folder with everything that a user might name by mistake."""
    folder = tmp_path_factory.mktemp("place")
    picture = save_picture(folder / "photo.png", 150, 100).read_bytes()
    save_picture(folder / "tiny.png", 24, 24)
    save_picture(folder / "strip.png", 1280, 64)
    (folder / "cut.png").write_bytes(picture[: len(picture) // 2])
    (folder / "bomb.png").write_bytes(make_claiming(60_000, 60_000))
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("Buy milk, call Anna.\n")
    (folder / "wrong.txt").write_text("Steps: 3, SVD fps: 99")
    (folder / "full").mkdir()
    for taken in ("full/mine.txt", "taken.mp4", "third-8.mp4"):
        (folder / taken).write_bytes(b"mine")
    write_models(folder, checkpoint.read_bytes())
    write_latents(folder)
    return folder


def write_models(folder: Path, svd: bytes) -> None:
    (folder / "svd.safetensors").write_bytes(svd)
    (folder / "cut.safetensors").write_bytes(svd[:-5000])
    (folder / "page.safetensors").write_text("<!DOCTYPE html><html>Log in to accept the licence</html>")
    torch.save({"state_dict": {"w": torch.zeros(3)}}, folder / "model.ckpt")
    keys = {
        "lora": ["unet.down_blocks.0.lora_up.weight", "unet.down_blocks.0.lora_down.weight"],
        "sd15": [
            "model.diffusion_model.input_blocks.0.0.weight",
            "cond_stage_model.transformer.x",
            "first_stage_model.y",
        ],
        "sv4d": ["model.diffusion_model.input_blocks.1.0.time_mix_blocks.0.weight"],
        "vae": ["first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"],
    }
    for name, names in keys.items():
        save_file({key: torch.zeros(1) for key in names}, folder / f"{name}.safetensors")
    write_checkpoint(folder / "narrower.safetensors", OTHER, metadata={"svd.family": "svd_xt"})
    kept = {k: v for k, v in read(folder / "svd.safetensors").items() if k.startswith("model.diffusion_model.")}
    save_file(kept, folder / "unet.safetensors")


def write_latents(folder: Path) -> None:
    settings = complete(num_steps=3, width=96, height=64, checkpoint="svd.safetensors", num_frames=5).write_infotext()
    latents = torch.zeros(5, 4, 8, 12)
    for name, tensor in {"kept": latents, "nan": latents / 0, "short": latents[:4]}.items():
        save_file({"latents": tensor.contiguous()}, folder / f"{name}.safetensors", {"parameters": settings})


def read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def make_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims that many pixels."""

    def make_chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + make_chunk(b"IDAT", zlib.compress(bytes(1000))) + make_chunk(b"IEND", b"")


def list_words(case: str) -> list[str]:
    """The command line of a case: `@` stands for another picture than the good one, options given twice win."""
    if case.startswith("--from-latents"):
        return ["animate", *case.split()]
    if case.startswith("@"):
        return ["animate", *case.split()[1:], *GOOD.split()[1:]]
    return ["animate", *GOOD.split(), *case.split()]


def list_stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Every folder, and every file with its size and time of change."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {str(p): (0, 0) if p.is_dir() else (s.st_size, s.st_mtime_ns) for p, s in found.items()}


def assert_refused(code: int, out: str, err: str, expected: str) -> None:
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith(".")
    missing = [words for words in expected.split("|") if words not in lines[0]]
    assert not missing, f"{missing} not in: {lines[0]}"


def assert_flag_is_named(case: str, sentence: str) -> None:
    """What was given by an option is called by that option, or by a shorter one that is the same."""
    setting = {flag: setting.flags for setting in SETTINGS.values() for flag in setting.flags}
    flags = [flag for word in case.split() if word.startswith("--") for flag in setting.get(word, (word.rstrip("="),))]
    assert not flags or any(flag in sentence for flag in flags), sentence


@pytest.fixture
def nothing_loads(monkeypatch) -> None:
    """A test fails if it comes to reading weights."""

    def refuse(*_given, **_named):
        raise AssertionError("weights were read")

    monkeypatch.setattr(sys.modules["lib_svd.checkpoints.filling"], "ReadAhead", refuse)


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_one_line_and_nothing_is_done(case, place, monkeypatch, nothing_loads, lib_svd):
    monkeypatch.chdir(place)
    before = list_stamps(place)
    ran = lib_svd(*list_words(case))
    assert_refused(ran.code, ran.out, ran.err, CASES[case])
    assert_flag_is_named(case, ran.err)
    assert list_stamps(place) == before


@pytest.mark.parametrize("case", ["--motion 0", "--checkpoint cut.safetensors", "@ bomb.png", "--fast 9"])
def test_it_is_the_same_in_a_process_of_its_own(case, place):
    before = list_stamps(place)
    with start(*list_words(case), cwd=place) as running:
        out, err = running.communicate()
    assert_refused(running.returncode, out, err, CASES[case])
    assert list_stamps(place) == before


@pytest.mark.parametrize(
    "words", ["photo.png", "none.png", "photo.png --fps 99", "tiny.png --checkpoint svd.safetensors"]
)
def test_a_folder_for_clips_is_not_left_behind(words, place, monkeypatch, nothing_loads, lib_svd):
    monkeypatch.chdir(place)
    before = list_stamps(place)
    ran = lib_svd("animate", *words.split())
    assert ran.code == 2
    assert list_stamps(place) == before


def test_a_folder_that_is_not_writable_is_refused(place, monkeypatch, nothing_loads, lib_svd):
    def touch(path, *_given, **_named):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.chdir(place)
    monkeypatch.setattr(Path, "touch", touch)  # root may write everywhere, so chmod would not do
    before = list_stamps(place)
    ran = lib_svd("animate", *GOOD.split())
    assert_refused(ran.code, ran.out, ran.err, "new.mp4 cannot be written|choose another folder")
    ran = lib_svd("animate", *GOOD.split(), "--save-latents", "l.safetensors")
    assert_refused(ran.code, ran.out, ran.err, "cannot be written|choose another folder")
    assert list_stamps(place) == before


def test_a_folder_for_clips_that_cannot_be_made_is_refused(place, monkeypatch, nothing_loads, lib_svd):
    def mkdir(path, *_given, **_named):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.chdir(place)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    ran = lib_svd("animate", "photo.png", "--checkpoint", "svd.safetensors")
    assert_refused(ran.code, ran.out, ran.err, "The folder output cannot be made|choose another place with --out")


def test_a_file_in_the_place_of_the_folder_for_clips_is_refused(here, checkpoint, picture, nothing_loads, lib_svd):
    Path("output").write_text("mine")
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint)
    assert_refused(ran.code, ran.out, ran.err, "output is a file, not a folder|choose another place")
    assert Path("output").read_text() == "mine"


@pytest.mark.parametrize("case", ["--motion 0", "@ none.png", "--checkpoint lora.safetensors"])
def test_a_script_gets_the_error_as_json_too(case, place, monkeypatch, nothing_loads, lib_svd):
    monkeypatch.chdir(place)
    ran = lib_svd(*list_words(case), "--json")
    found = json.loads(ran.out)
    assert set(found) == {"error", "message"}
    assert found["error"] in ("BadRequest", "BadPicture", "BadCheckpoint")
    assert_refused(ran.code, "", ran.err, CASES[case])
    assert ran.err == f"Error: {found['message']}\n"


@pytest.mark.parametrize("name", ["sd15", "sv4d", "vae", "cut", "page"])
def test_what_is_no_model_cannot_be_inspected(name, place, monkeypatch, lib_svd):
    monkeypatch.chdir(place)
    ran = lib_svd("inspect", f"{name}.safetensors")
    assert_refused(ran.code, ran.out, ran.err, CASES[f"--checkpoint {name}.safetensors"])


def test_several_models_and_none_named_is_a_question(place, monkeypatch, nothing_loads, lib_svd):
    monkeypatch.chdir(place)
    ran = lib_svd("animate", "photo.png", "--models", ".")
    assert_refused(ran.code, ran.out, ran.err, "Which model? Name one with --checkpoint|svd.safetensors")
    assert "lora.safetensors" not in ran.err  # it would be refused when named


def test_more_frames_than_the_model_knows_at_a_time_is_a_warning(here, checkpoint, picture, lib_svd):
    words = ("--frames", 6, "--window", 6, "--steps", 1, "--out", "a.mp4")
    ran = lib_svd("animate", picture, "--checkpoint", checkpoint, *words)
    assert ran.code == 0
    warning = "was trained on 5 frames; with 6 at a time the motion may fall apart."
    assert ran.err.count(warning) == 1
    assert ran.err.index(warning) < ran.err.index("Loading")
    assert "6 frames of 96x64" in ran.out
    assert Path("a.mp4").exists()


def test_a_soft_picture_is_a_warning(here, checkpoint, lib_svd):
    save_picture(here / "small.png", 64, 64)
    words = ["--checkpoint", checkpoint, "--size", "128x128", "--steps", 1, "--frames", 2, "--out", "a.mp4", "--quiet"]
    ran = lib_svd("animate", "small.png", *words)
    assert ran.code == 0
    assert "Enlarged 2.0 times, which makes a soft clip" in ran.err
