"""Files that appear whole or not at all, never over a file that is there; what a kill left is finished or removed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

NOTED = ".json"  # what is known of a clip, see `jobs.history`: where that of an earlier one is, the name is not free
TRASH = "trash"  # folder below the clips' own; what is there is the user's to empty, and its names are taken until then
_MARKED = re.compile(r"[.\w-]*svd-([0-9a-f]{8})-(\d+)-(\d+)-\w{8}")  # machine, process, when that began
_NAMES = "names.json"  # in a hidden folder, once all files in it are whole: which names they shall have
_NUMBERED = re.compile(r"-svd-\d{4,}$")
_SAME_START = 5  # seconds, since clocks are set
_WAIT = 0.02  # seconds at most before a name is asked for again
_OLD = 24 * 3600  # seconds after which another machine's unfinished files are held to be left


@contextmanager
def make_hidden_names(folder: Path) -> Iterator[Callable[[str], Path]]:
    """Name unfinished files in `folder`: gives a function of the suffix; what is left of them is removed at the end.

    They are in a hidden folder whose name tells which program it belongs to, so that `finish_left` knows what a kill
    left. The files are made by whoever opens them, so that they get the permissions the user is used to.
    """
    hidden = _make_hidden(folder)
    hidden.mkdir()
    try:
        yield lambda suffix: hidden / f"unfinished{suffix}"
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def finish_left(folder: Path) -> None:
    """Give whole files that a killed program left in `folder` their names, and remove those that are not whole.

    What cannot be finished now stays for the next time; a folder that is not there has nothing left in it.
    """
    for hidden in folder.glob(".svd-*"):
        with suppress(OSError, ValueError, TypeError, AttributeError):  # what is no list of names is not ours
            if not is_left(hidden):
                continue
            mine = hidden.rename(_make_hidden(folder))  # so that no other start finishes it too
            _finish(mine)
            shutil.rmtree(mine)


def sync(path: Path) -> None:
    """Bring a file to the disk, so that a power cut after the rename cannot leave an empty one."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def publish(hidden: Path, target: Path) -> None:
    """Give a finished file or folder its name, on the same disk.

    Raises:
        FileExistsError: the name is taken, be it since this moment; both files are as they were.
    """
    if os.name == "nt" or hidden.is_dir():
        _rename(hidden, target)
        return
    try:
        target.hardlink_to(hidden)  # the one call of POSIX that names a file and never replaces one
    except FileExistsError:
        raise
    except OSError:  # FAT, some network disks: no links; if something else is wrong, this meets it again and says so
        _claim(hidden, target)
    else:
        with suppress(OSError):  # it has its name; the hidden one goes with its folder, or at the next start
            hidden.unlink()


def _rename(hidden: Path, target: Path) -> None:
    """Rename, and let no name be lost: Windows refuses one that is taken; POSIX does for a folder, unless it is an
    empty one, which is no loss.
    """
    try:
        hidden.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR) and is_taken(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        raise


def _claim(hidden: Path, target: Path) -> None:
    """Do what `publish` does without links: make the name ours first, then replace our own empty file."""
    target.touch(exist_ok=False)
    try:
        hidden.replace(target)
    except BaseException:
        target.unlink()
        raise


def publish_together(hidden: Sequence[Path], out: Path) -> tuple[Path, ...]:
    """Give files that belong together `out`'s name, each with its own suffix; if one is taken, the next free name.

    Args:
        hidden: whole files, of one call of `make_hidden_names`; one without a suffix may be a folder.
        out: the name of the last one.

    Returns:
        The names given, in the order of `hidden`.
    """
    suffixes = [path.suffix for path in hidden]
    for each in find_free_names(out, [*suffixes, NOTED]):
        names = tuple(each.with_suffix(suffix) for suffix in suffixes)
        try:
            publish_all(hidden, names)
        except FileExistsError:
            continue  # someone else was faster
        return names
    raise FileExistsError(f"every name like {out} was taken at once")


def publish_all(hidden: Sequence[Path], names: Sequence[Path]) -> None:
    """Give whole files, of one call of `make_hidden_names`, their names, all or none; after a kill, later.

    Raises:
        FileExistsError: a name is taken; a file whose fellow finds no place becomes hidden again.
    """
    noted = hidden[0].parent / _NAMES
    unfinished = noted.with_suffix(".part")
    unfinished.write_text(json.dumps({path.name: name.name for path, name in zip(hidden, names, strict=True)}), "utf-8")
    unfinished.replace(noted)
    placed: list[tuple[Path, Path]] = []
    try:
        for path, name in zip(hidden, names, strict=True):
            publish(path, name)
            placed.append((path, name))
    except BaseException:
        for path, name in placed:
            name.replace(path)
        noted.unlink()
        raise


def is_taken(path: Path) -> bool:
    """Tell whether there is anything of that name, be it a link to nowhere."""
    return os.path.lexists(path)


def is_numbered(path: Path) -> bool:
    """Tell whether a name is one that `find_free_name` gives."""
    return _NUMBERED.search(path.stem) is not None


def find_free_names(out: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Name files that belong together: `out` where it is free, then numbered names, each free when it is given."""
    if not any(is_taken(out.with_suffix(suffix)) for suffix in suffixes):
        yield out
    stem = _NUMBERED.sub("", out.stem)
    for _ in range(100):
        yield find_free_name(out.parent, stem, out.suffix)


def find_free_name(folder: Path, stem: str, suffix: str) -> Path:
    """Give the next numbered name in `folder`: `stem-svd-0001.mp4`, one above the highest number there of any
    suffix.
    """
    return folder / f"{stem}-svd-{max(_read_numbers(folder, stem), default=0) + 1:04d}{suffix}"


@contextmanager
def hold_name(folder: Path, stem: str, suffix: str) -> Iterator[Path]:
    """Give the next numbered name, which until the end nobody else is given: for files that are written one after the
    other.

    Where nothing can be written to `folder`, it is not held.
    """
    with ExitStack() as holding:
        while not _hold(name := find_free_name(folder, stem, suffix), stem, holding):
            time.sleep(_WAIT * random.random())
        yield name


def _hold(name: Path, stem: str, holding: ExitStack) -> bool:
    """Mark a name until `holding` ends, and tell whether nobody else has; of two at once both may see the other's."""
    with ExitStack() as trying:
        try:
            trying.enter_context(make_hidden_names(name.parent))("").with_name(name.stem).touch()
        except OSError:
            return True
        if _read_numbers(name.parent, stem).count(int(name.stem.rpartition("-")[2])) > 1:
            return False
        holding.push(trying.pop_all())
        return True


def _read_numbers(folder: Path, stem: str) -> list[int]:
    """Read the number of every file called `stem-svd-0001...`, in the trash too, and of every such name that is
    held.
    """
    numbered = re.compile(re.escape(stem) + r"-svd-(\d{4,})(?!\d)", re.IGNORECASE)
    names = _list_names(folder)
    names += _list_names(folder / TRASH)
    names += [held for name in names if name.startswith(".svd-") for held in _list_names(folder / name)]
    return [int(match[1]) for match in map(numbered.match, names) if match]


def _list_names(folder: Path) -> list[str]:
    """List all that is in a folder; nothing where it is not there, or not any more."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _make_hidden(folder: Path) -> Path:
    return folder / f".{mark()}{secrets.token_hex(4)}"


def mark() -> str:
    """Give what the name of a folder ends in, but for eight characters more, so that `is_left` knows whose it is."""
    return f"svd-{_name_machine()}-{os.getpid()}-{_find_start(os.getpid())}-"


def is_left(folder: Path) -> bool:
    """Tell whether a folder belongs to a program that does not run any more, see `mark`; may raise OSError."""
    named = _MARKED.fullmatch(folder.name)
    if named is None or folder.is_symlink() or not folder.is_dir():
        return False
    machine, pid, began = named[1], int(named[2]), int(named[3])
    if machine != _name_machine():
        return folder.stat().st_mtime < time.time() - _OLD
    import psutil

    try:
        return abs(psutil.Process(pid).create_time() - began) > _SAME_START
    except (psutil.NoSuchProcess, OverflowError):
        return True
    except psutil.AccessDenied:
        return False


@cache
def _name_machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


@cache
def _find_start(pid: int) -> int:
    """Tell when a process that runs was started, seconds since 1970."""
    import psutil

    return int(psutil.Process(pid).create_time())


def _finish(hidden: Path) -> None:
    """Go on with a `publish_all` that was killed.

    Raises:
        OSError: it cannot be done now.
    """
    noted = hidden / _NAMES
    if not noted.is_file():
        return  # not all of them are whole
    found = json.loads(noted.read_text("utf-8"))
    names = {hidden / Path(path).name: hidden.parent / Path(name).name for path, name in found.items()}
    left = []
    for path, name in names.items():
        if not is_taken(path):
            continue  # it has its name
        if is_taken(name) and name.samefile(path):
            path.unlink()
            continue
        if name.is_file() and not name.is_symlink() and name.stat().st_size == 0:
            name.unlink()  # claimed, see `_claim`
        left.append(path)
    if left:
        publish_together(left, list(names.values())[-1])
