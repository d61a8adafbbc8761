"""Find ffmpeg and run it.

imageio-ffmpeg brings the binary; without it the one on the PATH serves. Its `write_frames` is not used: it neither
reads ffmpeg's stderr nor looks at its exit code (imageio_ffmpeg/_io.py, `stderr=None`, no `returncode`), so a full disk
would pass for a finished clip.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any, cast

from lib_svd.errors import quote_command

_SHORT = 60.0  # seconds; for calls that only look
_LONG = 600.0  # for calls that decode
_EMPTY_PHRASES = re.compile(
    r"Conversion failed!|Error closing file|Terminating thread|Task finished with error|Nothing was written"
)


class FfmpegFailed(RuntimeError):
    """ffmpeg is missing, stopped with an error, or made a wrong file; never leaves `lib_svd.video`.

    Its text is one sentence or two, fit to become a part of what the user reads.
    """


class FfmpegMissing(FfmpegFailed):
    """There is no ffmpeg, or what is there cannot be started."""


def find_ffmpeg() -> str:
    """Find the ffmpeg to use: `IMAGEIO_FFMPEG_EXE`, else imageio-ffmpeg's where it runs, else the one on the PATH.

    Raises:
        FfmpegMissing: there is none.
    """
    found = os.environ.get("IMAGEIO_FFMPEG_EXE") or _find_brought() or shutil.which("ffmpeg")
    if not found:
        raise FfmpegMissing(
            "No ffmpeg was found: run `pip install --upgrade imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE to one."
        )
    return found


def _find_brought() -> str | None:
    """Find imageio-ffmpeg's binary, or what it finds where its own does not run; None: it is not there, or finds
    nothing.

    An ImportError, too, is its release 0.4.9 without setuptools, which Python 3.12 no longer brings.
    """
    try:
        import imageio_ffmpeg  # costs 40 ms, so not at import

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def keep_frame_times(ffmpeg: str) -> tuple[str, str]:
    """Give output options that write each frame once, whatever its time: the older spelling is gone in ffmpeg 9.

    Raises:
        FfmpegFailed: it cannot be run.
    """
    known = run([ffmpeg, "-hide_banner", "-h", "long"]).stdout
    return ("-fps_mode", "passthrough") if "-fps_mode" in known else ("-vsync", "passthrough")


def run(command: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run an ffmpeg command that takes no input and ends soon; gives both outputs as text, its newlines untouched.

    Raises:
        FfmpegMissing: it cannot be started.
        FfmpegFailed: it does not end, or (with `check`) ends with an error.
    """
    done = _wait_for_end(command, _SHORT, check)
    out, said = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, said)


def read_output(command: Sequence[str]) -> bytes:
    """Give what an ffmpeg command that takes no input writes to its stdout, be it large; raises what `run` raises."""
    return _wait_for_end(command, _LONG, check=True).stdout


def _wait_for_end(command: Sequence[str], patience: float, check: bool) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False, **_set_apart()
        )
    except subprocess.TimeoutExpired as error:
        raise FfmpegFailed(
            f"ffmpeg did not answer in {patience:g} s (the command was: {quote_command(command)})."
        ) from error
    except OSError as error:
        raise _explain_no_start(command, error) from error
    if check and done.returncode != 0:
        raise FfmpegFailed(f"{_explain_end(done.returncode, done.stderr.decode('utf-8', 'replace').splitlines())}.")
    return done


def feed(command: Sequence[str], chunks: Iterable[bytes], patience: float) -> None:
    """Run an ffmpeg command on what `chunks` yields, one chunk in memory at a time.

    However this ends, Ctrl-C included, ffmpeg is gone afterwards.

    Args:
        command: reads its stdin to the end.
        chunks: what to write there.
        patience: seconds after which ffmpeg is killed.

    Raises:
        FfmpegMissing: it cannot be started.
        FfmpegFailed: it was killed, hung, or ended with an error.
    """
    with _run_watched(command, patience, subprocess.DEVNULL) as (ffmpeg, _):
        _pour(chunks, cast(IO[bytes], ffmpeg.stdin))


def stream(command: Sequence[str], chunks: Iterable[bytes], size: int, patience: float) -> Generator[bytes, None, None]:
    """Run an ffmpeg command on what `chunks` yields, and give what it makes of that, a few pieces in memory at a time.

    However this ends, closed before its end included, ffmpeg is gone afterwards.

    Args:
        command: reads its stdin, and writes to its stdout.
        chunks: what to write there; asked on another thread.
        size: of a piece, bytes; what is left over at the end is not given.
        patience: seconds without a piece after which ffmpeg is killed.

    Raises:
        FfmpegMissing: it cannot be started.
        FfmpegFailed: it was killed, hung, or ended with an error.
    """
    with (
        ThreadPoolExecutor(1, "svd-feed") as pool,
        _run_watched(command, patience, subprocess.PIPE) as (ffmpeg, watchdog),
    ):
        poured = pool.submit(_pour_and_close, chunks, cast(IO[bytes], ffmpeg.stdin))
        made = cast(IO[bytes], ffmpeg.stdout)
        while len(piece := made.read(size)) == size:
            watchdog.stop()  # who takes the piece has all the time there is
            yield piece
            watchdog.start()
        poured.result()


@contextmanager
def _run_watched(
    command: Sequence[str], patience: float, stdout: int
) -> Iterator[tuple[subprocess.Popen[bytes], _Watchdog]]:
    """Run an ffmpeg whose stdin is ours, watched, and gone after the context; raises what `feed` raises."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": stdout, "stderr": subprocess.PIPE}
    try:
        ffmpeg: subprocess.Popen[bytes] = subprocess.Popen(command, **pipes, **_set_apart())
    except OSError as error:
        raise _explain_no_start(command, error) from error
    assert ffmpeg.stdin is not None
    assert ffmpeg.stderr is not None
    said: deque[str] = deque(maxlen=40)
    # A pipe holds 64 KiB (4 KiB on Windows): unread, a talkative ffmpeg would stop, and we with it.
    listener = threading.Thread(target=_listen, args=(ffmpeg.stderr, said), daemon=True)
    watchdog = _Watchdog(ffmpeg, patience)
    try:
        listener.start()
        watchdog.start()
        yield ffmpeg, watchdog
        code = ffmpeg.wait()
    finally:
        watchdog.stop()
        ffmpeg.kill()
        ffmpeg.wait()
        _went_well(ffmpeg.stdin.close)  # only now: to close is to flush, and a hung ffmpeg would not read
        if ffmpeg.stdout is not None:
            ffmpeg.stdout.close()
        listener.join(timeout=5)  # a child of a wrapper script may hold the pipe open
    if watchdog.barked:
        raise FfmpegFailed(
            f"ffmpeg was not done after {patience:g} s and was stopped (the command was: {quote_command(command)})."
        )
    if code != 0:
        raise FfmpegFailed(f"{_explain_end(code, said)} (the command was: {quote_command(command)}).")


class _Watchdog:
    """Kills an ffmpeg that is not done after so many seconds, counted from `start`, unless there is a `stop` before."""

    def __init__(self, ffmpeg: subprocess.Popen[bytes], patience: float) -> None:
        self.barked = False
        self._ffmpeg, self._patience, self._timer = ffmpeg, patience, threading.Timer(0, self._bark)

    def start(self) -> None:
        self._timer = threading.Timer(self._patience, self._bark)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()

    def _bark(self) -> None:
        self.barked = True
        self._ffmpeg.kill()


def _pour_and_close(chunks: Iterable[bytes], stdin: IO[bytes]) -> None:
    """Do as `_pour` does; where the chunks fail, too, the reader comes to an end."""
    try:
        _pour(chunks, stdin)
    finally:
        _went_well(stdin.close)


def _pour(chunks: Iterable[bytes], stdin: IO[bytes]) -> None:
    """Write everything and close; a reader that has gone is no error here, its exit code and last words tell more."""
    for chunk in chunks:
        if not _went_well(stdin.write, chunk):
            return
    _went_well(stdin.close)


def _went_well(call: Callable[..., object], *what: bytes) -> bool:
    """Do something to the pipe; tell whether there was still someone at its other end."""
    try:
        call(*what)
    except OSError:  # BrokenPipeError; on Windows EINVAL, https://github.com/python/cpython/issues/79935
        return False
    return True


def _listen(stderr: IO[bytes], said: deque[str]) -> None:
    with stderr:
        for line in stderr:
            said.append(line.decode("utf-8", "replace"))


def _explain_end(code: int, said: Iterable[str]) -> str:
    """Say how ffmpeg ended, and its last line that means something, less the address that stands before some lines."""
    lines = [re.sub(r"^\[.* @ \w+\] *", "", line).strip() for line in said if not _EMPTY_PHRASES.search(line)]
    lines = [line for line in lines if line]
    how = f"was killed by signal {-code}" if code < 0 else f"stopped with code {code}"
    words = f' and said "{lines[-1]}"' if lines else ""
    return f"ffmpeg {how}{words}"


def _explain_no_start(command: Sequence[str], error: OSError) -> FfmpegMissing:
    hint = "run `pip install --upgrade imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE to one that works"
    return FfmpegMissing(f"ffmpeg cannot be started ({error.strerror or error}: {command[0]}): {hint}.")


def _set_apart() -> dict[str, Any]:
    """Give Popen settings that keep Ctrl-C from ffmpeg, so that only we decide when it ends, and open no window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
