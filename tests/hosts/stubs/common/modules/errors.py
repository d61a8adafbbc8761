"""Errors that a host shows on its console; kept, so that a test can look at them."""

from __future__ import annotations

import sys
import traceback

exception_records: list[dict[str, object]] = []


def record_exception():
    error = sys.exc_info()[1]
    if error is not None:
        exception_records.append({"exception": repr(error), "traceback": traceback.format_exc()})


def report(message: str, *, exc_info: bool = False) -> None:
    record_exception()
    print("***", message, file=sys.stderr)
    if exc_info:
        traceback.print_exc()


def display(e: Exception, task, *, full_traceback=False):
    record_exception()
    print(f"{task}: {e!r}", file=sys.stderr)
