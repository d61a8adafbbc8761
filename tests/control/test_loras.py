"""LoRAs: all layouts give the same clip, several add up, and nothing of them stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lib_svd.checkpoints import Svd, add_loras, load, recognise
from lib_svd.clip import Frames
from lib_svd.errors import BadCheckpoint, BadRequest
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.jobs import make_orders, reopen_clip
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host, write_checkpoint
from tests.checkpoints.files import make_host
from tests.checkpoints.loras import DEAD, LAYERS, LAYOUTS, add_up, draw_numbers, write_lora
from tests.control.clips import PICTURE

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"width": 64, "height": 64, "num_frames": 3, "num_steps": 2, "seed": 1}


@pytest.fixture
def studio(tmp_path) -> Studio:
    write_checkpoint(tmp_path / "svd" / "narrow.safetensors")
    return Studio(make_fake_host(tmp_path, tmp_path / "svd"))


def make_clip(studio: Studio, lora: str = "", **settings: Any) -> Frames:
    return studio.animate(order_clip(studio, lora, **settings)).clip.frames


def order_clip(studio: Studio, lora: str, **settings: Any):
    return studio.order(studio.make_request({**SMALL, "lora": lora, **settings}), PICTURE)


def load_unet(folder: Path, lora: str, dtype: torch.dtype = torch.float32, storage: torch.dtype | None = None):
    host = make_host(dtype)
    if storage is not None:
        host.memory.choose_storage = lambda part: storage
    checkpoint = add_loras(recognise(folder / "svd" / "narrow.safetensors"), lora)[0]
    svd: Svd = load(checkpoint, host, ("unet",))
    with svd.unet.bring_to_gpu(0) as network:
        return {name: weight.clone() for name, weight in network.state_dict().items()}


def test_each_layout_of_a_lora_gives_the_same_clip_to_the_bit(studio, tmp_path) -> None:
    plain, clips = make_clip(studio), {}
    for number, layout in enumerate(LAYOUTS):
        write_lora(tmp_path / "Lora" / str(number) / "fog.safetensors", layout)
        clips[layout] = make_clip(studio, f"{number}/fog")

    assert np.abs(clips["kohya"].astype(int) - plain).mean() > 1
    assert [layout for layout, frames in clips.items() if not np.array_equal(frames, clips["kohya"])] == []


def test_weights_are_those_worked_out_by_hand_rounded_once(studio, tmp_path) -> None:
    fog, rain = draw_numbers(1), draw_numbers(2)
    write_lora(tmp_path / "Lora" / "fog.safetensors", "kohya", fog)
    write_lora(tmp_path / "Lora" / "rain.safetensors", "diffusers", rain)
    text = "fog:0.7, <lora:rain:-0.4>"
    before, exact, half = (load_unet(tmp_path, *how) for how in (("",), (text,), (text, torch.float16)))

    touched = [f"{ours}.weight" for ours in LAYERS.values() if ours != DEAD]
    assert [name for name in before if not torch.equal(before[name], exact[name])] == [
        name for name in before if name in touched
    ]
    for name in touched:
        layer = name.removesuffix(".weight")
        wanted = before[name].double() + 0.7 * add_up(fog, layer) - 0.4 * add_up(rain, layer)
        torch.testing.assert_close(exact[name].double(), wanted, rtol=1e-6, atol=1e-6)
        assert torch.equal(half[name], exact[name].half())  # and not two roundings after one another


def test_a_lora_is_added_before_a_host_rounds_to_float8(studio, tmp_path) -> None:
    write_lora(tmp_path / "Lora" / "fog.safetensors")
    exact = load_unet(tmp_path, "fog")
    stored = load_unet(tmp_path, "fog", torch.float16, torch.float8_e4m3fn)

    for ours in LAYERS.values():
        if ours != DEAD:
            weight = stored[f"{ours}.weight"]
            assert weight.dtype == torch.float8_e4m3fn
            assert torch.equal(weight.view(torch.uint8), exact[f"{ours}.weight"].to(weight.dtype).view(torch.uint8))


def test_a_unet_in_our_own_float8_makes_a_clip_with_a_lora(tmp_path) -> None:
    write_checkpoint(tmp_path / "svd" / "narrow.safetensors")
    write_lora(tmp_path / "Lora" / "fog.safetensors")
    memory = OwnMemory(torch.device("cpu"), torch.float32, in_float8=True)
    studio = Studio(make_fake_host(tmp_path, tmp_path / "svd", memory=memory))
    exact = Studio(make_fake_host(tmp_path, tmp_path / "svd"))
    plain, rounded, wanted = make_clip(studio), make_clip(studio, "fog"), make_clip(exact, "fog")

    assert np.abs(rounded.astype(int) - wanted).mean() < np.abs(plain.astype(int) - wanted).mean() / 2


def test_strength_0_is_none_and_nothing_of_a_lora_stays(studio, tmp_path) -> None:
    write_lora(tmp_path / "Lora" / "fog.safetensors")
    first = make_clip(studio)
    loaded = studio.loaded
    weak, strong = make_clip(studio, "fog:0"), None
    assert studio.loaded is loaded  # no reason to load anything
    strong = make_clip(studio, "fog:2")
    kept = studio.loaded
    last = make_clip(studio)

    assert np.array_equal(first, weak)
    assert not np.array_equal(first, strong)
    assert np.array_equal(first, last)
    for part in ("vision", "encoder", "decoder"):  # the UNet alone was read again
        assert kept.residents[part] is loaded.residents[part] is studio.loaded.residents[part]
    assert kept.unet is not loaded.unet


def test_two_loras_are_more_than_each_and_one_twice_is_one_twice_as_strong(studio, tmp_path) -> None:
    for seed, name in enumerate(("fog", "rain")):
        write_lora(tmp_path / "Lora" / f"{name}.safetensors", "kohya", draw_numbers(seed, 0.2))
    clips = [make_clip(studio, text) for text in ("fog", "rain", "fog, rain", "fog:0.5, rain, fog:0.5")]

    assert len({frames.tobytes() for frames in clips[:3]}) == 3
    assert np.abs(clips[2].astype(int) - clips[3]).max() <= 1


def test_a_clip_names_its_loras_for_good(studio, tmp_path) -> None:
    path = write_lora(tmp_path / "Lora" / "day" / "fog.safetensors")
    made = studio.animate(order_clip(studio, "FOG:0.5"))
    request = ClipRequest.from_infotext(reopen_clip(made.video).clip.infotext)
    assert request.lora.startswith("day/fog [")
    assert request.lora.endswith("]:0.5")

    path.rename(path.with_name("haze.safetensors"))
    write_lora(path, numbers=draw_numbers(5))
    again = studio.animate(studio.order(request, PICTURE))
    assert np.array_equal(again.clip.frames, made.clip.frames)

    path.with_name("haze.safetensors").unlink()
    other = studio.order(request, PICTURE)
    assert any("fog.safetensors is another file, and gives another clip" in note for note in other.notes)


def test_strengths_can_be_swept(studio, tmp_path) -> None:
    write_lora(tmp_path / "Lora" / "fog.safetensors")
    orders = make_orders(order_clip(studio, ""), SETTINGS["lora"], ["fog:0", "fog:1"])

    assert [len(each.checkpoint.loras) for each in orders] == [0, 1]
    assert [each.to.out.stem.rpartition("-")[2] for each in orders] == ["fog_0", "fog_1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fog:strong", r"LoRA 'fog:strong' cannot be read: write name:strength"),
        ("fog:11", "a strength is from -10 to 10"),
        ("fog:nan", "a strength is from -10 to 10"),
        (":1", "cannot be read"),
    ],
)
def test_a_text_that_is_none_is_refused(studio, text, said) -> None:
    with pytest.raises(BadRequest, match=said):
        order_clip(studio, text)


def test_a_lora_that_is_not_there_is_told_with_those_that_are(studio, tmp_path) -> None:
    with pytest.raises(BadCheckpoint, match=r"LoRA 'mist' is not there, and none for SVD is: put yours into"):
        order_clip(studio, "mist")
    for name in ("fog", "rain"):
        write_lora(tmp_path / "Lora" / f"{name}.safetensors")
    with pytest.raises(BadCheckpoint, match=r"LoRA 'mist' is not there: name one of fog, rain\."):
        order_clip(studio, "mist")
    with pytest.raises(BadCheckpoint, match="is not there"):
        order_clip(studio, "../svd/narrow")


def test_a_lora_that_changed_since_it_was_ordered_is_not_loaded(studio, tmp_path) -> None:
    path = write_lora(tmp_path / "Lora" / "fog.safetensors")
    order = order_clip(studio, "fog")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadCheckpoint, match=r"fog\.safetensors was changed while it was being loaded"):
        studio.animate(order)


def test_numbers_that_are_none_are_told_with_the_file(studio, tmp_path) -> None:
    numbers = {name: (up * torch.nan, down) for name, (up, down) in draw_numbers().items()}
    write_lora(tmp_path / "Lora" / "fog.safetensors", numbers=numbers)
    with pytest.raises(BadCheckpoint, match=r"fog\.safetensors gives NaN or infinity in input_blocks\.0\.0\.weight"):
        make_clip(studio, "fog")


def test_the_command_line_takes_loras_and_tells_what_they_are(lib_svd, here, tmp_path) -> None:
    narrow = write_checkpoint(tmp_path / "models" / "narrow.safetensors")
    path = write_lora(tmp_path / "models" / "Lora" / "fog.safetensors")
    words = ("animate", PICTURE, "--checkpoint", narrow, "--size", "64x64", "--frames", 2, "--steps", 1, "--seed", 1)
    made = lib_svd(*words, "--lora", "fog:0.8", "--out", here / "a.mp4")
    assert made.code == 0, made.err
    assert '"fog [' in (here / "a.txt").read_text("utf-8")
    again = lib_svd("animate", PICTURE, "--like", here / "a.mp4", "--checkpoint", narrow, "--out", here / "b.mp4")
    assert again.code == 0, again.err
    assert (here / "a.txt").read_text("utf-8") == (here / "b.txt").read_text("utf-8")

    refused = lib_svd(*words, "--lora", "mist:0.8", "--out", here / "c.mp4")
    assert refused.code != 0
    assert "--lora 'mist' is not there: name one of fog." in refused.err
    told = lib_svd("inspect", path)
    assert "Kind: LoRA, kohya layout" in told.out
    assert "Rank: 4 in 15 layers" in told.out
    assert "Fits SVD: fog.safetensors is a LoRA for another video model and does not fit SVD" in told.out
    assert json.loads(lib_svd("inspect", path, "--json").out)["layers"] == 15
    assert "Kind: LoRA" in lib_svd("inspect", "fog", "--models", tmp_path / "models").out
