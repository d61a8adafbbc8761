"""What SV3D gets of a picture: the object alone, in the middle of the frame, before one colour."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lib_svd.errors import BadPicture, BadRequest
from lib_svd.images import Picture, View, cutting, fit_picture, place_object, read_picture
from lib_svd.request import ClipRequest

FRAME = (576, 576)
RED = (200, 30, 30, 255)


def paint(size: tuple[int, int], box: tuple[int, int, int, int], colour: tuple[int, ...] = RED) -> Image.Image:
    """A rectangle on a transparent picture; the box has its last pixels in it."""
    picture = Image.new("RGBA", size, (9, 200, 9, 0))
    ImageDraw.Draw(picture).rectangle(box, fill=colour)
    return picture


def place(picture: Image.Image | BytesIO, shape: tuple[int, int] = FRAME, **settings: object) -> Picture:
    return place_object(read_picture(picture, "#ffffff"), ClipRequest(background="#ffffff", **settings), shape)


def measure(placed: Picture, size: tuple[int, int] = FRAME, fit: str = "crop", zoom: float = 1.0) -> np.ndarray:
    """Left, top, right and bottom of what is not white in the picture that the model gets."""
    pixels = np.asarray(fit_picture(placed.image, size, fit, View(zoom=zoom)).image.convert("L"))
    rows, columns = (np.flatnonzero((pixels < 200).any(axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize(
    ("box", "width", "height"),
    [
        ((20, 30, 219, 229), 528, 528),  # off the middle
        ((300, 10, 349, 409), 66, 528),  # tall
        ((10, 300, 409, 349), 528, 66),  # wide
        ((0, 0, 99, 199), 264, 528),  # at the picture's edge
        ((590, 390, 639, 439), 528, 528),  # small
        ((0, 0, 639, 479), 528, 396),  # all of it
    ],
)
@pytest.mark.parametrize("fit", ["crop", "letterbox", "stretch"])
def test_the_longer_side_fills_as_much_of_the_frame_as_stabilitys_scripts_have_it(box, width, height, fit) -> None:
    picture = paint((640, 480), box)
    picture.putpixel((639, 479), (0, 0, 0, 0))  # transparent somewhere, else it has no alpha to speak of

    left, top, right, bottom = measure(place(picture), fit=fit)

    assert (right - left, bottom - top) == (pytest.approx(width, abs=12), pytest.approx(height, abs=12))
    assert (left + right, top + bottom) == (pytest.approx(576, abs=12), pytest.approx(576, abs=12))


def test_the_part_that_it_fills_can_be_chosen_and_is_said() -> None:
    picture = paint((640, 480), (20, 30, 219, 229))

    left, _, right, _ = measure(placed := place(picture, object_fill=0.5))

    assert right - left == pytest.approx(288, abs=3)
    assert placed.notes[-1] == "The object was cut out by its own transparency and centred; it fills 50 % of the frame."
    assert place(picture).notes[-1].endswith("fills 92 % of the frame.")
    zoomed = measure(placed, zoom=1.5)
    assert zoomed[2] - zoomed[0] == pytest.approx(432, abs=4)


def test_in_a_wide_clip_it_stands_whole_too() -> None:
    left, top, right, bottom = measure(place(paint((300, 400), (100, 100, 199, 299)), (1024, 576)), (1024, 576))

    assert (right - left, bottom - top) == (pytest.approx(264, abs=6), pytest.approx(528, abs=6))
    assert left + right == pytest.approx(1024, abs=6)


def test_a_shadow_is_part_of_the_object_and_keeps_its_colour_before_white() -> None:
    picture = paint((400, 400), (50, 50, 149, 249), (0, 0, 0, 128))
    ImageDraw.Draw(picture).rectangle((150, 50, 249, 249), fill=RED)

    placed = place(picture)
    left, _, right, _ = measure(placed)

    assert right - left == pytest.approx(528, abs=6)
    shadow = fit_picture(placed.image, FRAME, "crop", View()).image.getpixel((150, 288))
    assert shadow == pytest.approx((127, 127, 127), abs=1)


def test_a_palette_may_hold_the_transparency() -> None:
    picture = Image.new("P", (200, 100), 0)
    picture.putpalette([0, 0, 0, 200, 30, 30])
    picture.paste(1, (20, 10, 60, 50))
    stream = BytesIO()
    picture.save(stream, "PNG", transparency=0)

    left, top, right, bottom = measure(place(stream))

    assert (right - left, bottom - top) == (pytest.approx(528, abs=14), pytest.approx(528, abs=14))
    assert left + right == pytest.approx(576, abs=14)


def test_a_picture_without_an_object_or_with_hardly_one_is_refused() -> None:
    with pytest.raises(
        BadPicture, match=r"there is no object in the picture: choose another picture, or set Cut out by "
    ):
        place(Image.new("RGBA", (100, 100), (0, 0, 0, 0)))
    with pytest.raises(BadPicture, match=r"the object is only 9x20 pixels: choose a larger picture"):
        place(paint((100, 100), (5, 5, 13, 24)))
    assert place(paint((100, 100), (5, 5, 13, 24)), cut_out="never").image.size == (100, 100)


def test_a_picture_with_a_background_goes_in_as_it_is_and_that_is_said_unless_it_is_white() -> None:
    read = read_picture(Image.new("RGB", (90, 60), "navy"))
    seen = place(read.image)
    assert seen.image == read.image
    assert "goes in as it is; an object before white turns best: give the picture a transparent" in seen.notes[-1]

    white = Image.new("RGB", (90, 60), "white")
    white.paste("red", (20, 20, 40, 40))
    assert place(white).notes == place(read.image, cut_out="never").notes == ()


def test_a_large_object_in_a_small_part_of_the_frame_takes_bounded_memory() -> None:
    placed = place(paint((3000, 3000), (0, 0, 2990, 2990)), object_fill=0.1)

    assert placed.image.size == (4096, 4096)
    left, _, right, _ = measure(placed)
    assert right - left == pytest.approx(58, abs=2)


@pytest.fixture
def rembg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """A package of rembg 2's interface, which finds that the red of a picture is its object."""
    found, sessions, u2net = (ModuleType(name) for name in ("rembg", "rembg.sessions", "rembg.sessions.u2net"))
    found.asked = []

    def remove(image, session, alpha_matting):
        found.asked.append((image.size, session, alpha_matting))
        levels = np.asarray(image).astype(int)
        alpha = ((levels[..., 0] > levels[..., 2] + 50) * 255).astype(np.uint8)
        cut = image.convert("RGBA")
        cut.putalpha(Image.fromarray(alpha))
        return cut

    class U2netSession:
        @classmethod
        def u2net_home(cls):
            return str(tmp_path)

    found.remove, found.new_session, u2net.U2netSession = remove, lambda name: f"session of {name}", U2netSession
    for module in (found, sessions, u2net):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "u2net.onnx").touch()
    cutting._remove.cache_clear()
    return found


def test_rembg_cuts_out_what_has_a_background(rembg) -> None:
    picture = Image.new("RGB", (1600, 900), "navy")
    picture.paste((200, 30, 30), (200, 100, 400, 500))

    placed = place(picture, cut_out="rembg")
    left, top, right, bottom = measure(placed)

    assert (right - left, bottom - top) == (pytest.approx(264, abs=6), pytest.approx(528, abs=6))
    assert placed.notes[-1].startswith("The object was cut out by rembg and centred")
    assert rembg.asked == [((768, 432), "session of u2net", True)]  # as Stability's script asks it
    place(picture, cut_out="rembg", object_fill=0.5)
    assert len(rembg.asked) == 1  # the same picture is not asked about twice


def test_a_picture_that_has_transparency_keeps_it(rembg) -> None:
    notes = place(paint((200, 200), (10, 10, 109, 109)), cut_out="rembg").notes

    assert rembg.asked == []
    assert "transparency of its own, which was taken and not rembg's" in notes[-2]


def test_nothing_is_fetched_on_the_way(rembg, tmp_path, monkeypatch) -> None:
    (tmp_path / "u2net.onnx").unlink()
    monkeypatch.setattr(rembg, "new_session", lambda name: pytest.fail("it would fetch the model"))
    with pytest.raises(BadRequest, match=r"needs rembg's model u2net, which is not on this machine yet: fetch it once"):
        place(Image.new("RGB", (64, 64), "navy"), cut_out="rembg")


def test_without_rembg_it_is_said_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(BadRequest, match=r"Cut out by rembg needs rembg, which is not installed here: .* pip install"):
        place(Image.new("RGB", (64, 64), "olive"), cut_out="rembg")
    place(Image.new("RGB", (64, 64), "olive"))


def test_a_picture_that_rembg_fails_on_is_refused(rembg) -> None:
    def fail(*_given, **_named):
        raise RuntimeError("no memory.")

    rembg.remove = fail
    with pytest.raises(
        BadPicture, match=r"rembg cannot cut out the object \(RuntimeError: no memory\): give a picture"
    ):
        place(Image.new("RGB", (64, 64), "teal"), cut_out="rembg")
