"""Windows over time: together they are the clip, where they overlap nothing jumps, and a ring has neither end nor
beginning.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.layers import convolve_ring, make_time_conv
from lib_svd.engine.precond import Denoiser
from lib_svd.engine.samplers import SAMPLERS
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder
from lib_svd.engine.windows import denoise_in_windows, place_windows, repeat_noise, turn_in_time
from tests.engine.closeness import assert_close
from tests.engine.narrow import PLAIN, TWO_LEVELS, UNET, fill

pytestmark = pytest.mark.usefixtures("no_grad")
CPU = torch.device("cpu")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def denoise_frame_by_frame(x: Tensor, sigma: Tensor, frames: Tensor | None = None) -> Tensor:
    return x / (1 + sigma**2) + 0.3


@given(num_frames=st.integers(1, 120), size=st.integers(1, 40), closed=st.booleans())
def test_windows_are_the_whole_clip_and_each_is_one_piece(num_frames: int, size: int, closed: bool) -> None:
    windows = place_windows(num_frames, size, closed=closed)

    assert {int(frame) for window in windows for frame in window} == set(range(num_frames))
    for window in windows:
        assert len(window) == min(size, num_frames)
        steps = window.diff() % num_frames if closed and len(windows) > 1 else window.diff()
        assert (steps == 1).all()


@given(num_frames=st.integers(5, 120), size=st.integers(4, 40), closed=st.booleans())
def test_neighbouring_windows_share_nearly_half_of_their_frames(num_frames: int, size: int, closed: bool) -> None:
    windows = [set(window.tolist()) for window in place_windows(num_frames, size, closed=closed)]
    pairs = [*zip(windows, windows[1:], strict=False), *([(windows[-1], windows[0])] if closed else [])]

    assert all(len(a & b) >= min(size, num_frames) // 2 for a, b in pairs)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_what_looks_at_single_frames_does_not_notice_windows(sampler: str, closed: bool) -> None:
    sigmas, x = torch.tensor([20.0, 5.0, 1.0, 0.0]), 20 * draw(23, 4, 2, 3)
    in_windows = denoise_in_windows(denoise_frame_by_frame, place_windows(23, 7, closed=closed))

    def run(denoise) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        *_, last = SAMPLERS[sampler](denoise, x, sigmas, lambda: torch.randn(x.shape, generator=generator))
        return last.x

    assert_close(run(in_windows), run(denoise_frame_by_frame), max_abs=1e-5)


@pytest.mark.parametrize("num_frames", [50, 100])
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_a_network_that_sees_its_own_place_in_a_window_makes_no_seam(num_frames: int, closed: bool) -> None:
    """Each window moves from 0 to 1 and would begin again at 0: what is left of that is no jump."""

    def denoise(x: Tensor, sigma: Tensor, frames: Tensor) -> Tensor:
        return torch.linspace(0, 1, len(x)).view(-1, 1, 1, 1).expand_as(x)

    made = denoise_in_windows(denoise, place_windows(num_frames, 25, closed=closed))(draw(num_frames, 4, 1, 1), CPU)
    moved = (made - made.roll(1, 0) if closed else made.diff(dim=0)).abs().flatten(1).mean(1)

    assert moved.max() <= 1.5 / 24  # a frame's own step within a window


def test_no_more_than_a_window_is_looked_at() -> None:
    seen: list[int] = []

    def denoise(x: Tensor, sigma: Tensor, frames: Tensor) -> Tensor:
        seen.append(len(x))
        return x

    windows = place_windows(100, 25)
    denoise_in_windows(denoise, windows)(draw(100, 4, 1, 1), torch.tensor(1.0))

    assert seen == [25] * len(windows)


@given(size=st.integers(2, 25), num_frames=st.integers(2, 100), seed=st.integers(0, 99))
def test_noise_repeats_in_another_order(size: int, num_frames: int, seed: int) -> None:
    noise = torch.arange(float(size))

    long = repeat_noise(noise, num_frames, torch.Generator().manual_seed(seed))

    assert len(long) == num_frames
    assert torch.equal(long[:size], noise[:num_frames])
    assert set(long.tolist()) <= set(noise.tolist())
    for window in place_windows(num_frames, min(size, num_frames)):
        assert len(set(long[window].tolist())) >= len(window) / 2  # frames of a window begin from different noise
    assert torch.equal(long, repeat_noise(noise, num_frames, torch.Generator().manual_seed(seed)))


def test_repeated_noise_is_in_another_order_each_time() -> None:
    long = repeat_noise(torch.arange(25.0), 100, torch.Generator().manual_seed(1))

    assert not torch.equal(long[25:37], long[:12])
    assert sorted(long[25:37].tolist()) == [*range(12)]


@given(num_frames=st.integers(1, 40))
def test_every_frame_of_a_loop_is_the_first_in_its_turn(num_frames: int) -> None:
    first: list[float] = []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        first.append(float(x[0]))
        return x + 1

    x = torch.arange(float(num_frames))
    turned = turn_in_time(denoise, num_frames)

    for _ in range(num_frames):
        assert torch.equal(turned(x, torch.tensor(1.0)), x + 1)
    assert sorted(first) == [*range(num_frames)]
    assert first[0] == 0


def test_a_ring_is_convolved_alike_wherever_it_begins() -> None:
    conv, x = fill(make_time_conv(8, 6)), draw(2, 8, 5, 12)

    ring = convolve_ring(x, conv)

    assert_close(ring[:, :, 1:-1], conv(x)[:, :, 1:-1], max_abs=1e-5)
    assert_close(convolve_ring(x.roll(2, 2), conv), ring.roll(2, 2), max_abs=1e-5)
    assert float((ring - conv(x))[:, :, [0, -1]].abs().max()) > 0.01


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_the_network_sees_a_ring_but_for_each_frame_s_number(num_frames: int) -> None:
    unet = fill(UNet(UNET))
    for name, weight in unet.named_parameters():
        if "time_pos_embed" in name:
            weight.data.zero_()
    c = Conditioning(draw(1, 1, 24), draw(1, 4, 8, 8, seed=1), draw(1, 768, seed=2))
    sigmas, guidance = torch.tensor([2.0, 0.0]), torch.full((num_frames,), 2.0)
    opened, closed = (
        Denoiser(unet, c, sigmas, guidance, device=CPU, dtype=torch.float32, closed=each) for each in (False, True)
    )
    x = draw(num_frames, 4, 8, 8, seed=3)

    made = closed(x, sigmas[0])

    assert_close(closed(x.roll(1, 0), sigmas[0]), made.roll(1, 0), max_abs=2e-5)
    assert float((made - opened(x, sigmas[0])).abs().max()) > 0.01


@pytest.mark.parametrize("chunk", [1, 2, 3, 6])
@pytest.mark.parametrize("park", [None, CPU], ids=["in place", "parked"])
def test_a_ring_is_decoded_alike_wherever_it_begins_and_however_many_at_a_time(
    chunk: int, park: torch.device | None
) -> None:
    decoder, z = fill(VaeDecoder(TWO_LEVELS)), 0.3 * draw(6, 4, 6, 4)

    def decode(latents: Tensor, closed: bool = True) -> Tensor:
        *_, last = decoder.decode_steps(latents, chunk, park, closed=closed)
        return torch.cat(list(last.clip))

    (*_, whole) = decoder.decode_steps(z, 6, closed=True)
    frames = decode(z)

    assert_close(frames, torch.cat(list(whole.clip)), max_abs=1e-4)
    assert_close(decode(z.roll(2, 0)), frames.roll(2, 0), max_abs=1e-4)
    assert float((frames - decode(z, closed=False)).abs().max()) > 0.01


def test_a_decoder_that_does_not_look_along_time_decodes_a_ring_too() -> None:
    decoder, z = fill(VaeDecoder(PLAIN)), 0.3 * draw(3, 4, 6, 4)
    *_, ring = decoder.decode_steps(z, 2, closed=True)

    assert_close(torch.cat(list(ring.clip)), torch.cat(list(decoder.decode_frames(z, 3))), max_abs=1e-5)
