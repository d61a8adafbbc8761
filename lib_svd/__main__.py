"""`python -m lib_svd`: the command line, and one sentence where what it needs is not installed."""

from __future__ import annotations

import codecs
import json
import os
import sys

from lib_svd import doctor


def main() -> None:
    """Run the command line; `doctor` answers without any package, too."""
    try:
        _write_out_what_cannot_be_shown()
        _let_waiting_threads_sleep()
        if sys.version_info < doctor.OLDEST_PYTHON:
            raise ImportError
        from lib_svd.cli import main as run

        run()
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "lib_svd":
            raise
        if sys.argv[1:2] == ["doctor"]:
            said, code = doctor.report([], as_json="--json" in sys.argv)
            print(said)
            sys.exit(code)
        sys.exit(f"Error: {doctor.find_problem() or error}")


def _write_out_what_cannot_be_shown() -> None:
    """Let letters of a file's name that a terminal lacks be written as JSON writes them, by whoever prints:
    `\u732b`.
    """

    def write_out(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return json.dumps(error.object[error.start : error.end])[1:-1], error.end

    codecs.register_error("svd.written_out", write_out)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # there may be no terminal at all
            stream.reconfigure(errors="svd.written_out")


def _let_waiting_threads_sleep() -> None:
    """Keep threads that wait from taking cores that others could use. Done before torch is loaded, which reads this
    once.

    What that saves is measured by benchmarks/start.py.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


if __name__ == "__main__":
    main()
