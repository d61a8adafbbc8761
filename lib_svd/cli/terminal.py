"""What is printed: text of files and notes may hold what a terminal would obey."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import click

# Control characters but the line's end and the tab, what turns the direction of writing, and halves of characters.
_OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def tell(text: object, *, err: bool = False) -> None:
    """Print a line; what a terminal would obey is written out, as JSON writes it: `\\u001b`."""
    with allow_no_reader(sys.stderr if err else sys.stdout):
        click.echo(escape(str(text)), err=err)


def escape(text: str) -> str:
    """Write out what a terminal would obey: the text as `tell` prints it."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@contextmanager
def allow_no_reader(stream: TextIO) -> Iterator[None]:
    """Go on without printing where nobody can read what is printed inside, as when a pipe's reader has gone."""
    try:
        yield
    except OSError:
        with suppress(OSError, ValueError):  # ValueError: there is no file behind it
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
