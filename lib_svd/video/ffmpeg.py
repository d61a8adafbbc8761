"""Find ffmpeg, run it, and say what it can do.

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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from lib_svd.errors import as_typed

ENCODERS: dict[str, tuple[str, ...]] = {
    "libx264": ("-preset", "{preset}", "-crf", "{crf}", "-profile:v", "{profile}"),
    "h264_nvenc": ("-rc", "vbr", "-cq", "19", "-b:v", "0", "-profile:v", "high"),
    "h264_qsv": ("-global_quality", "19", "-profile:v", "high"),
    "h264_videotoolbox": ("-b:v", "12M", "-profile:v", "high"),
    "libopenh264": ("-b:v", "12M", "-profile:v", "high"),
}
"""H.264 encoders that ffmpeg may have, best first, with what makes each give about the quality of crf 17.

The first takes an `encode.Encoding`; what the others would make of its numbers is not the same.
"""

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


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """What there is to encode with, as a doctor would tell it."""

    path: str | None  # of the ffmpeg binary; None: there is none
    version: str | None
    h264: tuple[str, ...]  # names of its H.264 encoders that can be used here, best first
    problem: str | None  # one sentence, if no clip could be written


def encoders() -> Encoders:
    """Look at the ffmpeg at hand; a missing or broken one is an answer too, nothing is raised."""
    path = version = None
    try:
        path = find_ffmpeg()
        first_line = run([path, "-version"]).stdout.partition("\n")[0]
        version = first_line.partition("version ")[2].partition(" ")[0] or None
        names = listed_encoders(path)
    except FfmpegFailed as error:
        return Encoders(path=path, version=version, h264=(), problem=str(error))
    return Encoders(path=path, version=version, h264=names, problem=None if names else _no_encoder(path))


def find_ffmpeg() -> str:
    """Find the ffmpeg to use: `IMAGEIO_FFMPEG_EXE`, else imageio-ffmpeg's where it runs, else the one on the PATH.

    Raises:
        FfmpegMissing: there is none.
    """
    found = os.environ.get("IMAGEIO_FFMPEG_EXE") or _brought() or shutil.which("ffmpeg")
    if not found:
        raise FfmpegMissing(
            "No ffmpeg was found: run `pip install --upgrade imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE to one."
        )
    return found


def _brought() -> str | None:
    """Find imageio-ffmpeg's binary, or what it finds where its own does not run; None: it is not there, or finds
    nothing.

    An ImportError, too, is its release 0.4.9 without setuptools, which Python 3.12 no longer brings.
    """
    try:
        import imageio_ffmpeg  # costs 40 ms, so not at import

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def listed_encoders(ffmpeg: str) -> tuple[str, ...]:
    """List the keys of ENCODERS that this ffmpeg was built with, best first.

    Raises:
        FfmpegFailed: it cannot be run.
    """
    built_in = set(re.findall(r"^ V\S{5} (\S+)", run([ffmpeg, "-hide_banner", "-encoders"]).stdout, re.MULTILINE))
    return tuple(name for name in ENCODERS if name in built_in)


def best_encoder(ffmpeg: str) -> tuple[str, tuple[str, ...]]:
    """Choose the H.264 encoder to use, and say what the user should know about that choice.

    Raises:
        FfmpegFailed: none works.
    """
    names = listed_encoders(ffmpeg)
    if "libx264" in names:
        return "libx264", ()
    for name in names:
        if _works(ffmpeg, name):
            return name, (f"This ffmpeg has no libx264, so the video was encoded with {name}.",)
    raise FfmpegFailed(_no_encoder(ffmpeg))


def _works(ffmpeg: str, encoder: str) -> bool:
    """Tell whether an encoder runs: those of graphics cards are listed on machines without the card, too."""
    picture = ("-f", "lavfi", "-i", "nullsrc=s=256x256:r=5:d=1")  # nvenc refuses less than 145 pixels
    ending = ("-pix_fmt", pixel_format(encoder), "-c:v", encoder, "-f", "null", "-")
    return run([ffmpeg, "-v", "error", *picture, *ending], check=False).returncode == 0


def pixel_format(encoder: str) -> str:
    """Say what 8 bit 4:2:0 is called for an encoder: Quick Sync takes no planar pictures."""
    return "nv12" if encoder == "h264_qsv" else "yuv420p"


def _no_encoder(ffmpeg: str) -> str:
    return (
        f"The ffmpeg at {ffmpeg} has no H.264 encoder that works: "
        "run `pip install --upgrade imageio-ffmpeg` for one that has, or set IMAGEIO_FFMPEG_EXE to it."
    )


def as_they_come(ffmpeg: str) -> tuple[str, str]:
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
    done = _ended(command, _SHORT, check)
    out, said = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, said)


def output(command: Sequence[str]) -> bytes:
    """Give what an ffmpeg command that takes no input writes to its stdout, be it large; raises what `run` raises."""
    return _ended(command, _LONG, check=True).stdout


def _ended(command: Sequence[str], patience: float, check: bool) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False, **_apart()
        )
    except subprocess.TimeoutExpired as error:
        raise FfmpegFailed(
            f"ffmpeg did not answer in {patience:g} s (the command was: {as_typed(command)})."
        ) from error
    except OSError as error:
        raise _cannot_start(command, error) from error
    if check and done.returncode != 0:
        raise FfmpegFailed(f"{_why(done.returncode, done.stderr.decode('utf-8', 'replace').splitlines())}.")
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
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    try:
        ffmpeg: subprocess.Popen[bytes] = subprocess.Popen(command, **pipes, **_apart())
    except OSError as error:
        raise _cannot_start(command, error) from error
    assert ffmpeg.stdin is not None
    assert ffmpeg.stderr is not None
    late = threading.Event()
    said: deque[str] = deque(maxlen=40)
    # A pipe holds 64 KiB (4 KiB on Windows): unread, a talkative ffmpeg would stop, and we with it.
    listener = threading.Thread(target=_listen, args=(ffmpeg.stderr, said), daemon=True)
    watchdog = threading.Timer(patience, _give_up, (ffmpeg, late))
    watchdog.daemon = True
    try:
        listener.start()
        watchdog.start()
        _pour(chunks, ffmpeg.stdin)
        code = ffmpeg.wait()
    finally:
        watchdog.cancel()
        ffmpeg.kill()
        ffmpeg.wait()
        _went_well(ffmpeg.stdin.close)  # only now: to close is to flush, and a hung ffmpeg would not read
        listener.join(timeout=5)  # a child of a wrapper script may hold the pipe open
    if late.is_set():
        raise FfmpegFailed(
            f"ffmpeg was not done after {patience:g} s and was stopped (the command was: {as_typed(command)})."
        )
    if code != 0:
        raise FfmpegFailed(f"{_why(code, said)} (the command was: {as_typed(command)}).")


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


def _give_up(ffmpeg: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    ffmpeg.kill()


def _why(code: int, said: Iterable[str]) -> str:
    """Say how ffmpeg ended, and its last line that means something, less the address that stands before some lines."""
    lines = [re.sub(r"^\[.* @ \w+\] *", "", line).strip() for line in said if not _EMPTY_PHRASES.search(line)]
    lines = [line for line in lines if line]
    how = f"was killed by signal {-code}" if code < 0 else f"stopped with code {code}"
    words = f' and said "{lines[-1]}"' if lines else ""
    return f"ffmpeg {how}{words}"


def _cannot_start(command: Sequence[str], error: OSError) -> FfmpegMissing:
    hint = "run `pip install --upgrade imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE to one that works"
    return FfmpegMissing(f"ffmpeg cannot be started ({error.strerror or error}: {command[0]}): {hint}.")


def _apart() -> dict[str, Any]:
    """Give Popen settings that keep Ctrl-C from ffmpeg, so that only we decide when it ends, and open no window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
