"""What a safetensors file says of itself: keys, shapes, dtypes, metadata. No tensor is read.

`safetensors.torch.load_file` and `torch.load` are wrapped by hosts that rename a user's file to `.corrupted` on any
error, a pickle can run code, and `safe_open` maps what others may write (see `tensor_file`): none is ever used here.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from lib_svd.errors import BadCheckpoint
from lib_svd.strangers import is_text
from lib_svd.tensor_file import MOST_HEADER_BYTES, Damaged, Entry, read_contents

USE_SVD = "use an SVD checkpoint such as svd_xt.safetensors"
DOWNLOAD_AGAIN = "download it again"

PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")


class Stamp(NamedTuple):
    """A file as it was when it was looked at; another stamp means another file."""

    path: Path
    size: int  # bytes
    mtime_ns: int


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


def explain_refusal(path: Path, what: str, use: str) -> BadCheckpoint:
    """Put into one sentence which file it is, what is wrong with it, and what to do."""
    return BadCheckpoint(f"{path.name or path} {what}: {use}.")


def read_header(path: Path) -> Header:
    """Read keys, shapes, dtypes and metadata of a safetensors file.

    Raises:
        BadCheckpoint: missing, not readable, cut off, or no safetensors file; says which.
    """
    stamp = read_stamp(path)
    _check_name(path, stamp)
    with open_file(path) as file:
        _check_start(path, file.read(64), stamp.size)
        file.seek(0)
        found = read_contents(file, stamp.size)
        return Header(stamp, found.tensors, found.metadata)


def is_in_header(path: Path, words: Iterable[bytes]) -> bool:
    """Tell whether one of the words stands in a safetensors file's header, in a tenth of the time of reading it.

    Raises:
        BadCheckpoint: the file is missing or cannot be read.
    """
    stamp = read_stamp(path)
    with open_file(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, MOST_HEADER_BYTES, stamp.size))
    return any(word in header for word in words)


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a file to be read; whatever goes wrong with it inside the context becomes a sentence.

    Raises:
        BadCheckpoint: the file is gone, not readable, cut off or damaged.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise _explain_missing(path) from None
    except PermissionError:
        raise _explain_forbidden(path) from None
    except OSError as error:
        raise explain_refusal(path, f"cannot be read ({error.strerror})", "check the disk and the path") from None
    except EOFError:
        raise explain_change(path) from None
    except Damaged as error:
        raise explain_refusal(path, str(error), DOWNLOAD_AGAIN) from None


def read_stamp(path: Path) -> Stamp:
    """Note a file's size and time.

    Raises:
        BadCheckpoint: there is no such file, it is no file but a pipe or a device, or its folder may not be read.
    """
    if not is_text(str(path)):
        raise explain_refusal(path, "has a name that is no UTF-8", "rename the file and its folders")
    try:
        status = path.stat()
    except PermissionError:
        raise _explain_forbidden(path) from None
    except (OSError, ValueError):  # ValueError: a null character in the name
        raise _explain_missing(path) from None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait until somebody writes into it
        raise explain_refusal(path, "is no file that can be read", USE_SVD)
    return Stamp(path, status.st_size, status.st_mtime_ns)


def explain_change(path: Path) -> BadCheckpoint:
    """Say that a file is not what it was when it was looked at."""
    return explain_refusal(
        path, "was changed while it was being loaded", "wait until it is written, then load it again"
    )


def _check_name(path: Path, stamp: Stamp) -> None:
    """Refuse what should not even be opened."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        what = f"is a {path.suffix.lower()} file, a pickle, which can run code and is never opened"
        raise explain_refusal(path, what, "use the .safetensors file of the same model")
    if stamp.size == 0:
        raise explain_refusal(path, "is empty (0 bytes)", DOWNLOAD_AGAIN)


def _check_start(path: Path, head: bytes, size: int) -> None:
    header_bytes = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header_bytes <= MOST_HEADER_BYTES:
        if 8 + header_bytes > size:
            raise explain_refusal(path, f"is cut off inside its header ({size} bytes)", DOWNLOAD_AGAIN)
        return
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic in MAGIC:
        if re.match(magic.start, start):
            raise explain_refusal(path, magic.what, magic.use)
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        raise explain_refusal(path, "is a text file and not a model", USE_SVD)
    raise explain_refusal(path, "is not a safetensors file, or its header is damaged", f"{DOWNLOAD_AGAIN} or {USE_SVD}")


def _explain_missing(path: Path) -> BadCheckpoint:
    what = "is a link to a file that is not there" if _is_link(path) else f"is not in {path.absolute().parent}"
    return explain_refusal(path, what, "check the name, or put the file there")


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):  # a name that is too long, or none
        return False


def _explain_forbidden(path: Path) -> BadCheckpoint:
    return explain_refusal(path, "may not be read by this user", "change the permissions of the file or its folder")
