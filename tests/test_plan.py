"""What a clip will take is said before it is made, and is what it takes."""

from __future__ import annotations

import pytest

from benchmarks.ladder import make_card, make_released
from lib_svd.animate import Destination, animate, complete_request, order
from lib_svd.checkpoints import Checkpoint, recognise
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.vae import VaeDecoder
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.request import ClipRequest
from lib_svd.stages import plan

GB = 10**9


@pytest.fixture(scope="module")
def xt() -> Checkpoint:
    return make_released()


def plan_clip(xt, free, **settings):
    request, _ = complete_request(ClipRequest(**settings), (1024, 576), xt)
    return plan(xt, request, make_card(free))


def test_with_room_everything_is_run_at_once(xt):
    found = plan_clip(xt, 40 * GB)
    assert found.fits
    assert (found.halves, found.swapped, found.decoding.chunk) == (False, (), 25)
    assert found.write_sentence() == f"Memory: about {found.needed / GB:.1f} GB of 40.0 GB free."


@pytest.mark.parametrize(("free", "frames"), [(24, 25), (12, 25), (8, 25), (6, 25), (4, 14)])
def test_the_released_model_runs_on_cards_down_to_4_gb(xt, free, frames):
    found = plan_clip(xt, free * GB, num_frames=frames)
    assert found.fits, found.write_sentence()
    assert found.needed <= free * GB


def test_matrices_in_float8_need_no_swapping_on_4_gb(xt):
    request, _ = complete_request(ClipRequest(num_frames=25), (1024, 576), xt)
    found = plan(xt, request, make_card(4 * GB, "float8"))
    assert found.fits
    assert found.swapped == ()


def test_less_room_is_never_planned_with_more_and_what_is_done_about_it_is_said(xt):
    plans = [plan_clip(xt, free * GB) for free in (40, 24, 12, 8, 6, 4)]
    needed = [each.needed for each in plans]
    assert needed == sorted(needed, reverse=True)
    assert not plans[0].halves
    assert plans[4].halves
    assert "guidance branches run one after the other" in plans[4].write_sentence()
    assert "frames are decoded at a time" in plans[4].write_sentence()
    assert plans[5].swapped == ("unet",)
    assert "the layers of the UNet are swapped" in plans[5].write_sentence()


def test_what_cannot_fit_is_said_with_what_to_do(xt):
    found = plan_clip(xt, 1 * GB)
    assert not found.fits
    assert found.write_sentence().endswith("That may not be enough: choose fewer frames or a smaller size.")


def test_more_frames_and_kept_stages_take_more(xt):
    usual = plan_clip(xt, 60 * GB).needed
    assert plan_clip(xt, 60 * GB, num_frames=50).needed > usual
    sampling = [plan_clip(xt, 7 * GB, decode_chunk=1, cache_interval=n).needed for n in (1, 2)]
    assert sampling[1] > sampling[0]


@pytest.mark.parametrize("budget", [10**9, 10**6])
def test_a_clip_is_made_as_it_was_planned(checkpoint, picture, tmp_path, one_thread, monkeypatch, budget):
    known, host = recognise(checkpoint), make_standalone_host("cpu", "float32", budget=budget)
    ordered = order(ClipRequest(num_steps=1, seed=1), picture, known, Destination(out=tmp_path / "clip.mp4"))
    expected = plan(known, ordered.request, host.memory, is_loaded=True)
    used, chunks, begin, steps = [], [], Denoiser.__init__, VaeDecoder.decode_steps

    def note_denoiser(self, *given, halves, **how):
        used.append(halves)
        begin(self, *given, halves=halves, **how)

    def note_steps(self, x, chunk, park, **how):
        chunks.append(chunk)
        return steps(self, x, chunk, park, **how)

    monkeypatch.setattr(Denoiser, "__init__", note_denoiser)
    monkeypatch.setattr(VaeDecoder, "decode_steps", note_steps)
    animate(ordered, host)
    assert used == [expected.halves] == [budget == 10**6]
    assert chunks == [expected.decoding.chunk]


def test_weights_that_are_loaded_are_not_counted_again(checkpoint):
    known = recognise(checkpoint)
    request, _ = complete_request(ClipRequest(), (150, 100), known)
    host = make_standalone_host("cpu", "float32", budget=10**9)
    before, after = (plan(known, request, host.memory, is_loaded=loaded).needed for loaded in (False, True))
    assert before - after == 4 * sum(known.parameters.values())
