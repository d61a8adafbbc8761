"""What `make` needs and pip cannot bring: a Python, and for the tests a browser and a compiler.

`make` runs this file before anything else, so it knows nothing but the standard library.
"""

import os
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

OLDEST = (3, 10)
NEWEST = {"demo": (3, 13), "test": (3, 12)}  # gradio 4 and gradio 3, which the tests serve the page in, have no 3.13
BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)


def list_lacking(target):
    """What is missing for `make demo` or `make test`: sentences, and the Debian packages that bring it."""
    says, packages = [], []
    if not OLDEST <= sys.version_info[:2] <= NEWEST[target]:
        reach = " to ".join(".".join(map(str, version)) for version in (OLDEST, NEWEST[target]))
        says.append(
            f"`make {target}` takes Python {reach}, and {sys.executable} is {sys.version.split()[0]}: "
            f"name another, as in `make {target} PYTHON=python3.11`."
        )
    for there, what, package, targets in (
        (find_spec("ensurepip"), "Python's own venv and pip", "python3-venv", "demo test"),
        (any(map(shutil.which, BROWSERS)), "Chromium, for the tests of the page", "chromium", "test"),
        (shutil.which(os.environ.get("CXX", "g++")), "a C++ compiler, for the tests of --compile", "g++", "test"),
        (_has_headers(), "Python's headers, for the tests of --compile", "python3-dev", "test"),
    ):
        if target in targets.split() and not there:
            says.append(f"This machine lacks {what}.")
            packages.append(package)
    return says, packages


def main(target):
    """Give 0 where nothing is missing; else say what is, and how Debian and Ubuntu get it."""
    says, packages = list_lacking(target)
    if packages:
        says.append(f"On Debian and Ubuntu: apt-get install {' '.join(packages)}")
    print("\n".join(says), end="\n" if says else "", file=sys.stderr)
    return int(bool(says))


def _has_headers():
    return Path(sysconfig.get_path("include"), "Python.h").exists()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
