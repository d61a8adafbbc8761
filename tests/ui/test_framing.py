"""Shape and crop in the tab: what the buttons do to the controls."""

from __future__ import annotations

import gradio as gr
import pytest

from lib_svd.request import ClipRequest
from lib_svd.ui.controls import Controls
from lib_svd.ui.framing import Framing
from tests.conftest import draw_disc

pytestmark = [
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
    pytest.mark.usefixtures("one_thread"),
]
VALUES = (True, 1024, 576, "svd_xt.safetensors", 3, 1, "Letterbox", 0.5, 0.5, 1.0, "#000000")


@pytest.fixture
def framing(studio):
    with gr.Blocks(analytics_enabled=False):
        found = Framing(studio, "svd_clip")
        found.wire(Controls(studio, "svd_clip"))
    return found


@pytest.mark.parametrize(
    ("shape", "size"),
    [((16, 9), (96, 64)), ((9, 16), (64, 96)), ((1, 1), (80, 80)), ((4, 3), (96, 64)), ((3, 4), (64, 96))],
)
def test_a_shape_is_a_size_of_the_models_own_area(framing, shape, size):
    """The narrow model's area is 96x64, its sides multiples of 16: there is nothing nearer to 16:9 of that area."""
    said, by_picture, *sides = framing.set_shape(shape, "svd_xt.safetensors")
    assert (said, by_picture) == (gr.update(), False)
    assert tuple(sides) == size


def test_a_shape_of_a_model_that_is_gone_is_refused_in_a_sentence(framing):
    assert "No model is called" in framing.set_shape((1, 1), "gone.safetensors")[0]


def test_closer_shows_the_subject_and_no_concern_is_left(framing):
    picture = draw_disc(850, 300, 60)
    assert "Its subject seems small" in framing.preview(picture, *VALUES)[1]
    said, fit, x, y, zoom = framing.move_closer(picture, *VALUES)
    assert (said, fit) == (gr.update(), "Crop")
    assert abs(x - 850 / 1200) < 0.05
    assert abs(y - 300 / 800) < 0.05
    assert zoom > 2
    closer = (*VALUES[:6], fit, x, y, zoom, "#000000")
    assert "seems small" not in framing.preview(picture, *closer)[1]
    assert ClipRequest(focus_x=x, focus_y=y, zoom=zoom)  # as the controls take it


def test_where_a_closer_crop_gains_nothing_it_says_so(framing):
    said, *rest = framing.move_closer(draw_disc(850, 300, 60).resize((96, 64)), *VALUES)
    assert "gain nothing" in said
    assert rest == [gr.update()] * 4


def test_where_it_cannot_be_closer_it_still_brings_the_subject_into_view(framing):
    small = draw_disc(1000, 300, 60).resize((96, 64))
    upright = (False, 64, 96, "svd_xt.safetensors", 3, 1, "Crop", 0.5, 0.5, 1.0, "#000000")
    said, fit, x, _, zoom = framing.move_closer(small, *upright)
    assert (said, fit, zoom) == (gr.update(), "Crop", 1)
    assert x > 0.7
    again = (*upright[:7], x, 0.5, 1.0, "#000000")
    assert "gain nothing" in framing.move_closer(small, *again)[0]


def test_without_a_picture_or_with_a_size_that_cannot_be_it_says_so(framing):
    assert "no picture yet" in framing.move_closer(None, *VALUES)[0]
    wrong = (False, 65, 64, "svd_xt.safetensors", 3, 1, "Crop", 0.5, 0.5, 1.0, "#000000")
    assert "multiples of 16" in framing.move_closer(draw_disc(850, 300, 60), *wrong)[0]


def test_the_frame_over_the_picture_is_told_where_there_is_a_crop(framing):
    crop = (False, 64, 64, "svd_xt.safetensors", 3, 1, "Crop", 0.25, 0.5, 2.0, "#000000")
    assert (
        'data-box="0.0833 0.2500 0.4167 0.7500" data-zoom="2.0"' in framing.preview(draw_disc(600, 400, 60), *crop)[1]
    )
    assert "svd-kept" not in framing.preview(draw_disc(600, 400, 60), *VALUES)[1]
