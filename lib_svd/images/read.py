"""A source picture from a file, a stream or memory: upright, RGB, 8 bit; or a sentence that says why not."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from lib_svd.errors import BadPicture, BadRequest, spell
from lib_svd.images.colour import convert_to_srgb, read_stated_white
from lib_svd.images.foreign import HEAD_BYTES, describe
from lib_svd.images.png import LEFT_OUT, PNG, strip_texts

MIN_SIDE = 32  # pixels; less is an icon, and a clip of the demo goes on from its own frames, of 48 to 88 pixels
MAX_PIXELS = 70_000_000  # phones of 64 megapixels make 9248x6936; with an alpha channel reading it takes 1.5 GB
MAX_ASPECT = 16  # longer to shorter side; any crop of a longer strip would show a sliver of it

_UNDECODABLE = (  # what Pillow's decoders let out when they meet damaged bytes; a fuzz run found most families
    OSError,
    SyntaxError,
    ValueError,
    RuntimeError,
    ArithmeticError,
    LookupError,
    EOFError,
    TypeError,  # a plugin tripping over a field that is missing, as the next one
    AttributeError,
    struct.error,
    zlib.error,
)
_NOT_FRAMES = ("MPO", "PSD")  # a phone's second view or gain map, and layers: the first image is the picture
_FIRST_FRAME = "The picture has several frames or pages; the first one is used."
_TEXTS_LEFT_OUT = "The picture's colour profile or texts are too large to be read; its pixels are used without them."
_TURN_UNKNOWN = "The picture's EXIF orientation could not be read; it is used as it is stored."


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture ready to be fitted."""

    image: Image.Image  # RGB, 8 bit, sRGB, upright; always a copy of its own
    notes: tuple[str, ...] = ()  # what the user should know: transparency, frames left out, colours guessed
    cut_out: Image.Image | None = None  # RGBA, the same without a background, where one shows through it
    is_placed: bool = False  # whether this is an object placed before a background, see `place_object`

    @property
    def is_transparent(self) -> bool:
        """Whether the background shows through it."""
        return self.cut_out is not None


def read_picture(source: str | Path | BinaryIO | Image.Image, background: str | None = None) -> Picture:
    """Read any picture that Pillow opens; of an animated one the first frame.

    source: a path, a binary stream (read from its start, left open) or an image (left as it is).
    background: the colour seen through transparent pixels, `#rrggbb`; None: black.

    Raises:
        BadPicture: there is no such file, it is no picture, it is damaged, or its size or shape cannot be used.
        BadRequest: the background is not a colour.
    """
    backdrop = parse_colour(background or "#000000")
    name = _name_source(source)
    with _silence_pillow(), _open_source(source, name) as image:
        _check_size(image.size, name)
        _check_kind(image, name)
        with _guard_decoding(name):
            notes = [_FIRST_FRAME] if _has_more_frames(image) else []
            notes += [_TEXTS_LEFT_OUT] if LEFT_OUT in image.info else []
            image.load()
            white = read_stated_white(image)
            upright, orientation_notes = _turn_upright(image)
            rgb, alpha, colour_notes = convert_to_srgb(upright, white)
    rgb.info.clear()  # a profile or transparency left there would be saved with pixels that it no longer describes
    notes += (*orientation_notes, *colour_notes)
    if alpha is None:
        return Picture(image=rgb, notes=tuple(notes))
    seen = "#{:02x}{:02x}{:02x}".format(*backdrop)
    notes.append(f"The picture has transparent parts; the background colour {seen} shows through.")
    whole = Image.composite(rgb, Image.new("RGB", rgb.size, backdrop), alpha)
    return Picture(image=whole, notes=tuple(notes), cut_out=Image.merge("RGBA", (*rgb.split(), alpha)))


def open_picture(stream: BinaryIO, name: str = "The picture") -> Image.Image:
    """Decode a picture as it is stored, with all that its file says: for `read_picture` to read when it is needed.

    Raises:
        BadPicture: as `read_picture`, by that name.
    """
    with _silence_pillow():
        image = _identify(stream, name)
        _check_size(image.size, name)
        _check_kind(image, name)
        with _guard_decoding(name):
            image.load()
    return image


def check_header(source: BinaryIO) -> None:
    """Refuse by its first bytes what `read_picture` would refuse by them; no pixel is decoded.

    Raises:
        BadPicture: it is no picture, or its size or shape cannot be used.
    """
    name = _name_source(source)
    with _silence_pillow(), _open_source(source, name) as image:
        _check_size(image.size, name)


def parse_colour(text: str) -> tuple[int, ...]:
    """Read a colour, red, green and blue of 0..255; raises BadRequest where it is none."""
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise BadRequest(
            f"{spell('Background', '--background')} must be a colour such as #ffffff, not {text!r}."
        ) from error


def _name_source(source: str | Path | BinaryIO | Image.Image) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    name = getattr(source, "filename" if isinstance(source, Image.Image) else "name", None)
    return str(name) if isinstance(name, (str, Path)) and str(name) else "The picture"


@contextmanager
def _silence_pillow() -> Iterator[None]:
    """Drop warnings raised within Pillow: what matters of them is said in a refusal or a note.

    The filter names Pillow's modules, so that a misuse of Pillow by us still warns, and so that nothing of other
    threads is hidden: `catch_warnings` is not thread-safe.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _open_source(source: str | Path | BinaryIO | Image.Image, name: str) -> Iterator[Image.Image]:
    if isinstance(source, Image.Image):
        yield source
    elif isinstance(source, (str, Path)):
        with _open_file(Path(source)) as stream:
            yield _identify(stream, name)
    else:
        yield _identify(source, name)


def _open_file(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            raise BadPicture(f"{path} is a folder, not a picture: choose a file in it.")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadPicture(f"{path} does not exist: check the spelling and the folder.") from error
    except PermissionError as error:
        raise BadPicture(f"{path} may not be read: allow reading it, or copy it to a folder of yours.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadPicture(f"{path} cannot be opened ({error}): check the name, or copy the file elsewhere.") from error


def _identify(stream: BinaryIO, name: str) -> Image.Image:
    """Open a picture with Pillow: the header is read, no pixel is decoded."""
    with _guard_decoding(name):
        stream = _rewind(stream)
        head = stream.read(HEAD_BYTES)
    if not head:
        raise BadPicture(f"{name} is empty (0 bytes): copy or download it again.")
    try:
        return Image.open(stream)
    except Image.DecompressionBombError as error:
        raise BadPicture(explain_too_large(name)) from error
    except (UnidentifiedImageError, *_UNDECODABLE) as error:
        if head.startswith(PNG) and isinstance(error, ValueError):  # Pillow takes no text or profile beyond a megabyte
            with suppress(UnidentifiedImageError, *_UNDECODABLE):
                image = Image.open(strip_texts(_rewind(stream)))
                image.info[LEFT_OUT] = True
                return image
        raise BadPicture(f"{name} {describe(head)}") from error


def _rewind(stream: BinaryIO) -> BinaryIO:
    try:
        stream.seek(0)
    except (AttributeError, OSError):  # a pipe
        return io.BytesIO(stream.read())
    return stream


@contextmanager
def _guard_decoding(name: str) -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:  # icons and GIF frames are checked as they are decoded
        raise BadPicture(explain_too_large(name)) from error
    except _UNDECODABLE as error:
        why = str(error).rstrip(".") or type(error).__name__
        advice = "copy or download it again, or save it anew as PNG"
        raise BadPicture(f"{name} is incomplete or damaged ({why}): {advice}.") from error


def explain_too_large(name: str, size: tuple[int, int] | None = None) -> str:
    """Refuse a picture of too many pixels in a sentence; size: (width, height), where it is known."""
    what = f"is {size[0]}x{size[1]} pixels" if size is not None else "has too many pixels"
    limit = f"at most {MAX_PIXELS // 1_000_000} megapixels can be read"
    return f"{name} {what}, and {limit}: make it smaller first; 4096 pixels on the longer side are plenty."


def _check_size(size: tuple[int, int], name: str) -> None:
    """Refuse by the header alone, before any memory is taken.

    Raises:
        BadPicture: too many pixels, too few, or too long a strip.
    """
    short, long = sorted(size)
    if short * long > MAX_PIXELS:
        raise BadPicture(explain_too_large(name, size))
    if short < MIN_SIDE:
        least = f"the shorter side must be at least {MIN_SIDE} pixels"
        raise BadPicture(f"{name} is only {size[0]}x{size[1]} pixels, and {least}: choose a larger picture.")
    if long > MAX_ASPECT * short:
        most = f"the longer side must be at most {MAX_ASPECT} times the shorter"
        raise BadPicture(f"{name} is {size[0]}x{size[1]} pixels, and {most}: crop it first.")


def _check_kind(image: Image.Image, name: str) -> None:
    if image.format == "EPS":  # decoding would hand the file to Ghostscript, which runs programs
        raise BadPicture(f"{name} is a PostScript drawing: convert it to PNG or JPEG first.")


def _has_more_frames(image: Image.Image) -> bool:
    # Of an image in memory that stands at a later frame, that frame is what the caller chose.
    return bool(getattr(image, "is_animated", False)) and image.format not in _NOT_FRAMES and image.tell() == 0


def _turn_upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Make a copy as its EXIF orientation says; phones store the sensor's rows and leave turning to the reader."""
    if image.format == "TIFF":  # turned as it was decoded; Pillow 9.5 still has the tag and would turn it twice
        return image.copy(), ()
    try:
        return ImageOps.exif_transpose(image) or image.copy(), ()
    except _UNDECODABLE:
        return image.copy(), (_TURN_UNKNOWN,)
