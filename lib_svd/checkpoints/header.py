"""What a safetensors file says of itself: keys, shapes, dtypes, metadata. No tensor is read.

Files are opened by `safetensors.safe_open` only. `safetensors.torch.load_file` and `torch.load` are wrapped by hosts
that rename a user's file to `.corrupted` on any error, and a pickle can run code: neither is ever used here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from lib_svd.errors import BadCheckpoint

USE_SVD = "use an SVD checkpoint such as svd_xt.safetensors"
DOWNLOAD_AGAIN = "download it again"

PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
MAX_HEADER_BYTES = 100_000_000  # safetensors itself refuses longer ones


class Stamp(NamedTuple):
    """A file as it was when it was looked at; another stamp means another file."""

    path: Path
    size: int  # bytes
    mtime_ns: int


class Entry(NamedTuple):
    """One tensor of a file, not read yet."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors spells it: F32, F16, BF16, F8_E4M3, ...


@dataclass(frozen=True)
class Header:
    """Everything about a safetensors file but its tensors."""

    stamp: Stamp
    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]


class Magic(NamedTuple):
    """How a file that is no safetensors file begins, what it is, and what to do."""

    start: bytes  # a regular expression
    what: str
    use: str


MAGIC = (
    Magic(rb"gguf", "is a GGUF file, which this extension cannot read", USE_SVD),
    Magic(rb"pk\x03\x04", "is a zip archive or a pickle made by torch.save, never opened", "use the .safetensors file"),
    Magic(rb"\x80[\x02-\x05]", "is a pickle, which can run code and is never opened", "use the .safetensors file"),
    Magic(rb"version https://git-lfs", "is a Git LFS pointer and not the model", "run `git lfs pull` or download it"),
    Magic(
        rb"<(!doctype|html)",
        "is a web page saved under a model's name",
        "accept the licence there, then download again",
    ),
    Magic(rb"rar!|7z\xbc\xaf|\x1f\x8b", "is a packed archive", "unpack it and use the .safetensors file inside"),
)
"""Compared in lower case, after leading white space."""


def refusal(path: Path, what: str, use: str) -> BadCheckpoint:
    """One sentence: which file, what it is, what to do."""
    return BadCheckpoint(f"{path.name or path} {what}: {use}.")


def read_header(path: Path) -> Header:
    """Keys, shapes, dtypes and metadata of a safetensors file.

    Raises:
        BadCheckpoint: missing, not readable, cut off, or no safetensors file; says which.
    """
    stamp = check_readable(path)
    with opened(path) as file:
        tensors = {}
        for key in file.keys():  # noqa: SIM118 (safe_open is no mapping)
            view = file.get_slice(key)
            tensors[key] = Entry(tuple(view.get_shape()), str(view.get_dtype()))
        return Header(stamp, tensors, dict(file.metadata() or {}))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A `safe_open` handle; whatever goes wrong with the file inside the context becomes a sentence.

    Raises:
        BadCheckpoint: the file is gone, not readable, cut off or damaged.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:  # type: ignore[no-untyped-call]
            yield file
    except FileNotFoundError:
        raise _missing(path) from None
    except PermissionError:
        raise _forbidden(path) from None
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})", "check the disk and the path") from None
    except SafetensorError as error:
        raise _damaged(path, str(error)) from None


def stamp_of(path: Path) -> Stamp:
    """Size and time of a file.

    Raises:
        BadCheckpoint: there is no such file, or its folder may not be read.
    """
    try:
        status = path.stat()
    except PermissionError:
        raise _forbidden(path) from None
    except (OSError, ValueError):  # ValueError: a null character in the name
        raise _missing(path) from None
    return Stamp(path, status.st_size, status.st_mtime_ns)


def check_readable(path: Path) -> Stamp:
    """Refuse, by suffix and first bytes, what safetensors would not open or should never be shown.

    Raises:
        BadCheckpoint: says what the file is instead.
    """
    stamp = stamp_of(path)
    if path.suffix.lower() in PICKLE_SUFFIXES:
        what = f"is a {path.suffix.lower()} file, a pickle, which can run code and is never opened"
        raise refusal(path, what, "use the .safetensors file of the same model")
    if stamp.size == 0:
        raise refusal(path, "is empty (0 bytes)", DOWNLOAD_AGAIN)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except PermissionError:
        raise _forbidden(path) from None
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})", "check the disk and the path") from None
    _check_start(path, head, stamp.size)
    return stamp


def _check_start(path: Path, head: bytes, size: int) -> None:
    header_bytes = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header_bytes <= MAX_HEADER_BYTES:
        if 8 + header_bytes > size:
            raise refusal(path, f"is cut off inside its header ({size} bytes)", DOWNLOAD_AGAIN)
        return
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic in MAGIC:
        if re.match(magic.start, start):
            raise refusal(path, magic.what, magic.use)
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        raise refusal(path, "is a text file and not a model", USE_SVD)
    raise refusal(path, "is not a safetensors file, or its header is damaged", f"{DOWNLOAD_AGAIN} or {USE_SVD}")


def _damaged(path: Path, reason: str) -> BadCheckpoint:
    if "not fully covered" in reason or "IncompleteBuffer" in reason:
        return refusal(path, "is cut off, or longer than its header says", DOWNLOAD_AGAIN)
    reason = reason.rpartition("header: ")[2]
    return refusal(path, f"has a damaged safetensors header ({reason})", DOWNLOAD_AGAIN)


def _missing(path: Path) -> BadCheckpoint:
    what = "is a link to a file that is not there" if path.is_symlink() else f"is not in {path.absolute().parent}"
    return refusal(path, what, "check the name, or put the file there")


def _forbidden(path: Path) -> BadCheckpoint:
    return refusal(path, "may not be read by this user", "change the permissions of the file or its folder")
