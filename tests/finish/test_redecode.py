"""A clip through SVD's VAE: what comes is the decoder's, however long the clip, whatever its size and the memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_svd.checkpoints import DEMO, load, recognise
from lib_svd.clip import Frames
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.vae import VaeDecoder
from lib_svd.errors import BadRequest, NotFinite, OutOfMemory
from lib_svd.finish.deflicker import Scene
from lib_svd.finish.redecode import OVERLAP, PART, Redecoder, check_can_deflicker, place_parts
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.review import measure_flicker
from lib_svd.testing import NARROW, make_fake_host, write_checkpoint
from tests.finish.flickering import alternate, compare_all, make_pan

pytestmark = pytest.mark.usefixtures("one_thread")


def ignore(done, total):
    pass


def redecode(frames: Frames, path: Path, host=None, *, closed=False, report=ignore) -> Frames:
    redecoder = Redecoder(recognise(path), host or make_fake_host(path.parent))
    return redecoder.redecode(frames, [Scene(0, len(frames), closed)], report)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory) -> Path:
    """Random weights, whose decoder looks along time more than a trained one."""
    return write_checkpoint(tmp_path_factory.mktemp("narrow") / "narrow.safetensors")


@torch.inference_mode()
def decode_by_hand(frames: Frames, path: Path, host, *, closed=False) -> Frames:
    svd = load(recognise(path), host, ("encoder", "decoder"))
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    with svd.encoder.bring_to_gpu(0) as encoder, svd.decoder.bring_to_gpu(0) as decoder:
        latents = torch.cat([encoder.start_latent(frame[None]) for frame in x]) * LATENT_SCALE
        *_, last = decoder.decode_steps(latents, len(frames), closed=closed)
        made = torch.cat(list(last.clip))
    return ((made + 1) * 127.5).clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()


def measure_apart(a: Frames, b: Frames) -> np.ndarray:
    """Mean difference of each frame, of 255."""
    return np.abs(a.astype(float) - b).mean((1, 2, 3))


@pytest.mark.parametrize("closed", [False, True])
def test_a_short_scene_is_encoded_frame_by_frame_and_decoded_at_once(narrow, tmp_path, closed):
    frames = make_pan(6, 48, 32)
    made = redecode(frames, narrow, closed=closed)
    wanted = decode_by_hand(frames, narrow, make_fake_host(tmp_path), closed=closed)
    assert np.abs(made.astype(int) - wanted).max() <= 1


def test_neither_end_of_a_loop_is_one(narrow):
    frames = make_pan(6, 48, 32)
    turned = redecode(np.roll(frames, 2, 0), narrow, closed=True)
    assert np.abs(turned.astype(int) - np.roll(redecode(frames, narrow, closed=True), 2, 0)).max() <= 1


def test_scenes_know_nothing_of_one_another(narrow, tmp_path):
    frames = make_pan(7, 48, 32)
    redecoder = Redecoder(recognise(narrow), make_fake_host(tmp_path))
    made = redecoder.redecode(frames, [Scene(0, 3, False), Scene(3, 7, False)], ignore)
    assert np.array_equal(made[:3], redecode(frames[:3], narrow))
    assert np.array_equal(made[3:], redecode(frames[3:], narrow))


@pytest.fixture
def longest(monkeypatch) -> list[int]:
    """How many frames are decoded together, each time."""
    counts: list[int] = []
    steps = VaeDecoder.decode_steps

    def note_and_decode(self, latents, chunk, park=None, *, closed=False):
        counts.append(len(latents))
        return steps(self, latents, chunk, park, closed=closed)

    monkeypatch.setattr(VaeDecoder, "decode_steps", note_and_decode)
    return counts


@pytest.mark.parametrize("closed", [False, True])
def test_a_long_clip_is_decoded_in_parts_that_nobody_sees(tmp_path, longest, closed):
    """By the demo; what is left is what the norms make of other frames, see `redecode`."""
    frames = make_pan(40, 48, 32)
    if closed:
        frames = np.concatenate([frames[:21], frames[19:0:-1]])
    made = redecode(frames, DEMO, make_fake_host(tmp_path), closed=closed)
    assert max(longest) == PART
    apart = measure_apart(made, decode_by_hand(frames, DEMO, make_fake_host(tmp_path), closed=closed))
    assert apart.max() < 0.5
    assert apart.mean() < 0.25


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("count", [1, 2, PART - 1, PART, PART + 1, 33, 41, 60, 100, 1000])
def test_parts_hold_every_frame_and_have_enough_in_common(count, closed):
    parts = place_parts(count, closed=closed)
    weights = np.zeros(count)
    for part in parts:
        assert len(part.frames) == min(PART, count)
        weights[part.frames] = weights[part.frames] * (1 - part.shares.ravel()) + part.shares.ravel()
    assert np.allclose(weights, 1)  # what is over no frame stays from before
    neighbours = list(zip(parts, parts[1:] + parts[: closed and len(parts) > 1], strict=False))
    assert all(len(np.intersect1d(a.frames, b.frames)) >= OVERLAP for a, b in neighbours)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (45, 31), (48, 32), (5, 70)])
def test_frames_of_any_size_come_back_as_large(narrow, width, height):
    frames = make_pan(3, width, height)
    assert redecode(frames, narrow).shape == frames.shape


def test_what_is_beyond_the_frame_does_not_darken_its_border(tmp_path):
    """The demo's, to whose grid of 4 pixels a frame is brought by its mirror."""
    frames = np.full((3, 30, 45, 3), 200, np.uint8)
    made = redecode(frames, DEMO, make_fake_host(tmp_path)).astype(float)
    assert abs(made[:, -3:].mean() - made.mean()) < 4
    assert abs(made[:, :, -3:].mean() - made.mean()) < 4


def test_progress_goes_up_to_its_end(narrow):
    seen = []
    redecode(make_pan(30, 24, 16), narrow, report=lambda done, total: seen.append((done, total)))
    dones = [done for done, _ in seen]
    assert dones == sorted(dones)
    assert {total for _, total in seen} == {30 + 2 * PART}
    assert dones[-1] == 30 + 2 * PART
    assert len(set(dones)) > 40


def test_with_little_memory_the_frames_are_the_same(narrow, tmp_path):
    frames = make_pan(6, 48, 32)
    small = make_fake_host(tmp_path, memory=OwnMemory(torch.device("cpu"), torch.float32, budget=1))
    assert np.abs(redecode(frames, narrow, small).astype(int) - redecode(frames, narrow)).max() <= 1


class Short(OwnMemory):
    """A device that has no room for more frames at a time than so many, which nobody knows before."""

    def __init__(self, most: int) -> None:
        super().__init__(torch.device("cpu"), torch.float32, budget=10**12)
        self.most = most

    def adopt(self, network, dtype):
        if isinstance(network, VaeDecoder):
            steps = network.decode_steps

            def decode_short(latents, chunk, park=None, *, closed=False):
                if chunk > self.most:
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory")
                return steps(latents, chunk, park, closed=closed)

            network.decode_steps = decode_short
        return super().adopt(network, dtype)


def test_where_room_runs_out_fewer_are_decoded_at_a_time_and_that_is_said(narrow, tmp_path):
    frames = make_pan(6, 48, 32)
    redecoder = Redecoder(recognise(narrow), make_fake_host(tmp_path, memory=Short(2)))
    made = redecoder.redecode(frames, [Scene(0, 6, False)], ignore)
    assert np.abs(made.astype(int) - redecode(frames, narrow)).max() <= 1
    assert redecoder.notes[0] == "There was no room to decode 6 frames at a time; fewer were."
    with pytest.raises(OutOfMemory, match="has no room"):
        redecode(frames, narrow, make_fake_host(tmp_path, memory=Short(0)))


class NotFiniteAtFirst(OwnMemory):
    """Networks that fail in their first dtype, as half precision may."""

    def adopt(self, network, dtype):
        resident = super().adopt(network, torch.bfloat16)
        network.bfloat16()
        broken = [next(network.parameters())]
        kept = broken[0].detach().float().clone()
        broken[0].data.fill_(torch.nan)
        use_fp32 = resident.use_fp32

        def mend_and_switch():
            use_fp32()
            broken[0].data.copy_(kept)

        resident.use_fp32 = mend_and_switch
        return resident


def test_where_half_precision_fails_it_goes_on_in_float32_and_says_so(narrow, tmp_path):
    frames = make_pan(4, 48, 32)
    memory = NotFiniteAtFirst(torch.device("cpu"), torch.float32)
    redecoder = Redecoder(recognise(narrow), make_fake_host(tmp_path, memory=memory))
    made = redecoder.redecode(frames, [Scene(0, 4, False)], ignore)
    assert measure_apart(made, redecode(frames, narrow)).max() < 8  # its other weights were rounded
    assert redecoder.notes == [
        f"The VAE {part} gave NaN or infinity in bfloat16; float32 was used instead." for part in ("encoder", "decoder")
    ]


def test_damaged_weights_are_said_to_be(tmp_path):
    path = change_demo(tmp_path, "decoder.norm_out.bias", lambda weight: weight.fill_(torch.nan))
    with pytest.raises(NotFinite, match=r"VAE decoder gave NaN .* weights of changed.safetensors are damaged"):
        redecode(make_pan(2, 24, 16), path)


def test_a_model_with_the_plain_image_decoder_is_refused(narrow):
    checkpoint = recognise(narrow)
    configs = replace(NARROW, decoder=replace(NARROW.decoder, temporal=False))
    check_can_deflicker(checkpoint)
    with pytest.raises(
        BadRequest, match=r"narrow.safetensors has the plain image decoder, .* cannot take flicker away"
    ):
        check_can_deflicker(replace(checkpoint, configs=configs))


def change_demo(folder: Path, name: str, change) -> Path:
    """The demo with one weight changed."""
    weights = load_file(DEMO)
    (key,) = (key for key in weights if key.startswith("first_stage_model.") and key.endswith(name))
    weights[key] = change(weights[key].clone())
    save_file(weights, folder / "changed.safetensors", metadata=dict(recognise(DEMO).metadata))
    return folder / "changed.safetensors"


def test_a_decoder_that_knows_how_takes_flicker_and_leaves_details(tmp_path):
    """One whose last layer is the mean over time (1, 2, 1): what alternates is gone, but for the ends. Details are held
    against what this VAE makes of the clip without flicker, since the demo's loses most of a photograph's.
    """

    def average(weight):
        kernel = torch.zeros_like(weight)
        for channel in range(3):
            kernel[channel, channel].flatten()[:] = torch.tensor([0.25, 0.5, 0.25])
        return kernel

    path = change_demo(tmp_path, "time_mix_conv.weight", average)
    still = make_pan(1, 64, 48).repeat(8, axis=0)
    made = redecode(alternate(still), path)
    inside = slice(1, -1)
    assert measure_flicker(made[inside]) < measure_flicker(alternate(still)[inside]) / 10
    assert compare_all(made[inside], redecode(still, path)[inside]) > 0.95
