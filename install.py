"""Run by the web UI at every start, unless it was told --skip-install: adds what is missing, changes nothing.

Other extensions live with the versions that are there, so nothing that is there is touched, whatever its version, and
nothing is brought along (--no-deps). No model is downloaded.
"""

import importlib.util
import subprocess
import sys

NEEDED = {
    "click": "click>=8.1,<9",
    "imageio_ffmpeg": "imageio-ffmpeg>=0.4.9,<1",
    "psutil": "psutil>=5.9",
    "safetensors": "safetensors>=0.4.2,<1",
    "tqdm": "tqdm>=4.64,<5",
}
"""Module to what pip installs for it."""


def find_missing() -> list[str]:
    """Requirements of the modules that cannot be found."""
    return [requirement for module, requirement in NEEDED.items() if importlib.util.find_spec(module) is None]


def install(requirements: list[str]) -> None:
    """Add packages; the web UI starts all the same where that fails, and the tab says what it lacks."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", *requirements]
    if subprocess.run(command, check=False).returncode:
        print(
            f"SVD for Forge could not install {', '.join(requirements)}. By hand: {' '.join(command)}", file=sys.stderr
        )


if __name__ == "__main__" and (lacking := find_missing()):
    print(f"SVD for Forge adds {', '.join(lacking)}.")
    install(lacking)
