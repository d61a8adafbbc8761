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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]
NAME = "svd-for-forge"
PARTS = ("lib_svd", "scripts", "javascript", "style.css", "install.py", "preload.py", "metadata.ini")
CONFIGS = ("config.json", "ui-config.json")
OFFLINE = {"show_progress_type": "Approx cheap"}
"""Settings in place of some by which web UIs get from elsewhere what draws their previews."""
STARTED = "Startup time"  # what the web UIs print when everything is up, the API too
QUIET = 120  # seconds that a web UI may be idle before what is waited for is held not to come
BUSY = 0.05  # of a core, of which more is work: the loops of an idle web UI take less, a slowed down one still gets it

FLAGS = (
    *("--always-cpu", "--all-in-fp32", "--cpu", "--force-fp32", "--skip-torch-cuda-test", "--skip-version-check"),
    *("--skip-python-version-check", "--skip-prepare-environment", "--skip-install", "--no-hashing"),
    *("--no-download-sd-model", "--api"),
)
A1111_FLAGS = ("--use-cpu", "all", "--no-half", "--precision", "full")
MODELS_FLAGS = ("--models-dir", "--model-ref")
"""What web UIs call the flag for their folder of models."""
SD_FLAGS = ("--ckpt-dir", "--ckpt-dirs")
"""And that for one of SD checkpoints."""
ARGUMENTS = (
    "modules/cmd_args.py",
    "modules/paths_internal.py",
    "backend/args.py",
    "ldm_patched/modules/args_parser.py",
)
"""Where web UIs say which flags they have."""


@contextmanager
def install(checkout: Path, python: Path, beside: Sequence[Path] = ()) -> Iterator[str]:
    """The extension in `extensions/`, its install.py run as by the host; afterwards the checkout is as it was.

    Beside it stand the folders of other extensions that are named. Gives what install.py said. Its packages stay in the
    host's Python, as they do for a user.

    Raises:
        FileExistsError: one of them is there already; it is not ours to replace.
    """
    place = checkout / "extensions" / NAME
    others = {checkout / "extensions" / folder.name: folder for folder in beside}
    for each in (place, *others):
        if each.exists():
            raise FileExistsError(f"{each} is there already: take it away first.")
    temporary = checkout / "tmp"  # git keeps no empty folder, and Neo wants one
    is_new = not temporary.exists()
    temporary.mkdir(exist_ok=True)
    kept = {name: (checkout / name).read_bytes() for name in CONFIGS if (checkout / name).is_file()}
    place.mkdir(parents=True)
    try:
        for link, folder in others.items():
            link.symlink_to(folder.absolute(), target_is_directory=True)
        for part in PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, place / part)
        own = os.environ | {"PYTHONPATH": str(checkout)}
        command = [str(python), str(place / "install.py")]
        yield subprocess.run(command, cwd=place, env=own, check=True, capture_output=True, text=True).stdout.strip()
    finally:
        shutil.rmtree(place)
        for link in others:
            link.unlink(missing_ok=True)
        if is_new:
            shutil.rmtree(temporary)
        for name in CONFIGS:
            (checkout / name).unlink(missing_ok=True)
        for name, was in kept.items():
            (checkout / name).write_bytes(was)


def list_flags(checkout: Path, sd: Path, models: Path | None) -> list[str]:
    """What a web UI is started with: of the flags that it has those for a CPU alone, and its folders of models.

    Raises:
        ValueError: it has no flag for such a folder.
    """
    known = "".join((checkout / name).read_text("utf-8") for name in ARGUMENTS if (checkout / name).is_file())
    flags = [flag for flag in FLAGS if f'"{flag}"' in known]
    flags += [] if {"--always-cpu", "--cpu"} & {*flags} else A1111_FLAGS
    for folder, names in ((sd, SD_FLAGS), (models, MODELS_FLAGS)):
        if folder is not None:
            named = [flag for flag in names if f'"{flag}"' in known]
            if not named:
                raise ValueError(f"{checkout.name} has none of {', '.join(names)}: link its `models` there instead.")
            flags += [named[0], str(folder.absolute())]
    # Forge serves its own scripts through gradio, which asks whether it may.
    return [*flags, "--gradio-allowed-path", str(checkout)]


class Server:
    """A running web UI."""

    def __init__(self, checkout: Path, python: Path, port: int, log: Path, flags: list[str]) -> None:
        self.url, self._log, self._checkout = f"http://127.0.0.1:{port}", log, checkout
        self._command = [str(python), "launch.py", "--port", str(port), *flags]
        log.write_text("")
        self._starts = 0
        self._calls = ThreadPoolExecutor(1)
        self._looked, self._worked = time.monotonic(), 0.0

    def start(self) -> float:
        """Launch it, and wait until it has started; the seconds that took.

        Raises:
            RuntimeError: it did not start; with the end of its log.
        """
        environment = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "SD_WEBUI_RESTARTING": "1",  # no browser of its own
            "OMP_WAIT_POLICY": "passive",
        }
        self._began = time.monotonic()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._checkout,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.wait_started()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_started(self) -> float:
        """Until it has started once more; seconds since it was launched.

        Raises:
            RuntimeError: it did not start; with the end of its log.
        """
        self.wait(lambda: self.log().count(STARTED) > self._starts, "it to start")
        self._starts += 1
        return time.monotonic() - self._began

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Until something is so, for as long as the web UI works; `done` may take a moment itself.

        Raises:
            RuntimeError: it has ended, or has been idle for QUIET seconds; with the end of its log.
        """
        self._looked, self._worked = time.monotonic(), self._seconds_of_work()
        while not done():
            if not self._works():
                raise RuntimeError(f"The web UI stands still; waited for {what}. Its log ends:\n{self.log()[-3000:]}")
            time.sleep(0.2)

    def _works(self) -> bool:
        """Whether it has worked in the QUIET seconds that are over, or they are not over yet."""
        if self._process.poll() is not None:
            return False
        seconds = time.monotonic() - self._looked
        if seconds < QUIET:
            return True
        before, self._worked, self._looked = self._worked, self._seconds_of_work(), time.monotonic()
        return self._worked - before > BUSY * seconds

    def _seconds_of_work(self) -> float:
        """Processor time of the process and of those that it started, which have ended or not."""
        try:
            processes = [it := psutil.Process(self._process.pid), *it.children(recursive=True)]
            return sum(sum(each.cpu_times()[:4]) for each in processes)
        except psutil.NoSuchProcess:
            return self._worked

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
                self.kill()

    def call(self, path: str, body: dict[str, Any] | None = None, expected: int = 200) -> Any:
        """What the API answers; POST where there is a body."""
        status, text = self.ask(path, body)
        assert status == expected, f"{path} answered {status}: {text[:500]!r}"
        return json.loads(text) if text else None

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """The API's status and answer."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, {"Content-Type": "application/json"})
        answer: Future[tuple[int, bytes]] = self._calls.submit(_ask, request)
        self.wait(answer.done, path)
        return answer.result()


def _ask(request: urllib.request.Request) -> tuple[int, bytes]:
    """Status and content."""
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def encode_base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
