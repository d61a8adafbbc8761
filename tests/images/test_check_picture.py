"""What may go wrong with a picture is said before a clip is made of it, and nothing where nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from lib_svd.images import View, check_picture, find_subject, find_tighter_crop, fit_picture, read_picture
from tests.conftest import draw_disc

SIZE = (1024, 576)
ALL = View()


def open_lighthouse():
    return read_picture(Path(__file__).parents[2] / "examples" / "lighthouse.jpg").image


def make_busy():
    """Bright dots everywhere, three pixels apart."""
    dots = np.random.default_rng(0).integers(0, 2, (267, 474), np.uint8) * 180 + 40
    return Image.fromarray(dots.repeat(3, 0).repeat(3, 1)).convert("RGB").resize((1422, 801))


def list_concerns(image, size=SIZE, view=ALL):
    return {each.name: each for each in check_picture(image, fit_picture(image, size, "crop", view))}


def test_a_good_picture_is_no_concern():
    assert list_concerns(open_lighthouse()) == {}


@pytest.mark.parametrize(
    ("image", "size", "name"),
    [
        (open_lighthouse().resize((320, 200)), SIZE, "small"),
        (open_lighthouse(), (576, 1024), "shape"),
        (open_lighthouse().filter(ImageFilter.GaussianBlur(8)), SIZE, "blurred"),
        (make_busy(), SIZE, "busy"),
        (ImageEnhance.Brightness(open_lighthouse()).enhance(0.3), SIZE, "dark"),
        (ImageEnhance.Brightness(open_lighthouse()).enhance(0.12), SIZE, "dark"),
        (open_lighthouse().point(lambda level: 230 + level / 10), SIZE, "bright"),
        (open_lighthouse().point(lambda level: 255 * (level / 255) ** 0.15), SIZE, "bright"),
        (ImageEnhance.Contrast(open_lighthouse()).enhance(4), SIZE, "clipped"),
        (draw_disc(300, 250, 60), SIZE, "subject"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_fault_is_found_and_no_other_with_its_measure_and_a_remedy(image, size, name):
    found = list_concerns(image, size)
    assert list(found) == [name]
    assert found[name].text.endswith(".")
    assert found[name].remedy.endswith(".")
    assert found[name].value > 0


@pytest.mark.parametrize(("x", "y"), [(300, 250), (850, 500), (600, 400)])
def test_the_subject_is_where_it_is(x, y):
    left, top, right, bottom = find_subject(draw_disc(x, y, 80))
    assert abs((left + right) / 2 - x / 1200) < 0.06
    assert abs((top + bottom) / 2 - y / 800) < 0.06
    assert (right - left) * (bottom - top) < 0.15


@pytest.mark.parametrize("size", [(1024, 576), (576, 1024), (768, 768)])
def test_a_tighter_crop_holds_the_subject_in_the_clips_shape_inside_the_picture(size):
    picture = draw_disc(850, 300, 80).resize((3000, 2000))
    view = find_tighter_crop(picture, size)
    left, top, right, bottom = fit_picture(picture, size, "crop", view).box
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=1e-3)
    assert 0 <= left < 770 * 2.5
    assert 930 * 2.5 < right <= 3000
    assert 0 <= top < 220 * 2.5
    assert 380 * 2.5 < bottom <= 2000
    assert right - left >= size[0] - 1
    assert (right - left) * (bottom - top) < 0.7 * 3000 * 2000


def test_a_tighter_crop_is_the_remedy_for_a_small_subject():
    picture = draw_disc(850, 300, 60).resize((3600, 2400))
    assert "subject" in list_concerns(picture)
    assert list_concerns(picture, view=find_tighter_crop(picture, SIZE)) == {}


def test_a_small_picture_is_not_cropped_below_the_clips_size():
    picture = draw_disc(300, 250, 60)
    box = fit_picture(picture, SIZE, "crop", find_tighter_crop(picture, SIZE)).box
    assert box[2] - box[0] >= 1024


def test_a_tighter_crop_of_a_picture_of_the_clips_size_is_all_of_it():
    assert find_tighter_crop(draw_disc(300, 250, 60).resize(SIZE), SIZE).zoom == 1
