"""A real web UI on the CPU: the extension put into its checkout, its process, its API."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]
NAME = "svd-for-forge"
PARTS = ("lib_svd", "scripts", "javascript", "install.py", "preload.py", "metadata.ini")
CONFIGS = ("config.json", "ui-config.json")
STARTED = "Startup time"  # what the web UIs print when everything is up, the API too
PATIENCE = 600  # seconds

FLAGS = (
    *("--always-cpu", "--all-in-fp32", "--skip-torch-cuda-test", "--skip-python-version-check", "--skip-version-check"),
    *("--skip-prepare-environment", "--skip-install", "--no-hashing", "--no-download-sd-model", "--api"),
)
A1111_FLAGS = ("--use-cpu", "all", "--no-half", "--precision", "full")
ARGUMENTS = ("modules/cmd_args.py", "backend/args.py", "ldm_patched/modules/args_parser.py")
"""Where web UIs say which flags they have."""


@contextmanager
def installed(checkout: Path) -> Iterator[Path]:
    """The extension in `extensions/`, and the host's settings as they were afterwards.

    Raises:
        FileExistsError: it is there already; it is not ours to replace.
    """
    place = checkout / "extensions" / NAME
    if place.exists():
        raise FileExistsError(f"{place} is there already: take it away first.")
    kept = {name: (checkout / name).read_bytes() for name in CONFIGS if (checkout / name).is_file()}
    place.mkdir(parents=True)
    try:
        for part in PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, place / part)
        yield place
    finally:
        shutil.rmtree(place)
        for name in CONFIGS:
            (checkout / name).unlink(missing_ok=True)
        for name, was in kept.items():
            (checkout / name).write_bytes(was)


class Server:
    """A running web UI."""

    def __init__(self, checkout: Path, python: Path, port: int, log: Path, extra: list[str]) -> None:
        known = "".join((checkout / name).read_text("utf-8") for name in ARGUMENTS if (checkout / name).is_file())
        flags = [flag for flag in FLAGS if f'"{flag}"' in known]
        flags += [] if "--always-cpu" in flags else A1111_FLAGS
        # Forge serves its own scripts through gradio, which asks whether it may.
        flags += ["--gradio-allowed-path", str(checkout)]
        self.url, self._log = f"http://127.0.0.1:{port}", log
        environment = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "SD_WEBUI_RESTARTING": "1",  # no browser of its own
            "OMP_WAIT_POLICY": "passive",
        }
        command = [str(python), "launch.py", "--port", str(port), *flags, *extra]
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            cwd=checkout,
            env=environment,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._starts = 0

    def wait_started(self) -> float:
        """Until it has started once more; seconds since it was launched.

        Raises:
            RuntimeError: it did not start; with the end of its log.
        """
        until = time.monotonic() + PATIENCE
        while self.log().count(STARTED) <= self._starts:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The web UI did not start. Its log ends:\n{self.log()[-3000:]}")
            time.sleep(0.3)
        self._starts += 1
        return time.monotonic() - self._began

    def log(self) -> str:
        return self._log.read_text("utf-8", errors="replace")

    def resident_mb(self) -> float:
        """Memory of the process, in MB."""
        return psutil.Process(self._process.pid).memory_info().rss / 2**20

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def call(self, path: str, body: dict[str, Any] | None = None, expected: int = 200) -> Any:
        """What the API answers; POST where there is a body."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        assert status == expected, f"{path} answered {status}: {text[:500]!r}"
        return json.loads(text) if text else None


def base64_of(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
