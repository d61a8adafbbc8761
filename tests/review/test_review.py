"""Measures are right where truth is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from skimage import color
from skimage.metrics import structural_similarity

from lib_svd.review import review
from lib_svd.review.flow import find_flows
from lib_svd.review.measure import convert_to_lab, ssim
from lib_svd.review.words import MEASURES, is_frozen
from tests.review import clips

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("pixels", [0.5, 1.5, 3, 6])
def test_flow_of_a_pan_is_its_pixels_a_frame(pixels):
    motion = review(clips.make_pan(pixels)).motion
    assert motion.flow == pytest.approx(pixels, rel=0.1, abs=0.05)
    assert motion.flow_top5 == pytest.approx(pixels, rel=0.3, abs=0.2)
    assert motion.speed == pytest.approx(100 * motion.flow_top5 / clips.HEIGHT)


def test_flow_is_in_pixels_of_the_clip_whatever_its_size():
    large = clips.make_pan(3)[:4].repeat(5, 1).repeat(5, 2)
    assert review(large).motion.flow == pytest.approx(15, rel=0.1)
    assert review(large).motion.speed == pytest.approx(review(clips.make_pan(3)).motion.speed, rel=0.2)


@pytest.mark.parametrize("made", [clips.make_pan(3), clips.make_zoom(3)], ids=["pan", "zoom"])
def test_a_move_of_the_camera_is_told_from_one_of_the_subject(made):
    assert review(made).motion.camera > 0.9


def test_a_thing_that_moves_on_its_own_is_the_subject():
    motion = review(clips.make_walker(4)).motion
    assert motion.subject > 0.9
    assert motion.flow < 0.1
    assert motion.flow_top5 == pytest.approx(4, rel=0.15)


def test_a_plain_thing_before_a_plain_backdrop_does_not_take_it_along():
    motion = review(clips.make_square(4)).motion
    assert motion.flow < 0.05
    assert motion.flow_top5 == pytest.approx(4, rel=0.1)
    assert motion.subject > 0.9


@pytest.mark.parametrize("levels", [16, 25])
def test_much_grain_is_no_tearing(levels):
    for pixels in (0, 3):
        alone, dissolved = clips.make_pan(pixels), clips.dissolve(clips.make_pan(pixels), 0.8)
        found = [review(clips.add_grain(made, levels)).consistency.warped_error for made in (alone, dissolved)]
        assert found[0] < 0.04
        assert found[1] > 0.05


@pytest.mark.parametrize("levels", [4, 10])
def test_grain_is_no_motion_and_no_change_of_colour(levels):
    still, moving = (review(clips.add_grain(clips.make_pan(pixels), levels)) for pixels in (0, 3))
    assert is_frozen(still.measures)
    assert moving.motion.flow_top5 == pytest.approx(3, rel=0.1)
    assert moving.motion.camera > 0.9
    assert abs(still.fidelity.saturation) < 0.5
    assert abs(moving.fidelity.saturation) < 0.5


def test_a_coder_with_few_bits_does_not_hide_the_camera():
    motion = review(clips.code(clips.make_pan(3), 60)).motion
    assert motion.flow == pytest.approx(3, rel=0.15)
    assert motion.flow_top5 == pytest.approx(3, rel=0.3)
    assert motion.camera > 0.9


@pytest.mark.parametrize(("light", "quality", "short"), [(1, 30, 0.1), (0.16, 30, 0.5), (0.12, 27, 0.4)])
def test_a_dark_sky_in_which_a_coder_leaves_nothing_does_not_hide_the_camera(light, quality, short, tmp_path):
    """The darkest has a mean of 15 of 255. What nothing is seen of may stand, but not hold the camera still."""
    made = clips.round_levels(light * clips.make_pan(3))
    motion = review(clips.code_as_video(made, tmp_path, quality)).motion
    assert 3 * (1 - short) < motion.flow < 3.1
    assert motion.camera > 0.8


@pytest.mark.parametrize(
    "made",
    [
        clips.add_flicker(clips.make_pan(3), 25),
        clips.add_twinkle(clips.make_pan(3), 25),
        clips.fade(clips.make_pan(3), 0.1),
    ],
    ids=["flicker", "twinkle", "fade"],
)
def test_light_that_changes_is_no_motion_and_no_tearing(made):
    found = review(made)
    assert found.motion.flow_top5 == pytest.approx(3, rel=0.15)
    assert found.motion.camera > 0.9
    assert found.consistency.warped_error < 0.01
    assert found.consistency.cuts == 0


@pytest.mark.parametrize("moving", [0, 3])
def test_a_fade_is_drift_and_neither_flicker_nor_blur(moving):
    made = clips.fade(clips.make_pan(moving), 0.2)
    before, after = (
        color.rgb2lab(frame / 255) for frame in (clips.make_pan(0)[0], clips.fade(clips.make_pan(0), 0.2)[-1])
    )
    found = review(made)
    assert found.fidelity.drift == pytest.approx(np.linalg.norm((after - before).mean((0, 1))), rel=0.1)
    assert found.consistency.flicker < 0.002
    assert found.consistency.sharpness == pytest.approx(1, abs=0.25)


def test_a_fade_to_black_is_no_cut():
    assert review(clips.fade(clips.make_pan(3), 0)).consistency.cuts == 0


def test_flicker_of_a_sixth_of_the_frame_is_a_sixth_of_the_flicker():
    assert review(clips.add_twinkle(clips.make_pan(0), 12)).consistency.flicker == pytest.approx(12 / 255 / 6, rel=0.2)


@pytest.mark.parametrize("levels", [6, 13, 26])
@pytest.mark.parametrize("made", [clips.make_pan(3), clips.make_zoom(3)], ids=["pan", "zoom"])
def test_flicker_of_a_quarter_of_a_clip_that_moves_is_a_quarter_of_the_flicker(made, levels):
    """In its middle, half of which is plain sky: there nothing but the edge of the light is seen, and stands still."""
    found = review(clips.add_spot(made, levels))
    assert found.consistency.flicker == pytest.approx(levels / 255 / 4, rel=0.13)
    assert found.motion.camera > 0.98


def test_a_frozen_clip_does_not_look_good():
    found = review(clips.make_pan(0), clips.make_pan(0)[0])
    assert is_frozen(found.measures)
    assert (found.motion.flow, found.motion.camera, found.loop.seam) == (pytest.approx(0, abs=0.02), None, None)
    for measure in MEASURES:
        word = measure.choose_word(found.measures)
        assert measure.part == "motion" or word == "not measured" or "nothing moves" in word
    assert not is_frozen(review(clips.make_pan(1)).measures)


@pytest.mark.parametrize("levels", [4, 10, 25])
@pytest.mark.parametrize("moving", [0, 3])
def test_flicker_is_the_jump_of_brightness(levels, moving):
    flicker = review(clips.add_flicker(clips.make_pan(moving), levels)).consistency.flicker
    assert flicker == pytest.approx(levels / 255, rel=0.15)


@pytest.mark.parametrize(
    "made",
    [
        clips.make_pan(0),
        clips.make_pan(3),
        clips.make_zoom(3),
        clips.make_walker(4),
        clips.add_drift(clips.make_pan(3), 40),
    ],
)
def test_motion_and_drift_are_no_flicker(made):
    assert review(made).consistency.flicker < 0.002


@pytest.mark.parametrize("moving", [0, 3])
def test_drift_is_the_distance_in_lab_that_colours_go(moving):
    made = clips.add_drift(clips.make_pan(moving), 40)
    before, after = (
        color.rgb2lab(frame / 255) for frame in (clips.make_pan(0)[0], clips.add_drift(clips.make_pan(0), 40)[-1])
    )
    expected = np.linalg.norm((after - before).mean((0, 1)))
    assert review(made).fidelity.drift == pytest.approx(expected, rel=0.15)
    assert review(clips.add_drift(clips.make_pan(moving), 20)).fidelity.drift < 0.7 * review(made).fidelity.drift


def test_what_comes_into_view_is_no_drift():
    frames = clips.make_pan(6)
    assert np.abs(frames[-1].mean((0, 1)) - frames[0].mean((0, 1))).max() > 3
    assert review(frames).fidelity.drift < 0.7


def test_saturation_tells_fading_from_growing():
    grey = clips.make_pan(3).mean(-1, keepdims=True)
    t = np.linspace(0, 0.6, clips.T)[:, None, None, None]
    fading = clips.round_levels((1 - t) * clips.make_pan(3) + t * grey)
    growing = fading[::-1]
    assert review(fading).fidelity.saturation < -2
    assert review(growing).fidelity.saturation > 2


def test_sharpness_falls_with_blur_and_stays_with_motion():
    found = [review(clips.blur(clips.make_pan(1), sigma)).consistency.sharpness for sigma in (0.6, 1.2, 2.5)]
    assert found[0] < 0.75
    assert found[0] > 2 * found[1] > 4 * found[2]
    assert review(clips.make_pan(1)).consistency.sharpness == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    "made", [clips.make_zoom(3), clips.make_zoom(3)[::-1], clips.make_pan(8)], ids=["near", "far", "pan"]
)
def test_what_a_camera_brings_into_view_is_no_change_of_sharpness(made):
    assert 0.75 < review(made).consistency.sharpness < 1.4


@pytest.mark.parametrize("scene", [clips.make_pan(3), clips.fade(clips.make_pan(3), 0.12)[-1:].repeat(10, 0)])
def test_cuts_are_counted_and_are_no_flicker_and_no_drift(scene):
    found = review(clips.cut(scene))
    assert found.consistency.cuts == 1
    assert found.consistency.flicker < 0.002
    assert found.fidelity.drift < 1


def test_cuts_are_no_motion():
    found = review(clips.cut(clips.make_pan(3)))
    assert found.motion.flow_top5 == pytest.approx(3, rel=0.3)
    assert review(clips.make_pan(6)).consistency.cuts == 0


def test_what_motion_does_not_explain_is_tearing():
    found = [review(clips.dissolve(clips.make_pan(3), share)).consistency.warped_error for share in (0, 0.3, 0.6)]
    assert found[0] < 0.01
    assert found[1] > 2 * found[0]
    assert found[2] > 1.5 * found[1]


def test_a_clip_that_goes_forth_and_back_closes():
    assert review(clips.close(clips.make_pan(3))).loop.seam == pytest.approx(1, abs=0.2)
    assert review(clips.make_pan(3)).loop.seam > 2


def test_the_first_frame_is_held_against_the_picture():
    frames = clips.make_pan(3)
    assert review(frames, frames[0]).fidelity.ssim == pytest.approx(1)
    assert review(frames, frames[0][::-1]).fidelity.ssim < 0.5
    assert review(frames).fidelity.ssim is None


def measure_laplacians(frame):
    """Variance of the Laplacian over that of grey."""
    grey = frame.astype(np.float32).mean(-1)
    return clips.cv2.Laplacian(grey, -1)[1:-1, 1:-1].var() / grey[1:-1, 1:-1].var()


@pytest.mark.parametrize(("sigma", "said"), [(0.7, "softer than the picture"), (1.2, "blurred from the first on")])
def test_a_clip_that_is_blurred_from_the_first_frame_on_is_softer_than_its_picture(sigma, said):
    frames = clips.make_pan(3)
    blurred = np.stack([clips.cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
    found = review(blurred, frames[0])
    assert found.consistency.sharpness == pytest.approx(1, abs=0.2)
    expected = measure_laplacians(blurred[0]) / measure_laplacians(frames[0])
    assert found.fidelity.first_frame_sharpness == pytest.approx(expected, rel=0.15)
    assert find_word("first_frame_sharpness", found) == said


def test_what_neither_blurs_nor_sharpens_keeps_the_detail_of_the_picture(tmp_path):
    frames = clips.make_pan(3)
    for made in (frames, clips.round_levels(0.6 * frames), clips.code_as_video(frames, tmp_path, 23)):
        found = review(made, frames[0])
        assert found.fidelity.first_frame_sharpness == pytest.approx(1, abs=0.15)
        assert find_word("first_frame_sharpness", found) == "as sharp as the picture"
    assert review(frames).fidelity.first_frame_sharpness is None
    assert find_word("first_frame_sharpness", review(clips.add_grain(frames, 25), frames[0])).startswith("harder")


def find_word(name, found):
    return next(measure.choose_word(found.measures) for measure in MEASURES if measure.name == name)


def test_ssim_is_that_of_scikit_image():
    a, b = clips.make_pan(0)[0], clips.dissolve(clips.make_pan(0), 0.5)[-1]
    luma = np.array([0.299, 0.587, 0.114])
    expected = structural_similarity(
        a @ luma, b @ luma, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(expected, abs=2e-3)


def test_lab_is_that_of_scikit_image():
    frames = clips.make_pan(3)[:2]
    np.testing.assert_allclose(convert_to_lab(frames), color.rgb2lab(frames / 255), atol=0.05)


def test_differences_of_neighbours_and_the_fastest_twentieth_are_vbenchs():
    """Temporal flicker, (255 - MAE) / 255; dynamic degree, mean of the top 5 % of flow: Huang et al. 2023, B."""
    frames = clips.make_walker(4)
    found = review(frames)
    errors = [np.abs(a.astype(np.float32) - b).mean() for a, b in zip(frames, frames[1:], strict=False)]
    assert 1 - found.consistency.difference == pytest.approx((255 - np.mean(errors)) / 255)
    degrees = []
    for flow in find_flows(frames).forward:
        lengths = np.sqrt(np.square(flow[..., 0]) + np.square(flow[..., 1])).flatten()
        degrees.append(np.mean(np.sort(lengths)[::-1][: int(len(lengths) * 0.05)]))
    assert found.motion.flow_top5 == pytest.approx(np.mean(degrees), rel=1e-3)


def test_likeness_is_the_cosine_of_the_towers_embeddings():
    frames = clips.make_pan(3)

    def embed(seen):
        """Brightness of the quarters of a frame."""
        return torch.from_numpy(np.stack([[f[:64, :96].mean(), f[:64, 96:].mean(), f[64:].mean()] for f in seen]))

    found = review(frames, frames[0], embed).fidelity
    vectors = embed(frames[[0, 2, 4, 7, 9]]).numpy()
    cosines = vectors @ vectors[0] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[0])
    assert found.similarity_lowest == pytest.approx(cosines.min(), abs=0.01)
    assert found.similarity_lowest <= found.similarity <= 1
    assert review(frames).fidelity.similarity is None


def test_without_opencv_the_rest_is_measured(monkeypatch):
    monkeypatch.setattr("lib_svd.review.measure.can_see_motion", lambda: False)
    found = review(clips.blur(clips.make_pan(3), 2), clips.make_pan(3)[0])
    assert (found.motion.flow, found.consistency.flicker, found.fidelity.drift) == (None, None, None)
    assert found.consistency.sharpness < 0.5
    assert found.fidelity.ssim > 0.9


def make_other_scenes(num_frames, side):
    """Every frame is coarse noise of its own."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (num_frames, side // 8, side // 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)


@pytest.mark.parametrize(
    "made",
    [
        *(make_other_scenes(num_frames, side) for num_frames in (2, 5) for side in (16, 64)),
        clips.add_grain(clips.fade(clips.make_pan(3), 0), 20)[-3:],
        np.zeros((3, 64, 64, 3), np.uint8),
        clips.make_pan(60)[:, :64, :64],
        clips.make_pan(3)[:2, :63, :47],
    ],
    ids=["2 of 16", "2 of 64", "5 of 16", "5 of 64", "grain", "black", "too fast", "odd"],
)
def test_whatever_a_clip_shows_no_measure_is_nan_or_infinite(made):
    assert json.dumps(review(made, made[0]).as_dict(), allow_nan=False)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_measure_has_words_for_every_number(measure):
    assert measure.bands[-1].limit == math.inf
    limits = [band.limit for band in measure.bands]
    assert limits == sorted(set(limits))
    found = review(clips.make_pan(3), clips.make_pan(3)[0])
    assert measure.write_number(found.measures)
    assert measure.choose_word(found.measures)
