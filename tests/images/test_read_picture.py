"""Whatever a user drops in comes out as the picture that a good viewer would show."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, features

from lib_svd.errors import BadPicture, BadRequest
from lib_svd.images import read_picture

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def make_plain(mode: str = "RGB", colour: object = RED, size: tuple[int, int] = (96, 80)) -> Image.Image:
    return Image.new(mode, size, colour)


def make_paletted(entry: int) -> Image.Image:
    image = make_plain("P", entry)
    image.putpalette([*RED, *GREEN, *BLUE, *WHITE])
    return image


def store(image: Image.Image, kind: str, **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream


def make_noise(size: tuple[int, int] = (96, 80)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def are_same(left: Image.Image, right: Image.Image) -> bool:
    return left.size == right.size and left.tobytes() == right.tobytes()


def find_centre(image: Image.Image) -> object:
    return image.getpixel((image.width // 2, image.height // 2))


def test_a_path_a_string_a_stream_and_an_image_give_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    make_noise().save(path)
    with path.open("rb") as stream, Image.open(path) as lazy:
        for source in (path, str(path), stream, lazy, make_noise()):
            picture = read_picture(source)
            assert are_same(picture.image, make_noise())
            assert picture.notes == ()
        assert not stream.closed


def test_an_image_in_memory_is_neither_changed_nor_shared() -> None:
    mine = make_plain()
    read_picture(mine).image.putpixel((0, 0), BLUE)
    assert mine.getpixel((0, 0)) == RED


def test_a_stream_is_read_from_its_start_and_may_be_a_pipe() -> None:
    class Pipe(io.RawIOBase):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation("not seekable")

        def read(self, count: int = -1) -> bytes:
            return held.read(count)

    at_the_end = store(make_noise(), "PNG")
    assert are_same(read_picture(at_the_end).image, make_noise())
    held = store(make_noise(), "PNG")
    held.seek(0)
    assert are_same(read_picture(Pipe()).image, make_noise())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_portrait_phone_photo_comes_out_upright(kind: str) -> None:
    scene = Image.new("RGB", (80, 120), BLUE)  # as seen: sky above, grass below
    scene.paste(GREEN, (0, 60, 80, 120))
    exif = Image.Exif()
    exif[0x0112] = 6  # the sensor lay on its side: turn by 90 degrees clockwise to view
    photo = store(scene.transpose(Image.Transpose.ROTATE_90), kind, exif=exif)
    upright = np.asarray(read_picture(photo).image).astype(int)
    assert upright.shape == (120, 80, 3)
    assert abs(upright[10, 40] - BLUE).max() < 40
    assert abs(upright[110, 40] - GREEN).max() < 40


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_shows_the_same_scene(orientation: int, kind: str) -> None:
    turn = Image.Transpose
    undo = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    sensor = make_noise().transpose(undo[orientation]) if orientation in undo else make_noise()
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert are_same(read_picture(store(sensor, kind, exif=exif)).image, make_noise())


def test_a_broken_orientation_is_passed_over_with_a_note() -> None:
    picture = read_picture(store(make_noise(), "PNG", exif=b"Exif\0\0no such thing"))
    assert are_same(picture.image, make_noise())
    assert ["orientation" in note for note in picture.notes] == [True]


GRADIENT = np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), (64, 1))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_16_bit_gradient_keeps_its_gradient(kind: str) -> None:
    grey = np.asarray(read_picture(store(Image.fromarray(GRADIENT), kind)).image)
    assert (grey == np.arange(256)[None, :, None]).all()


NIGHT = (np.arange(256, dtype=np.uint16) % 200)[None].repeat(64, 0)
"""A nearly black picture of 16 bits: no number reaches 255, let alone 65535."""


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_a_nearly_black_16_bit_picture_stays_nearly_black(kind: str) -> None:
    pixels = b"P5 256 64 65535 " + NIGHT.astype(">u2").tobytes()
    picture = read_picture(io.BytesIO(pixels) if kind == "PPM" else store(Image.fromarray(NIGHT), kind))
    assert (np.asarray(picture.image) == np.rint(NIGHT / 257)[..., None]).all()
    assert picture.notes == ()


def test_a_nearly_black_16_bit_png_of_an_older_pillow_stays_nearly_black() -> None:
    image = Image.fromarray(NIGHT.astype(np.int32))  # Pillow 9.5 and 10.0 open it so
    image.format = "PNG"
    image.getexif()[0x0112] = 3  # upside down, so that it is turned before its numbers are looked at
    assert (np.asarray(read_picture(image).image) == np.rint(NIGHT[::-1, ::-1] / 257)[..., None]).all()


def test_nearly_black_colours_of_16_bits_stay_nearly_black() -> None:
    pixels = np.stack([NIGHT, NIGHT // 2, NIGHT * 0], -1).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each after the number of its filter
    head = struct.pack(">IIBBBBB", 256, 64, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    assert np.asarray(read_picture(io.BytesIO(png)).image).max() <= 1


def test_a_tiff_of_12_bits_is_as_bright_as_it_says() -> None:
    """White of 4095, two pixels in three bytes."""
    tags = {256: 64, 257: 64, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 64, 279: 64 * 96}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    pixels = b"\xff" * (32 * 96) + b"\x80\x08\x00" * (32 * 32)  # 4095 above, 2048 below
    file = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)
    grey = np.asarray(read_picture(io.BytesIO(file)).image)
    assert (grey[:32] == 255).all()
    assert (grey[32:] == 128).all()


def test_big_endian_16_bit_is_read_as_such() -> None:
    image = Image.frombytes("I;16B", (256, 64), GRADIENT.astype(">u2").tobytes())
    grey = np.asarray(read_picture(image).image)
    assert (grey == np.arange(256)[None, :, None]).all()


@pytest.mark.parametrize(
    ("numbers", "noted"),
    [
        (GRADIENT.astype(np.int32), False),
        (np.arange(256, dtype=np.int32)[None].repeat(64, 0), True),  # `convert("I")` leaves 0..255
        (np.arange(256, dtype=np.int32)[None].repeat(64, 0) * 1000 - 70_000, True),  # a depth map, say
        (np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(64, 0), False),
        (np.arange(256, dtype=np.float32)[None].repeat(64, 0), True),
        (np.linspace(0, 65535, 256, dtype=np.float32)[None].repeat(64, 0), True),
        (np.linspace(-3, 3, 256, dtype=np.float32)[None].repeat(64, 0), True),
    ],
)
def test_wide_numbers_are_scaled_not_clipped_and_a_guess_is_said(numbers: np.ndarray, noted: bool) -> None:
    picture = read_picture(Image.fromarray(numbers))
    assert (np.asarray(picture.image) == np.arange(256)[None, :, None]).all()
    assert bool(picture.notes) is noted


def test_numbers_that_are_not_finite_do_not_spoil_the_others() -> None:
    numbers = np.full((80, 96), 0.5, np.float32)
    numbers[0, :3] = (np.nan, np.inf, -np.inf)
    grey = np.asarray(read_picture(Image.fromarray(numbers)).image)[..., 0]
    assert grey[1, 1] in (0, 127, 128)
    assert grey[0, 1] >= grey[0, 2]


@pytest.mark.parametrize("level", [0.0, 7.0, -5.0, 1e9])
def test_a_flat_float_picture_is_read(level: float) -> None:
    assert read_picture(make_plain("F", level)).image.mode == "RGB"


@pytest.mark.parametrize("background", ["#ffffff", "#FFFFFF"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_half_transparent_red_over_white_is_pink(kind: str, background: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = read_picture(store(make_plain("RGBA", (*RED, 128)), kind, **options), background)
    assert find_centre(picture.image) == (255, 127, 127)
    assert "#ffffff" in " ".join(picture.notes)


@pytest.mark.parametrize(
    "image",
    [
        make_plain("RGBA", (9, 9, 9, 0)),
        make_plain("LA", (9, 0)),
        make_plain("PA", (9, 0)),
        make_plain("La", (0, 0)),
        make_plain("RGBa", (0, 0, 0, 0)),
    ],
    ids=lambda image: image.mode,
)
def test_every_kind_of_alpha_shows_the_background(image: Image.Image) -> None:
    picture = read_picture(image, "#204060")
    assert find_centre(picture.image) == (0x20, 0x40, 0x60)
    assert len(picture.notes) == 1


@pytest.mark.parametrize(
    ("image", "key"),
    [
        (make_paletted(3), 3),
        (make_paletted(3), bytes([255, 255, 255, 0])),
        (make_plain("L", 200), 200),
        (make_plain("RGB", (1, 2, 3)), (1, 2, 3)),
    ],
    ids=["palette entry", "palette alphas", "grey", "colour"],
)
def test_a_png_with_one_transparent_colour_shows_the_background(image: Image.Image, key: object) -> None:
    picture = read_picture(store(image, "PNG", transparency=key), "#00ff00")
    assert find_centre(picture.image) == GREEN
    assert len(picture.notes) == 1


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_a_transparent_16_bit_grey_shows_the_background(mode: str) -> None:
    image = make_plain(mode, 40_000)
    image.putpixel((0, 0), 65535)
    image.info["transparency"] = 40_000  # as a PNG's tRNS chunk is read
    picture = read_picture(image, "#00ff00")
    assert find_centre(picture.image) == GREEN
    assert picture.image.getpixel((0, 0)) == WHITE


def test_a_transparent_gif_shows_the_background() -> None:
    assert find_centre(read_picture(store(make_paletted(2), "GIF", transparency=2), "#00ff00").image) == GREEN


def test_an_alpha_channel_that_hides_nothing_needs_no_note() -> None:
    opaque = make_noise().convert("RGBA")
    picture = read_picture(store(opaque, "PNG"), "#ffffff")
    assert are_same(picture.image, make_noise())
    assert picture.notes == ()


def test_settings_that_a_web_ui_hid_in_the_alpha_are_no_transparency() -> None:
    marked = make_noise().convert("RGBA")
    for x in range(0, marked.width, 3):
        marked.putpixel((x, 1), (*marked.getpixel((x, 1))[:3], 254))  # type: ignore[index, misc]
    picture = read_picture(store(marked, "PNG"), "#ffffff")
    assert are_same(picture.image, make_noise())
    assert picture.notes == ()


def test_a_background_that_is_no_colour_is_refused() -> None:
    with pytest.raises(BadRequest, match="colour such as #ffffff, not 'sunset'"):
        read_picture(make_plain(), "sunset")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (make_plain("1", 1), WHITE),
        (make_plain("L", 77), (77, 77, 77)),
        (make_paletted(2), BLUE),
        (make_plain("RGBX", (*RED, 0)), RED),
        (make_plain("CMYK", (0, 0, 0, 0)), WHITE),
        (make_plain("CMYK", (0, 255, 255, 0)), RED),
        (make_plain().convert("YCbCr"), RED),
        (make_plain().convert("HSV"), RED),
    ],
    ids=lambda value: getattr(value, "mode", str(value)),
)
def test_every_mode_becomes_rgb(image: Image.Image, expected: tuple[int, int, int]) -> None:
    picture = read_picture(image)
    assert picture.image.mode == "RGB"
    assert np.abs(np.subtract(find_centre(picture.image), expected)).max() <= 1
    assert picture.notes == ()


def test_lab_becomes_rgb() -> None:
    lab = ImageCms.applyTransform(
        make_plain(colour=(200, 60, 30)),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert np.abs(np.subtract(find_centre(read_picture(lab).image), (200, 60, 30))).max() <= 4


@pytest.mark.parametrize(
    ("ink", "seen"), [((0, 0, 0, 0), WHITE), ((0, 0, 0, 255), BLACK), ((255, 0, 0, 0), (0, 255, 255))]
)
def test_a_cmyk_jpeg_is_not_a_negative(ink: tuple[int, ...], seen: tuple[int, ...]) -> None:
    picture = read_picture(store(make_plain("CMYK", ink), "JPEG", quality=95))
    assert np.abs(np.subtract(find_centre(picture.image), seen)).max() <= 4


def make_profile(swap: bool) -> bytes:
    """sRGB; or, to tell from afar whether a profile was used, sRGB with the red and the blue primary swapped."""
    raw = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return raw.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ") if swap else raw


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_an_embedded_profile_is_used(kind: str) -> None:
    picture = read_picture(store(make_plain(), kind, icc_profile=make_profile(swap=True)))
    assert np.abs(np.subtract(find_centre(picture.image), BLUE)).max() <= 4


def test_what_was_applied_once_is_not_applied_again_to_the_saved_result() -> None:
    first = read_picture(store(make_plain(), "PNG", icc_profile=make_profile(swap=True)))
    assert are_same(read_picture(store(first.image, "PNG")).image, first.image)


def test_a_profile_holds_under_transparency_and_the_background_is_srgb() -> None:
    image = make_plain("RGBA", (*RED, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    picture = read_picture(store(image, "PNG", icc_profile=make_profile(swap=True)), "#ff0000")
    assert np.abs(np.subtract(find_centre(picture.image), BLUE)).max() <= 4
    assert picture.image.getpixel((0, 0)) == RED


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_srgb_itself_leaves_every_pixel_alone(mode: str) -> None:
    picture = read_picture(store(make_noise().convert(mode), "PNG", icc_profile=make_profile(swap=False)))
    assert are_same(picture.image, make_noise().convert(mode).convert("RGB"))
    assert picture.notes == ()


@pytest.mark.parametrize(
    ("mode", "icc"), [("RGB", b"not a profile"), ("CMYK", make_profile(swap=False))], ids=["not a profile", "of RGB"]
)
def test_a_profile_that_cannot_be_used_is_passed_over_with_a_note(mode: str, icc: bytes) -> None:
    with_it = read_picture(store(make_noise().convert(mode), "TIFF", icc_profile=icc))
    without = read_picture(store(make_noise().convert(mode), "TIFF"))
    assert are_same(with_it.image, without.image)
    assert "profile" in " ".join(with_it.notes)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_used_and_that_is_said(kind: str) -> None:
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("Pillow without WebP")
    clip = store(
        make_plain(colour=RED), kind, save_all=True, append_images=[make_plain(colour=BLUE), make_plain(colour=GREEN)]
    )
    picture = read_picture(clip)
    assert np.abs(np.subtract(find_centre(picture.image), RED)).max() <= 4
    assert ["first" in note for note in picture.notes] == [True]


def test_a_phone_photo_with_a_second_view_is_one_picture() -> None:
    assert read_picture(store(make_plain(), "MPO", save_all=True, append_images=[make_plain()])).notes == ()


@pytest.mark.parametrize("kind", ["BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "TGA", "TIFF", "WEBP"])
def test_common_formats_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{kind.lower()}"
    make_plain(size=(128, 128)).save(path, kind)
    picture = read_picture(path)
    assert picture.image.size == (128, 128)
    assert np.abs(np.subtract(find_centre(picture.image), RED)).max() <= 4


def test_a_large_photo_gives_no_pillow_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 80 - 1)  # Pillow warns above this, refuses above twice this
    assert read_picture(store(make_plain(), "PNG")).image.size == (96, 80)


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_a_profile_or_text_of_any_size_costs_no_pixel(tmp_path: Path, size: int) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * size, zip=True)
    make_noise().save(tmp_path / "text.png", pnginfo=text)
    make_noise().save(tmp_path / "profile.png", icc_profile=bytes(size))
    for name in ("text.png", "profile.png"):
        for source in (tmp_path / name, io.BytesIO((tmp_path / name).read_bytes())):
            found = read_picture(source)
            assert are_same(found.image, make_noise())
            assert any("too large to be read" in note for note in found.notes) is (size > 1_000_000)


def test_a_png_that_is_cut_short_is_still_said_to_be(tmp_path: Path) -> None:
    content = store(make_noise(), "PNG", icc_profile=bytes(2_000_000)).getvalue()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(BadPicture, match="incomplete or damaged"):
        read_picture(tmp_path / "cut.png")
