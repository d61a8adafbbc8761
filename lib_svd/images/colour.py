"""Any Pillow mode to RGB in sRGB, 8 bit: number ranges, colour profiles, transparency."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms

SAME_COLOURS = 2  # of 255; two spellings of sRGB differ by rounding, every other profile by more
OPAQUE = 254  # of 255; Forge and reForge hide a picture's settings in the lowest bit of its alpha (stealth_infotext.py)

_WITH_ALPHA = ("RGBA", "RGBa", "PA")
_KEEPS_COLOURANTS = ("L", "CMYK", "RGB")  # what a colour profile may describe


def convert_to_srgb(
    image: Image.Image, white: int | None = None
) -> tuple[Image.Image, Image.Image | None, tuple[str, ...]]:
    """Convert a picture to RGB in sRGB and its alpha channel (L), None where nothing is transparent; with notes.

    image: any mode. white: of `read_stated_white`.

    Raises:
        ValueError: the picture holds no finite number.
    """
    colour, alpha, notes = _split(image, white)
    colour, profile_notes = _convert_to_srgb(colour, image.info.get("icc_profile"))
    notes += profile_notes
    is_opaque = alpha is None or np.asarray(alpha).min() >= OPAQUE
    return colour, None if is_opaque else alpha, notes


def read_stated_white(image: Image.Image) -> int | None:
    """Read which number is white in a picture of more than 8 bits, as its file says; None: no file says.

    To be asked of an image as it was opened: copies of it, turned or converted, forget their file. Pillow before 10.1
    gives a PNG of 16 bits in mode I, as every release does a PGM; neither file can hold more.
    """
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", None) or {}  # of a TIFF
        return int(2 ** tags.get(ExifTags.Base.BitsPerSample, (16,))[0] - 1)
    return 65535 if image.mode == "I" and image.format in ("PNG", "PPM") else None


def _split(image: Image.Image, white: int | None) -> tuple[Image.Image, Image.Image | None, tuple[str, ...]]:
    """Part a picture into colours in a mode that a profile may describe, the alpha channel (L) if there is one, and
    notes.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return _split_numbers(image, white)
    keyed = "transparency" in image.info  # one colour (tRNS) or one palette entry stands for transparent
    if image.mode in ("LA", "La") or (image.mode in ("1", "L") and keyed):
        grey = image.convert("LA")
        return grey.getchannel("L"), grey.getchannel("A"), ()
    if image.mode in _WITH_ALPHA or image.mode == "P" or (image.mode == "RGB" and keyed):
        rgba = image.convert("RGBA")  # a palette may hold alpha of its own
        return rgba.convert("RGB"), rgba.getchannel("A"), ()
    if image.mode in _KEEPS_COLOURANTS:
        return image, None, ()
    return image.convert("L" if image.mode == "1" else "RGB"), None, ()


def _split_numbers(image: Image.Image, white: int | None) -> tuple[Image.Image, Image.Image | None, tuple[str, ...]]:
    """Part a picture of more than 8 bits a pixel, which is always greyscale.

    The rule: they run from 0 to white where that is known. Else they run from 0 to the smallest of 1 (F only), 255 and
    65535 that holds every value, or from their lowest to their highest value. Rounded to nearest.
    """
    values = np.asarray(image)
    key = image.info.get("transparency")
    alpha = Image.fromarray((values != key).astype(np.uint8) * 255) if isinstance(key, int) else None
    if white is not None:
        return _scale_levels(values, 0, white), alpha, ()
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ValueError("it holds no finite number")
    low, high = _find_range(
        float(finite.min()), float(finite.max()), (1, 255, 65535) if image.mode == "F" else (255, 65535)
    )
    usual = (low, high) == (0, 1 if image.mode == "F" else 65535)
    note = f"The picture does not say which numbers are black and white; {low:g} and {high:g} were taken."
    return _scale_levels(values, low, high), alpha, () if usual else (note,)


def _find_range(lowest: float, highest: float, whites: tuple[float, ...]) -> tuple[float, float]:
    """Find which number becomes black and which becomes white."""
    if lowest >= 0:
        for white in whites:
            if highest <= white:
                return 0, white
    return lowest, highest


def _scale_levels(values: npt.NDArray[np.generic], low: float, high: float) -> Image.Image:
    """Bring [H, W] of any number type to L. Infinity is clipped, NaN is black."""
    unit = values.astype(np.float32)
    np.nan_to_num(unit, copy=False, nan=low, posinf=high, neginf=low)
    unit -= low
    unit *= 255 / (high - low) if high > low else 0.0
    return Image.fromarray(np.rint(unit).clip(0, 255).astype(np.uint8))


def _convert_to_srgb(colour: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert colours to RGB as the embedded profile means them; without one, or with sRGB itself, as Pillow does."""
    if not profile:
        return colour.convert("RGB"), ()
    try:
        return _apply_profile(colour, profile), ()
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):  # ImportError: built without LittleCMS
        return colour.convert("RGB"), ("The picture's colour profile cannot be used; its colours are taken as sRGB.",)


def _apply_profile(colour: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if source.profile.xcolor_space.strip() == "RGB" and colour.mode == "L":
        colour = colour.convert("RGB")  # grey saved with a colour profile is common
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), colour.mode, "RGB")
    probe = _probe(colour.mode)
    plain = probe.convert("RGB")
    converted = ImageCms.applyTransform(probe, transform) or probe
    if np.abs(np.asarray(converted, np.int16) - np.asarray(plain, np.int16)).max() <= SAME_COLOURS:
        return colour.convert("RGB")  # sRGB, whatever it is called: leave every pixel as it is
    return ImageCms.applyTransform(colour, transform) or colour


def _probe(mode: str) -> Image.Image:
    """Make one row with colours from all over the space of `mode`."""
    bands = Image.getmodebands(mode)
    steps = np.arange(0, 256, 17 if bands == 1 else 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * bands), axis=-1).reshape(-1, bands)
    return Image.frombytes(mode, (len(grid), 1), grid.tobytes())
