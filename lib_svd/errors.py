"""Everything that can go wrong, as one tree. Each message is a sentence that says what happened and what to do.

SvdError
├── BadInput               the user asked for something that cannot be done; nothing was loaded or written
│   ├── BadRequest         a setting
│   ├── BadPicture         the source picture
│   ├── BadCheckpoint      the model file
│   └── BadOutput          the place where the clip shall go
├── Interrupted            the user stopped the run
├── OutOfMemory            the device had no room, whatever was tried
├── NotFinite              a network gave NaN or infinity, in fp32 too
├── Busy                   too many orders are waiting already
└── ClipNotSaved           sampling went well, a later part did not; says where the work is kept
    ├── DecodeFailed       the latents are kept
    └── EncodeFailed       the frames are kept
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_by_flag = ContextVar("svd_by_flag", default=False)


class SvdError(Exception):
    """Base of all errors of this project; its text is fit to be shown to a user, and can be written anywhere."""

    def __str__(self) -> str:
        """Give the sentence; of a name that is no text, as a file's may be, its bytes as `\\udcff`."""
        return super().__str__().encode("utf-8", "backslashreplace").decode("utf-8")


class BadInput(SvdError):
    """What the user asked for cannot be done; found before anything heavy was loaded."""


class BadRequest(BadInput):
    """A setting is out of range or does not go with the model."""


class BadPicture(BadInput):
    """The source picture cannot be used."""


class BadCheckpoint(BadInput):
    """The model file is not one that can be used; the file itself was not touched."""


class BadOutput(BadInput):
    """The clip cannot be written where it was asked for."""


class Interrupted(SvdError):
    """The user stopped the run."""


class OutOfMemory(SvdError):
    """The device had no room, whatever was tried."""

    @classmethod
    def on(cls, device: str) -> OutOfMemory:
        """Say that a clip was too large for a device of that type, such as "cuda"."""
        return cls(f"{device} has no room for this clip: choose {name_savings()}, or close other programs that use it.")


class NotFinite(SvdError):
    """A network gave NaN or infinity, in fp32 too."""


class Busy(SvdError):
    """Too many orders are waiting already; later there is room again."""


class ClipNotSaved(SvdError):
    """Sampling went well, a later part did not; the text says where the work is kept."""


class DecodeFailed(ClipNotSaved):
    """The latents could not be decoded; they are kept in a file."""


class EncodeFailed(ClipNotSaved):
    """The frames could not be made into a video; they are kept as pictures."""


@contextmanager
def speak_in_flags() -> Iterator[None]:
    """Let what is said inside be read on the command line, where a thing is known by its flag, see `spell`."""
    token = _by_flag.set(True)
    try:
        yield
    finally:
        _by_flag.reset(token)


def spell(label: str, flag: str) -> str:
    """Give what a sentence calls a thing that has both: its flag on the command line, its label everywhere else."""
    return flag if _by_flag.get() else label


def name_savings() -> str:
    """Name what makes a clip take less memory, for a sentence that begins with "choose"."""
    return f"fewer {spell('frames', '--frames')} or a smaller {spell('size', '--size')}"


def join_names(names: Iterable[str]) -> str:
    """Join at least one name for a sentence: `a, b and c`."""
    *others, last = names
    return " and ".join(filter(None, (", ".join(others), last)))


def quote_command(command: Sequence[str]) -> str:
    """Write a command as a user would type it into a shell."""
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)
