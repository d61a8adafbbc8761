"""`python -m lib_svd`: the command line, and one sentence where what it needs is not installed."""

from __future__ import annotations

import os
import sys

from lib_svd import doctor


def main() -> None:
    """Run the command line; `doctor` answers without any package, too."""
    try:
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
        sys.exit(f"Error: {doctor.problem() or error}")


def _let_waiting_threads_sleep() -> None:
    """Before torch is loaded, which reads it once: threads that wait by spinning take cores that others could use.

    What that saves is measured by benchmarks/start.py.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


if __name__ == "__main__":
    main()
