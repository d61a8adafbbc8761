"""Safetensors files, read as any file is read, and never mapped.

The library maps a file into memory; whoever makes a mapped file shorter ends the program that looks at it, without a
word. What is read may come out wrong or not at all, and then can be said. The format is eight bytes with the length of
a JSON object, that object, and the tensors: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, NamedTuple

from lib_svd.strangers import is_text, read_json

MOST_HEADER_BYTES = 100_000_000  # the library refuses longer ones
LARGEST = 2**63
BITS = {
    **{"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32},
    **{"F16": 16, "BF16": 16, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8},
    **{"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8},
}
"""Of one number of each dtype; of others the length is taken as the file says it."""


class Damaged(ValueError):
    """The file is not what the format wants; the text goes on after the file's name."""


class Entry(NamedTuple):
    """One tensor of a file, not read yet."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors spells it: F32, F16, BF16, F8_E4M3, ...
    begin: int  # bytes from the file's start
    size: int  # bytes


@dataclass(frozen=True)
class Contents:
    """What a file says of itself."""

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]


def read_contents(file: BufferedReader, size: int) -> Contents:
    """Read names, shapes, dtypes and places of all tensors; none of them is read.

    Args:
        file: stands at its beginning.
        size: of the file, bytes.

    Raises:
        Damaged: it is cut off, too long, or its header is not one.
        OSError: it cannot be read.
    """
    try:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER_BYTES, size - 8):
            raise _explain_bad_header("it is longer than the file")
        told = read_json(file.read(length).decode("utf-8"))
        metadata = told.pop("__metadata__", None) or {}
        tensors = {key: _read_entry(each, 8 + length) for key, each in told.items()}
        if not is_text("".join((*told, *metadata, *metadata.values()))):
            raise ValueError("a name is no text")
    except Damaged:
        raise
    except ValueError as error:
        raise _explain_bad_header(str(error)) from error
    except (TypeError, KeyError, AttributeError) as error:
        raise _explain_bad_header("it is no table of tensors") from error
    _check_places(tensors, 8 + length, size)
    return Contents(tensors, metadata)


def read_into(file: BufferedReader, memory: memoryview) -> None:
    """Fill memory from where the file stands.

    Raises:
        EOFError: the file ends before; someone has made it shorter.
        OSError: it cannot be read.
    """
    if file.readinto(memory) < memory.nbytes:
        raise EOFError("the file has become shorter")


def _explain_bad_header(why: str) -> Damaged:
    return Damaged(f"has a damaged safetensors header ({why})")


def _read_entry(told: Any, tensors_at: int) -> Entry:
    dtype, shape, (begin, end) = told["dtype"], told["shape"], told["data_offsets"]
    if type(dtype) is not str or not all(type(n) is int and 0 <= n < LARGEST for n in (*shape, begin, end)):
        raise _explain_bad_header("a tensor's place or shape is none")
    size = end - begin
    if size < 0 or (dtype in BITS and 8 * size != math.prod(shape) * BITS[dtype]):
        raise _explain_bad_header("a tensor's length is not that of its shape")
    return Entry(tuple(shape), dtype, tensors_at + begin, size)


def _check_places(tensors: Mapping[str, Entry], at: int, size: int) -> None:
    """Check that each tensor begins where the one before it ends, from the header to the end of the file."""
    for entry in sorted(tensors.values(), key=lambda each: (each.begin, each.size)):
        if entry.begin != at:
            raise _explain_bad_header("tensors overlap, or there is a gap between them")
        at += entry.size
    if at != size:
        raise Damaged("is cut off, or longer than its header says")
