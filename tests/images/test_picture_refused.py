"""Each refusal names the file, says what is wrong and what to do, in one sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_svd.errors import BadPicture
from lib_svd.images import read_picture
from lib_svd.images.foreign import HEAD_BYTES, describe


def make_noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def store(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def make_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def make_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims that many pixels."""
    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + make_chunk(b"IDAT", zlib.compress(bytes(1000))) + make_chunk(b"IEND", b"")


def make_media(brand: bytes, *others: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(others)
    return struct.pack(">I", len(body) + 4) + body + bytes(3000)


def read_refusal(path: Path) -> str:
    with pytest.raises(BadPicture) as caught:
        read_picture(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.replace(str(path), "FILE")


CASES = {
    "nothing.png": (b"", "empty", "download it again"),
    "notes.png": ("Dear diary, naïve me.\n".encode() * 90, "text file", "choose a PNG"),
    "page.jpg": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page", "download the picture itself"),
    "clip.png": (make_media(b"isom", b"iso2", b"mp41"), "video", "save one of its frames"),
    "clip.mkv": (b"\x1aE\xdf\xa3" + bytes(3000), "video", "save one of its frames"),
    "clip.avi": (b"RIFF\x10\0\0\0AVI LIST" + bytes(3000), "video", "save one of its frames"),
    "photo.heic": (make_media(b"heic", b"mif1", b"heic"), "HEIC", "convert it to PNG or JPEG"),
    "generic.heic": (make_media(b"mif1", b"heic"), "HEIC", "convert it to PNG or JPEG"),
    "photo.avif": (make_media(b"avif", b"mif1", b"miaf"), "AVIF", "convert it to PNG or JPEG"),
    "generic.avif": (make_media(b"mif1", b"avif"), "AVIF", "convert it to PNG or JPEG"),
    "photo.jxl": (b"\xff\x0a" + bytes(3000), "JPEG XL", "convert it to PNG or JPEG"),
    "logo.svg": (
        b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
        "SVG",
        "convert it to PNG or JPEG",
    ),
    "paper.pdf": (b"%PDF-1.7\n" + bytes(3000), "PDF", "convert it to PNG or JPEG"),
    "drawing.eps": (store(make_noise(80, 80), "EPS"), "PostScript", "convert it to PNG or JPEG"),
    "archive.png": (b"PK\3\4" + bytes(range(256)) * 9, "not a picture", "convert it to PNG"),
    "header.png": (store(make_noise(80, 80), "PNG")[:20], "PNG", "download it again"),
    "header.gif": (store(make_noise(80, 80), "GIF")[:8], "GIF", "download it again"),
    "icon.png": (store(make_noise(31, 400), "PNG"), "31x400", "choose a larger picture"),
    "strip.png": (store(make_noise(64, 1100), "PNG"), "64x1100", "crop it first"),
    "bomb.png": (make_claiming(60_000, 60_000), "megapixels", "make it smaller"),
    "largeish.png": (make_claiming(15_000, 11_000), "15000x11000", "make it smaller"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_cannot_be_used_is_refused_with_an_advice(name: str, tmp_path: Path) -> None:
    content, wrong, advice = CASES[name]
    path = tmp_path / name
    path.write_bytes(content)
    sentence = read_refusal(path)
    assert wrong in sentence
    assert advice in sentence


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_a_truncated_picture_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    whole = store(make_noise(128, 128), kind)
    path = tmp_path / "half"
    path.write_bytes(whole[: int(len(whole) * share)])
    sentence = read_refusal(path)
    assert "damaged" in sentence or "cannot be read" in sentence
    assert "again" in sentence or "convert" in sentence


def test_a_missing_file_and_a_file_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "FILE does not exist: check" in read_refusal(tmp_path / "dgo.png")
    assert "FILE does not exist: check" in read_refusal(tmp_path / "file" / "dog.png")


def test_a_folder(tmp_path: Path) -> None:
    assert "folder" in read_refusal(tmp_path)
    assert "choose a file" in read_refusal(tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_name_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    assert "check the name" in read_refusal(tmp_path / name)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> None:  # patched, since root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    (tmp_path / "private.png").touch()
    assert "may not be read: allow" in read_refusal(tmp_path / "private.png")


def test_an_image_in_memory_is_held_to_the_same_rules() -> None:
    with pytest.raises(BadPicture, match=r"The picture is only 20x30 pixels.*choose a larger"):
        read_picture(make_noise(20, 30))


def test_a_stream_without_a_name_is_called_the_picture() -> None:
    with pytest.raises(BadPicture, match="The picture is a text file"):
        read_picture(io.BytesIO(b"hello"))


def test_a_picture_without_any_number_is_refused() -> None:
    with pytest.raises(BadPicture, match="no finite number"):
        read_picture(Image.fromarray(np.full((80, 80), np.nan, np.float32)))


@pytest.mark.parametrize("pillow_limit", [None, 100, 89_478_485])
def test_a_decompression_bomb_is_refused(pillow_limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)  # hosts do change it
    with pytest.raises(BadPicture, match="megapixels"):
        read_picture(io.BytesIO(make_claiming(60_000, 60_000)))
    assert pillow_limit == Image.MAX_IMAGE_PIXELS


def test_the_original_error_is_kept(tmp_path: Path) -> None:
    with pytest.raises(BadPicture) as caught:
        read_picture(tmp_path / "missing.png")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_text_cut_within_a_letter_is_still_text() -> None:
    assert "text file" in describe(("x" + "é" * HEAD_BYTES).encode()[:HEAD_BYTES])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damaged_bytes_are_read_or_refused_but_never_crash(kind: str) -> None:
    whole = store(make_noise(80, 80), kind)
    rng = np.random.default_rng(1)
    outcomes = []
    for _ in range(40):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 600), 3):
            damaged[at] = rng.integers(0, 256)
        try:
            outcomes.append(read_picture(io.BytesIO(bytes(damaged))).image.mode)
        except BadPicture as refused:
            outcomes.append(str(refused)[-1])
    assert set(outcomes) <= {"RGB", "."}
