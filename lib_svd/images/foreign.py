"""What a file is that Pillow cannot open, told by its first bytes, so that the user learns what to do with it."""

from __future__ import annotations

HEAD_BYTES = 512  # enough for the brands of an ISO media file and for the XML prologue before `<svg`

_STARTS = (  # (offset, bytes there, name); what stands for a picture but needs converting
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript drawing"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (8, b"WEBP", "a WebP picture"),  # reached where Pillow was built without WebP, or the file is damaged
    (4, b"ftypcrx ", "a camera raw picture"),
)
_VIDEOS = ((4, b"ftyp"), (4, b"moov"), (8, b"AVI "), (0, b"\x1aE\xdf\xa3"), (0, b"\0\0\1\xba"), (0, b"\0\0\1\xb3"))
_DAMAGED = (  # formats that every Pillow reads: if it did not, the file is at fault
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
)
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_CHOOSE = "choose a PNG, JPEG or WebP file"


def describe(head: bytes) -> str:
    """Write the rest of a sentence that begins with the file's name: what it is, and what to do.

    head: the first `HEAD_BYTES` of a file that could not be opened as a picture.
    """
    picture = (
        _find_name_at(head, _STARTS)
        or _name_iso_picture(head)
        or ("an SVG drawing" if b"<svg" in head.lower() else None)
    )
    if picture is not None:
        return f"is {picture} that cannot be read here: convert it to PNG or JPEG first."
    if any(head.startswith(magic, offset) for offset, magic in _VIDEOS):
        return "is a video, not a picture: save one of its frames as PNG and choose that."
    damaged = _find_name_at(head, _DAMAGED)
    if damaged is not None:
        return f"starts as a {damaged} picture does but is incomplete or damaged: copy or download it again."
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return f"is a web page, not a picture: download the picture itself, or {_CHOOSE}."
    if _is_text(head):
        return f"is a text file, not a picture: {_CHOOSE}."
    return f"is not a picture that can be read here: {_CHOOSE}, or convert it to PNG first."


def _find_name_at(head: bytes, table: tuple[tuple[int, bytes, str], ...]) -> str | None:
    return next((name for offset, magic, name in table if head.startswith(magic, offset)), None)


def _name_iso_picture(head: bytes) -> str | None:
    """Tell HEIC and AVIF from MP4, whose box layout they share, by the brands in the first box (ISO/IEC 14496-12,
    4.3).
    """
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    if any(brand in _AVIF for brand in brands):
        return "an AVIF picture"
    return "a HEIC picture" if any(brand in _HEIC for brand in brands) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head[:-3].decode("utf-8") if len(head) == HEAD_BYTES else head.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char.isspace() for char in text)
