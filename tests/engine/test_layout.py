"""Views along time stay channels-last, so that nothing copies them: of one clip as of several."""

from __future__ import annotations

import pytest
import torch

from lib_svd.engine.layers import view_clip, view_frames


@pytest.mark.parametrize("clips", [1, 2])
def test_a_clip_is_a_view_that_torch_knows_to_be_channels_last(clips: int) -> None:
    x = torch.randn(clips * 3, 32, 4, 5).contiguous(memory_format=torch.channels_last)
    view = view_clip(x, 3)
    assert view.data_ptr() == x.data_ptr()
    assert torch.empty_like(view).stride() == view.stride() == (3 * 4 * 5 * 32, 1, 4 * 5 * 32, 32)
    assert torch.equal(view[0, :, 1], x[1].flatten(1))
    assert view_frames(view, 4).stride() == x.stride()


@pytest.mark.parametrize("shape", [(1, 32, 4, 5), (1, 32, 1, 5), (1, 32, 4, 1), (1, 32, 1, 1), (3, 32, 1, 1)])
def test_a_part_of_a_clip_is_known_too_however_small_it_is(shape: tuple[int, int, int, int]) -> None:
    frames = torch.randn(7, *shape[1:]).contiguous(memory_format=torch.channels_last)
    view = view_clip(frames[2 : 2 + shape[0]], shape[0])
    assert torch.empty_like(view).stride() == view.stride()
    assert torch.nn.GroupNorm(4, 32)(view).stride() == view.stride()


@pytest.mark.parametrize("clips", [1, 2])
def test_a_norm_along_time_leaves_the_layout(clips: int) -> None:
    x = torch.randn(clips * 3, 32, 4, 5).contiguous(memory_format=torch.channels_last)
    assert torch.nn.GroupNorm(4, 32)(view_clip(x, 3)).is_contiguous(memory_format=torch.channels_last)
