"""The user's own formats: a JSON file each, in a folder of the user's data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib_svd.errors import BadRequest
from lib_svd.places import list_data_folders
from lib_svd.strangers import decode_text, quote, read_json
from lib_svd.video.formats import FORMATS, Coder, Format, Keeps, Quality

CONTAINERS = {
    "mp4": "mp4 -movflags +faststart+write_colr",
    "mov": "mov -movflags +faststart+write_colr",
    "matroska": "matroska",
    "webm": "webm",
}
# fmt: off
ARGUMENTS = (
    "-b:v", "-bf", "-bufsize", "-coder", "-compression_level", "-context", "-cpu-used", "-cq", "-crf", "-deadline",
    "-global_quality", "-level", "-lossless", "-maxrate", "-minrate", "-pred", "-preset", "-profile:v", "-q:v", "-qp",
    "-quality", "-rc", "-refs", "-row-mt", "-slicecrc", "-slices", "-speed", "-tag:v", "-tile-columns", "-tile-rows",
    "-tiles", "-tune", "-vendor",
)
# fmt: on
"""What a format may tell an encoder: nothing that reads or writes another file, since people share such files."""

MOST_BYTES = 10_000
_NAME, _SUFFIX, _VALUE = r"[a-z0-9][a-z0-9-]{0,39}", r"(\.[a-z0-9]{1,12}){1,2}", r"[\w.+-]{1,40}"
_TAKEN = {".mp4", ".txt", ".json", ".png", *(each.suffix for each in FORMATS.values())}
_FIELDS = {"title": str, "suffix": str, "encoder": str, "arguments": list, "pixels": str, "container": str}


def list_format_folders() -> list[Path]:
    """Give the folder for such files, which need not be there; none for a user without a home."""
    return [folder.parent / "formats" for folder in list_data_folders()]


def read_own_formats() -> dict[str, Format | BadRequest]:
    """Read the user's formats by the names of their files; of one that cannot be used, say why."""
    found: dict[str, Format | BadRequest] = {}
    for folder in list_format_folders():
        for path in sorted(folder.glob("*.json")):
            try:
                found[path.stem] = read_format(path)
            except BadRequest as refusal:
                found[path.stem] = refusal
    return found


def read_format(path: Path) -> Format:
    """Read a format out of its file.

    Such a file is called like the format and holds, as {"title": "H.265, 10 bits", "suffix": ".10bit.mp4",
    "encoder": "libx265", "pixels": "yuv420p10le", "container": "mp4", "arguments": ["-crf", "{quality}"],
    "quality": [0, 51, 18]}, what ffmpeg is told; quality, the lowest, the highest and the usual one, may be left out.

    Raises:
        BadRequest: the file says something else, or something that a format may not say.
    """
    try:
        with path.open("rb") as file:
            said = read_json(decode_text(file.read(MOST_BYTES + 1)[:MOST_BYTES]))
        return _check_format(path.stem, said)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadRequest(f"The format in {path} cannot be used ({error}): mend it, or take it away.") from error


def _check_format(name: str, said: Mapping[str, Any]) -> Format:
    """Raises ValueError, TypeError, KeyError or AttributeError where it is no format."""
    if not re.fullmatch(_NAME, name) or name in FORMATS:
        raise ValueError("its name must be new, of small letters, digits and hyphens")
    if unknown := set(said) - set(_FIELDS) - {"quality"}:
        raise ValueError(f"{quote(sorted(unknown)[0])} means nothing here")
    for key, kind in _FIELDS.items():
        if not isinstance(said[key], kind):
            raise TypeError(f"{key} must be {'a list' if kind is list else 'text'}")
    if not re.fullmatch(_SUFFIX, said["suffix"]) or said["suffix"] in _TAKEN:
        raise ValueError(f"suffix must be one that no other format has, such as .own.mp4, not {quote(said['suffix'])}")
    if said["container"] not in CONTAINERS:
        raise ValueError(f"container must be one of {', '.join(CONTAINERS)}")
    for key in ("encoder", "pixels"):
        if not re.fullmatch(_VALUE, said[key]):
            raise ValueError(f"{key} must be a name")
    return Format(
        title=said["title"][:60],
        suffix=said["suffix"],
        coders=(Coder(name=said["encoder"], says=_join_arguments(said["arguments"]), pixels=said["pixels"]),),
        muxer=CONTAINERS[said["container"]],
        quality=_read_quality(said.get("quality")),
        keeps=Keeps.COMMENT,
        most_kept=65_535 if said["container"] == "mov" else None,
        is_rgb=re.match(r"(rgb|bgr|gbr)", said["pixels"]) is not None,
        is_even=said["pixels"].startswith(("yuv420", "nv12", "p010")),
        played_by="whatever you made it for",
    )


def _join_arguments(words: list[Any]) -> str:
    if len(words) % 2 or not all(isinstance(word, str) for word in words):
        raise ValueError("arguments must be pairs of a name and a value")
    for name, value in zip(words[::2], words[1::2], strict=True):
        if name not in ARGUMENTS:
            raise ValueError(f"an encoder is not told {quote(name)} here, but {', '.join(ARGUMENTS)} alone")
        if value != "{quality}" and not re.fullmatch(_VALUE, value):
            raise ValueError(f"{quote(value)} is no value")
    return " ".join(words)


def _read_quality(said: Any) -> Quality | None:
    if said is None:
        return None
    low, high, usual = (float(number) for number in said if type(number) in (int, float))
    if not low <= usual <= high:
        raise ValueError("quality must be the lowest, the highest and the usual one, such as [0, 51, 20]")
    return Quality(low=low, high=high, usual=usual, name="its own scale")
