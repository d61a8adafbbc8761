"""The recipe from picture to clip: what it reports, how it stops, and what it does where a part fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lib_svd.animate import Destination, animate, decode_again, order
from lib_svd.checkpoints import Svd, load, recognise
from lib_svd.clip import SavedClip
from lib_svd.engine import fused
from lib_svd.errors import DecodeFailed, Interrupted, NotFinite, OutOfMemory
from lib_svd.hosts.own_memory import OwnMemory
from lib_svd.latents import load_latents
from lib_svd.ports import Host, Part
from lib_svd.progress import Stage
from lib_svd.request import ClipRequest
from lib_svd.settings import SAMPLERS, SCHEDULES
from lib_svd.testing import FakeQueue, make_fake_host
from tests.conftest import snapshot
from tests.halves import HALVES

LAST_LAYER: dict[Part, str] = {
    "vision": "ln_post",
    "encoder": "quant_conv",
    "unet": "out",
    "decoder": "decoder.conv_out",
}
"""Of each network: whatever it gives out goes through it."""
TITLES = {"vision": "image tower", "encoder": "VAE encoder", "unet": "UNet", "decoder": "VAE decoder"}

CPU = torch.device("cpu")
NO_ROOM = OwnMemory(CPU, torch.float32, budget=1)
pytestmark = pytest.mark.usefixtures("one_thread")


class HalfMemory(OwnMemory):
    """One network computes in half precision."""

    def __init__(self, half: Part) -> None:
        super().__init__(CPU, torch.float32)
        self.half = half

    def choose_dtype(self, part: Part) -> torch.dtype:
        return HALVES[0] if part == self.half else torch.float32


Run = Callable[..., SavedClip]


@pytest.fixture
def run(here, checkpoint, picture) -> Run:
    """Animate the picture; `spoil(svd)` may break the loaded networks first."""

    def go(
        host: Host | None = None,
        spoil: Callable[[Svd], None] = lambda svd: None,
        out: str = "clip.mp4",
        model: Path = checkpoint,
        **settings: object,
    ) -> SavedClip:
        host = host or make_fake_host(here)
        asked = order(ClipRequest(**{"seed": 1, **settings}), picture, recognise(model), Destination(out=here / out))
        svd = load(asked.checkpoint, host)
        spoil(svd)
        return animate(asked, host, lambda *_: svd)

    return go


def find_layer(svd: Svd, part: Part) -> nn.Module:
    return getattr(svd, part).network.get_submodule(LAST_LAYER[part])


def give_nan(part: Part, *dtypes: torch.dtype) -> Callable[[Svd], None]:
    """Let a network give NaN where it computes in one of the dtypes."""

    def hook(_module, _given, result):
        return result * float("nan") if result.dtype in dtypes else None

    return lambda svd: find_layer(svd, part).register_forward_hook(hook)


def run_out(part: Part, frames: int) -> Callable[[Svd], None]:
    """Let memory run out in a network where it works on more than so many frames at a time."""

    def hook(_module, given):
        if len(given[0]) > frames:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    return lambda svd: find_layer(svd, part).register_forward_pre_hook(hook)


def are_far_apart(a: SavedClip, b: SavedClip) -> int:
    return int(np.abs(a.clip.frames.astype(int) - b.clip.frames.astype(int)).max())


def list_files(folder: Path) -> list[str]:
    return sorted(snapshot(folder))


def test_every_step_is_reported_with_a_picture(run, here):
    queue = FakeQueue()
    run(make_fake_host(here, queue=queue), num_steps=4)
    titles = list(dict.fromkeys(report.title for report in queue.reports))
    assert titles == ["Loading svd_xt.safetensors", "Reading the picture", "Sampling", "Decoding"]
    numbers = {stage: [(r.done, r.total) for r in queue.reports if r.stage is stage] for stage in Stage}
    assert numbers[Stage.SAMPLING] == [(n, 4) for n in range(5)]
    assert numbers[Stage.READING] == [(n, 2) for n in range(3)]
    decoding = numbers[Stage.DECODING]
    assert decoding == sorted(decoding)
    assert decoding[-1][0] == decoding[-1][1]
    assert [picture.size for picture in queue.previews] == [(12, 8)] * 4


@pytest.mark.parametrize(
    ("stage", "done"),
    [
        (Stage.LOADING, 4),
        (Stage.READING, 0),
        (Stage.READING, 1),
        (Stage.SAMPLING, 0),
        (Stage.SAMPLING, 2),
        (Stage.DECODING, 4),
    ],
)
def test_stopped_it_stops_and_leaves_nothing(run, here, stage, done):
    queue = FakeQueue(lambda progress: (progress.stage, progress.done) == (stage, done))
    with pytest.raises(Interrupted) as stopped:
        run(make_fake_host(here, queue=queue))
    last = queue.reports[-1]
    assert (last.stage, last.done) == (stage, done)
    assert str(stopped.value) == f"{last.title} was stopped."
    assert list_files(here) == []


@pytest.mark.parametrize("part", TITLES)
def test_half_precision_that_fails_is_done_again_in_float32(run, here, part):
    half = HALVES[0]  # what was rounded to it stays so
    plain = run(None, lambda svd: getattr(svd, part).network.to(half).float(), out="plain.mp4")
    host = make_fake_host(here, memory=HalfMemory(part))
    again = run(host, give_nan(part, half), out="again.mp4")
    assert np.array_equal(again.clip.frames, plain.clip.frames)
    assert again.notes == (
        *plain.notes,
        f"The {TITLES[part]} gave NaN or infinity in {str(half)[6:]}; float32 was used instead.",
    )


@pytest.mark.parametrize("part", ["vision", "unet", "decoder"])
def test_half_precision_that_works_is_left_alone(run, here, part):
    plain, half = run(out="plain.mp4"), run(make_fake_host(here, memory=HalfMemory(part)), out="half.mp4")
    assert half.notes == plain.notes
    assert not np.array_equal(half.clip.frames, plain.clip.frames)
    assert are_far_apart(half, plain) < 64


@pytest.mark.parametrize("part", ["vision", "encoder", "unet"])
def test_nan_in_float32_is_a_damaged_file(run, here, part):
    with pytest.raises(NotFinite, match=rf"^The {TITLES[part]} gave NaN .* svd_xt\.safetensors are damaged.*again\.$"):
        run(make_fake_host(here, memory=HalfMemory(part)), give_nan(part, HALVES[0], torch.float32))
    assert list_files(here) == []


def test_nan_in_the_decoder_keeps_what_was_sampled(run, here, checkpoint):
    with pytest.raises(NotFinite, match=r"damaged, download it again\. Sampling is not lost"):
        run(None, give_nan("decoder", torch.float32))
    assert list_files(here) == ["clip.latents.safetensors"]


def test_memory_that_ends_with_both_branches_is_enough_for_one(run):
    plain, tight = run(out="plain.mp4"), run(None, run_out("unet", 5), out="tight.mp4")
    assert are_far_apart(plain, tight) <= 1
    assert tight.notes == (*plain.notes, "Memory ran out with both guidance branches at once; they were run in turn.")


@pytest.mark.parametrize("error", [MemoryError("no"), RuntimeError("can't allocate memory: you tried 9 bytes")])
def test_every_way_to_run_out_of_memory_counts(run, error):
    def hook(_module, given):
        if len(given[0]) > 5:
            raise error

    saved = run(None, lambda svd: find_layer(svd, "unet").register_forward_pre_hook(hook))
    assert any("run in turn" in note for note in saved.notes)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral"])
def test_memory_that_ends_in_the_middle_is_enough_for_a_second_try_with_more_room(run, here, sampler):
    plain = run(out="plain.mp4", sampler=sampler)
    asked: list[int] = []

    def spoil(svd: Svd) -> None:
        calls = iter(range(100))

        def hook(_module, given):
            if asked[-1] < 2 * asked[0] and next(calls) >= 3:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

        find_layer(svd, "unet").register_forward_pre_hook(hook)
        unet = svd.unet
        there = unet.bring_to_gpu
        unet.bring_to_gpu = lambda room: asked.append(room) or there(room)

    tight = run(make_fake_host(here, memory=NO_ROOM), spoil, out="tight.mp4", sampler=sampler)
    assert are_far_apart(plain, tight) <= 1
    assert len(asked) == 2
    assert asked[1] == 2 * asked[0]
    again = "Memory ran out while sampling; it was begun again with twice the room beside the weights."
    assert tight.notes == (*plain.notes, again)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_memory_that_ends_while_decoding_is_enough_for_fewer_frames(run, frames):
    plain, tight = run(out="plain.mp4"), run(None, run_out("decoder", frames), out="tight.mp4")
    assert are_far_apart(plain, tight) <= 1
    assert any("There was no room to decode 5 frames at a time" in note for note in tight.notes)


def test_little_memory_is_known_before_it_runs_out(run, here):
    plain, tight = (
        run(out="plain.mp4"),
        run(make_fake_host(here, memory=NO_ROOM), out="tight.mp4"),
    )
    assert are_far_apart(plain, tight) <= 1
    assert tight.notes == plain.notes


@pytest.mark.parametrize("part", ["vision", "encoder", "unet"])
def test_memory_that_is_never_enough_is_told(run, here, part):
    with pytest.raises(OutOfMemory, match=r"^cpu has no room for this clip: choose fewer frames or a smaller size"):
        run(None, run_out(part, 0))
    assert list_files(here) == []


def test_memory_that_is_never_enough_to_decode_keeps_what_was_sampled(run, here, checkpoint):
    plain = run(out="plain.mp4")
    with pytest.raises(
        OutOfMemory, match=r"no room for this clip.*Sampling is not lost.*--from-latents .*clip\.latents"
    ):
        run(None, run_out("decoder", 0))
    latents = here / "clip.latents.safetensors"
    assert list_files(here) == ["clip.latents.safetensors", "plain.mp4", "plain.txt"]
    host = make_fake_host(here, svd_compile=True)
    again = decode_again(load_latents(latents), recognise(checkpoint), host, Destination(out=here / "clip.mp4"))
    assert again.notes == ("Nothing was compiled: on cpu it gains nothing.",)
    assert np.array_equal(again.clip.frames, plain.clip.frames)
    assert again.clip.infotext == plain.clip.infotext


def test_an_error_of_ours_while_decoding_keeps_what_was_sampled(run, here):
    def hook(_module, _given):
        raise ZeroDivisionError("float division by zero")

    with pytest.raises(DecodeFailed, match=r"could not be finished \(ZeroDivisionError: .*\)\. Sampling is not lost"):
        run(None, lambda svd: find_layer(svd, "decoder").register_forward_pre_hook(hook))
    assert list_files(here) == ["clip.latents.safetensors"]


@pytest.mark.parametrize("family", ["svd_image_decoder", "sv3d_u", "sv3d_p", "animatelcm_svd_xt"])
def test_every_family_animates(run, checkpoint_of, family):
    saved = run(model=checkpoint_of(family))
    asked = ClipRequest.from_infotext(saved.clip.infotext)
    assert saved.clip.frames.shape == (5, 64, 96, 3)
    assert saved.clip.frames.std() > 0
    assert asked.guidance_ramp == ("triangle" if family.startswith("sv3d") else "linear")
    assert (asked.sampler, asked.schedule) == (("lcm", "lcm") if "lcm" in family else ("euler", "karras"))


def test_the_camera_path_matters_to_sv3d_p_alone(run, checkpoint_of, checkpoint):
    for model, same in ((checkpoint_of("sv3d_p"), False), (checkpoint, True)):
        level, high = (run(model=model, out=f"{same}{e}.mp4", elevation=e, orbit=90) for e in (0, 40))
        assert np.array_equal(level.clip.frames, high.clip.frames) is same


def test_the_camera_path_may_be_told_along_the_clip(run, checkpoint_of):
    def make(**path):
        return run(model=checkpoint_of("sv3d_p"), out=f"{len(path)}{abs(hash(str(path)))}.mp4", **path).clip

    plain, dynamic = make(elevation=10, orbit=360), make(orbit="dynamic")
    same = (make(elevation="10.0"), make(elevation="10, 10", orbit="72, 144 216; 288, 360"), make(elevation=[10] * 5))
    assert all(np.array_equal(each.frames, plain.frames) for each in same)
    assert "SVD elevation: 10.0, SVD orbit: 360.0" in plain.infotext
    assert 'SVD elevation: "10, 10", SVD orbit: "72, 144, 216, 288, 360"' in same[1].infotext
    others = make(elevation="0, 40, 0"), make(orbit="0, 30, 0"), dynamic
    assert not any(np.array_equal(each.frames, plain.frames) for each in others)
    again = make(**{**asdict(ClipRequest.from_infotext(dynamic.infotext)), "checkpoint": ""})
    assert np.array_equal(again.frames, dynamic.frames)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_runs_on_every_schedule(run, sampler):
    for schedule in SCHEDULES:
        saved = run(out=f"{schedule}.mp4", sampler=sampler, schedule=schedule, num_frames=1, num_steps=2)
        assert saved.clip.frames.shape == (1, 64, 96, 3)


@pytest.mark.parametrize("settings", [{"num_frames": 1}, {"num_steps": 1}, {"min_guidance": 1, "max_guidance": 1}])
def test_the_smallest_clips(run, settings):
    asked = ClipRequest.from_infotext(run(**settings).clip.infotext)
    assert {name: getattr(asked, name) for name in settings} == settings


def test_a_model_that_was_loaded_is_used_again(here, checkpoint, picture):
    queue, found = FakeQueue(), recognise(checkpoint)
    host = make_fake_host(here, queue=queue)
    svd = load(found, host)
    queue.reports.clear()
    first = animate(order(ClipRequest(seed=1), picture, found, Destination(out=here / "a.mp4")), host, lambda *_: svd)
    second = animate(order(ClipRequest(seed=1), picture, found, Destination(out=here / "b.mp4")), host, lambda *_: svd)
    assert np.array_equal(first.clip.frames, second.clip.frames)
    assert Stage.LOADING not in {report.stage for report in queue.reports}


def test_latents_that_cannot_be_saved_do_not_cost_the_clip(here, checkpoint, picture):
    wanted = here / "mine.safetensors"
    asked = order(
        ClipRequest(seed=1), picture, recognise(checkpoint), Destination(out=here / "a.mp4", latents_path=wanted)
    )
    wanted.write_bytes(b"appeared since")
    saved = animate(asked, make_fake_host(here))
    instead = here / "mine.latents.safetensors"
    (note,) = (note for note in saved.notes if "mine.safetensors exists already" in note)
    assert note.endswith(f"They are kept in {instead}.")
    assert load_latents(instead).request.seed == 1
    assert list_files(here) == ["a.mp4", "a.txt", "mine.latents.safetensors", "mine.safetensors"]
    assert wanted.read_bytes() == b"appeared since"


def lack_triton(*_):
    yield 0, 3
    raise RuntimeError("Cannot find a working triton installation.\nMore of it.")


def test_compiling_is_a_stage_of_its_own_and_holds_while_the_clip_is_made(run, here, monkeypatch):
    seen = []

    def note_warm_up(device, dtype):
        seen.append((device.type, dtype))
        yield from ((0, 2), (1, 2), (2, 2))

    def watch(progress):
        seen.append((progress.title, fused.is_compiling()))
        return False

    monkeypatch.setattr("lib_svd.stages.run.COMPILED_ON", ("cpu",))
    monkeypatch.setattr("lib_svd.stages.run.warm_up", note_warm_up)
    monkeypatch.setattr(fused, "fuse", lambda function: function)  # tests/engine/test_fused.py compiles
    assert run(make_fake_host(here, queue=FakeQueue(watch), svd_compile=True), num_steps=1).notes == ()
    assert list(dict.fromkeys(seen)) == [
        *(("Loading svd_xt.safetensors", False), ("cpu", torch.float32), ("Compiling, once", False)),
        *((stage, True) for stage in ("Reading the picture", "Sampling", "Decoding")),
    ]
    assert not fused.is_compiling()


@pytest.mark.parametrize(
    ("compiled_on", "why"), [(("cpu",), "Cannot find a working triton installation."), ((), "on cpu it gains nothing")]
)
def test_where_nothing_can_be_compiled_the_clip_is_made_and_it_is_said(run, here, monkeypatch, compiled_on, why):
    monkeypatch.setattr("lib_svd.stages.run.COMPILED_ON", compiled_on)
    monkeypatch.setattr("lib_svd.stages.run.warm_up", lack_triton)
    saved = run(make_fake_host(here, svd_compile=True), num_steps=1)
    assert saved.notes == (f"Nothing was compiled: {why.rstrip('.')}.",)
    assert saved.video.exists()


def test_compiling_can_be_stopped(run, here, monkeypatch):
    monkeypatch.setattr("lib_svd.stages.run.COMPILED_ON", ("cpu",))
    monkeypatch.setattr("lib_svd.stages.run.warm_up", lack_triton)
    with pytest.raises(Interrupted, match="Compiling, once was stopped"):
        run(make_fake_host(here, queue=FakeQueue(lambda progress: progress.stage is Stage.COMPILING), svd_compile=True))
    assert list(here.glob("clip*")) == []


@pytest.mark.parametrize(("family", "colour"), [("svd_xt", "#000000"), ("sv3d_p", "#ffffff")])
def test_what_is_transparent_stands_before_what_the_model_was_trained_on(checkpoint_of, tmp_path, family, colour):
    def look(**settings):
        picture = Image.new("RGBA", (96, 96), (9, 9, 9, 0))
        picture.paste((200, 90, 40, 255), (32, 32, 64, 64))
        made = order(
            ClipRequest(**settings), picture, recognise(checkpoint_of(family)), Destination(out=tmp_path / "a.mp4")
        )
        return made.request.background, "#{:02x}{:02x}{:02x}".format(*made.picture.image.getpixel((5, 5)))

    assert look() == (colour, colour)
    assert look(background="#ff0000") == ("#ff0000", "#ff0000")
