"""`python -m lib_svd`: the command line, and one sentence where what it needs is not installed."""

from __future__ import annotations

import sys

from lib_svd import doctor


def main() -> None:
    """Run the command line; `doctor` answers without any package, too."""
    try:
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


if __name__ == "__main__":
    main()
