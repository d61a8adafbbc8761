"""A clip to disk: the video with its settings, the frames if asked for; no finished frame is lost on the way."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from lib_svd.clip import Clip, Frames, SavedClip
from lib_svd.errors import BadOutput, ClipNotSaved, EncodeFailed, SvdError, quote_command
from lib_svd.files import NOTED, find_free_names, finish_left, is_taken, make_hidden_names, publish_together, sync
from lib_svd.places import list_places, list_second_places
from lib_svd.video.coders import choose_coder
from lib_svd.video.copies import save_copies
from lib_svd.video.encode import clean, encode
from lib_svd.video.encoding import Encoding
from lib_svd.video.ffmpeg import FfmpegFailed
from lib_svd.video.formats import FORMATS, MAIN
from lib_svd.video.made import check_made
from lib_svd.video.pictures import save_frames, write_frames

USUAL = Encoding()
MIN_FREE = 16 * 2**20  # bytes; a clip of 25 frames has 1 to 8 MB


def save(
    clip: Clip,
    out: Path,
    frames_dir: Path | None = None,
    copies: Sequence[Encoding] = (),
    notes: tuple[str, ...] = (),
    *,
    encoding: Encoding = USUAL,
) -> SavedClip:
    """Write a clip as mp4 with a `.txt` of its settings beside it, and its frames as PNG if asked for.

    Every file appears whole or not at all. If a name was taken meanwhile, the next free one is used and noted; if the
    folder cannot be written to any more, a second place is, see `list_places`.

    Args:
        clip: what to write.
        out: name of the video, ending in .mp4, in a folder that exists.
        frames_dir: folder for the frames, new or without pictures of the same names; None: no frames. A folder that is
            called like the video gets whatever name the video gets.
        copies: other formats to write too.
        notes: what the caller has to tell already.
        encoding: of the video itself, in formats.MAIN.

    Raises:
        EncodeFailed: there is no video; the text says why, and where the frames are kept.
        ClipNotSaved: there is a video, but not the frames that were asked for beside it.
    """
    is_own = frames_dir == out.with_suffix("")
    video, frames, told = _save_video_somewhere(clip, out, encoding, with_frames=is_own, frames_dir=frames_dir)
    written, copy_notes = save_copies(clip, video, copies)
    notes += (*told, *copy_notes)
    if frames_dir is not None and not frames:
        frames, told = _save_wanted_frames(clip, video, video.with_suffix("") if is_own else frames_dir)
        notes += told
    return SavedClip(clip=clip, video=video, frames=frames, copies=written, notes=notes)


def _save_video_somewhere(
    clip: Clip, out: Path, encoding: Encoding, *, with_frames: bool, frames_dir: Path | None
) -> tuple[Path, tuple[Path, ...], tuple[str, ...]]:
    """Save the video in the first of the places that will do; gives it, its frames, if it has any beside it, and what
    to tell.

    Raises:
        EncodeFailed: none will do, or ffmpeg does not work.
    """
    failure: Exception | None = None
    for folder in list_places(out.parent):
        try:
            video, frames, notes = _save_video(clip, folder / out.name, encoding, with_frames=with_frames)
        except (FfmpegFailed, SvdError, OSError) as error:
            failure = failure or error
            if not isinstance(error, OSError) and _has_room(folder):
                break  # it is ffmpeg that fails
        else:
            return video, frames, (*notes, *_explain_other_name(video, out, failure))
    raise _keep_frames(clip, out, frames_dir, cast(Exception, failure)) from failure


def _explain_other_name(video: Path, out: Path, failure: Exception | None) -> tuple[str, ...]:
    """Say why a video is not where it was to be; nothing where it is."""
    if failure is not None:
        why = getattr(failure, "strerror", None) or str(failure).rstrip(".")
        return (f"The clip could not be written to {out.parent} ({why}), so it is saved as {video}.",)
    if video != out:
        return (f"{out.name} appeared while the clip was being made, so the clip is saved as {video.name}.",)
    return ()


def _save_video(
    clip: Clip, out: Path, encoding: Encoding, *, with_frames: bool
) -> tuple[Path, tuple[Path, ...], tuple[str, ...]]:
    """Save the video, its `.txt` and the folder of its frames; gives the names that they got, and what to tell.

    Frames that find no room are left out, since the video is what counts.
    """
    infotext = clean(clip.infotext)
    with make_hidden_names(out.parent) as hidden:
        video, text, folder = hidden(out.suffix), hidden(".txt"), hidden("")
        name = next(find_free_names(out, (out.suffix, ".txt", NOTED, *([""] if with_frames else []))))
        notes = encode(clip, video, encoding, title=clean(name.stem))
        check_made(video, clip, encoding)
        text.write_bytes(infotext.encode())
        sync(video)
        sync(text)
        made = [text, video]  # in this order: who sees the video finds its settings
        if with_frames and _are_written(clip.frames, folder, clip.infotext):
            made.insert(0, folder)
        *_, video = names = publish_together(made, name)
    frames = tuple(sorted(names[0].glob("*.png"))) if len(names) > 2 else ()
    return video, frames, notes


def _are_written(frames: Frames, folder: Path, infotext: str) -> bool:
    try:
        write_frames(frames, folder, infotext)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)  # there may be room for the rest
        return False
    return True


def _keep_frames(clip: Clip, out: Path, frames_dir: Path | None, error: Exception) -> EncodeFailed:
    """Keep the frames of a clip that could not be encoded, and say so.

    Raises:
        EncodeFailed: they could not be kept either.
    """
    what = f"The video could not be made: {str(error).rstrip('.')}."
    wanted = frames_dir or out.with_name(f"{out.stem}_frames")
    try:
        frames = _save_frames_somewhere(clip, wanted, new=frames_dir is None)
    except OSError as second:
        also = f"Nor could its frames be kept in {wanted} ({second})"
        raise EncodeFailed(f"{what} {also}: make room there, or choose another folder.") from error
    folder = frames[0].parent
    pictures = ["-framerate", str(clip.fps), "-i", str(folder / "%05d.png")]
    by_hand = quote_command(["ffmpeg", *pictures, "-pix_fmt", "yuv420p", str(out)])
    return EncodeFailed(
        f"{what} The {len(frames)} frames are kept as pictures in {folder}; when ffmpeg works again, "
        f"make a video of them with: {by_hand}"
    )


def _save_wanted_frames(clip: Clip, video: Path, wanted: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Save the frames of a clip whose video is there; gives them, and what to tell.

    Raises:
        ClipNotSaved: they could not be written anywhere.
    """
    try:
        frames = _save_frames_somewhere(clip, wanted)
    except OSError as error:
        reason = f"its frames could not be written to {wanted} ({error})"
        raise ClipNotSaved(f"The clip is saved as {video}, but {reason}: make room, then run it again.") from error
    folder = frames[0].parent
    if folder == wanted:
        return frames, ()
    why = "was taken meanwhile" if folder.parent == wanted.absolute().parent else "could not be written"
    return frames, (f"{wanted} {why}, so the frames are in {folder}.",)


def _save_frames_somewhere(clip: Clip, wanted: Path, *, new: bool = False) -> tuple[Path, ...]:
    """Save frames into `wanted`, or into a folder of that name in a second place.

    Raises:
        OSError: it could be done nowhere; this is why not in the first place.
    """
    failure: OSError | None = None
    for folder in list_places(wanted.parent):
        try:
            if failure is None:
                return _save_frames_near(clip.frames, wanted, clip.infotext, new=new)
            return _save_frames_near(clip.frames, folder / wanted.absolute().name, clip.infotext, new=True)
        except OSError as error:
            failure = failure or error
    raise cast(OSError, failure)


def _save_frames_near(frames: Frames, wanted: Path, infotext: str, *, new: bool = False) -> tuple[Path, ...]:
    """Save frames into `wanted`, or where that is taken into `wanted-2`, `wanted-3`, ...; with `new`, into a new
    folder.
    """
    beside = wanted.absolute()  # `.` has no name that a number could follow
    for number in range(1, 1000):
        folder = wanted if number == 1 else beside.with_name(f"{beside.name}-{number}")
        if folder.exists() and (new or number > 1):
            continue
        try:
            return save_frames(frames, folder, infotext)
        except FileExistsError:
            continue  # taken since we looked
    raise FileExistsError(f"every folder from {wanted} to {folder.name} is taken")


def check_output(out: Path, frames_dir: Path | None = None, copies: Sequence[Encoding] = ()) -> tuple[str, ...]:
    """Refuse a clip that `save` could not write, before anything heavy is loaded. Leaves nothing behind.

    What a program that was killed left in these folders is finished or removed.

    Returns:
        What the user should know: that there is no second place, where there is none.

    Raises:
        BadOutput: one sentence that says what is wrong with the place, or with ffmpeg, and what to do.
    """
    checks = ((out, partial(_check_video, copies=copies)), (frames_dir, _check_frames_dir))
    for place, check in checks:
        if place is None:
            continue
        try:
            for folder in (place.parent, place):
                finish_left(folder)
            check(place)
        except (OSError, ValueError) as error:
            raise BadOutput(_explain_refusal(place, error)) from error
    try:
        for encoding in (USUAL, *copies):
            if encoding.format.coders:
                choose_coder(encoding.format)
    except FfmpegFailed as error:
        raise BadOutput(str(error)) from error
    if any(_has_room(folder) for folder in list_second_places()):
        return ()
    return (
        f"If {out.parent} cannot be written to any more when the clip is done, there is no other place to save to.",
    )


def _check_video(out: Path, copies: Sequence[Encoding]) -> None:
    if out.is_dir():
        raise BadOutput(f"{out} is a folder: add a name for the clip, such as {out / 'clip.mp4'}.")
    name = next((name for name, row in FORMATS.items() if name != MAIN and out.name.lower().endswith(row.suffix)), "")
    if name:
        stem = out.name[: -len(FORMATS[name].suffix)]
        advice = f"name it {stem}.mp4 and ask for {FORMATS[name].title} beside it, --also {name}"
        raise BadOutput(f"{out.name} is no name for a clip, which is an H.264 video first: {advice}.")
    if out.suffix.lower() != ".mp4":
        raise BadOutput(f"{out.name} does not end in .mp4, the only kind of video written here: name it so.")
    _check_folder(out.parent, out.stem, max((USUAL, *copies), key=lambda each: len(each.format.suffix)))
    for taken in (out, out.with_suffix(".txt"), out.with_suffix(NOTED)):
        if is_taken(taken):
            raise BadOutput(f"{taken} exists already and is not overwritten: choose another name for the clip.")


def _check_frames_dir(frames_dir: Path) -> None:
    if not frames_dir.exists():
        _check_folder(frames_dir.parent, frames_dir.name)
    elif not frames_dir.is_dir():
        raise BadOutput(f"{frames_dir} is a file, so no frames can go there: choose another folder for the frames.")
    elif any(frames_dir.iterdir()):
        raise BadOutput(f"{frames_dir} is not empty, and nothing is mixed or overwritten: choose a new folder.")
    else:
        _check_folder(frames_dir, "frames")


def _check_folder(folder: Path, stem: str, longest: Encoding = USUAL) -> None:
    """Refuse a folder in which no file with a name like `stem` can be made; raises BadOutput or OSError."""
    if not folder.exists():
        raise BadOutput(f"The folder {folder} does not exist: make it first, or choose another.")
    if not folder.is_dir():
        raise BadOutput(f"{folder} is a file, not a folder: choose another place for the clip.")
    # The longest name that may be needed. Permissions say less than a trial, on Windows and network disks above all.
    with make_hidden_names(folder) as hidden:
        hidden("").with_name(f"{stem}-svd-0001{longest.format.suffix}").touch(exist_ok=False)
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE:
        raise BadOutput(f"Only {free / 1e6:.1f} MB are free at {folder}: make room, or choose another disk.")


def _has_room(folder: Path) -> bool:
    """Tell whether a clip could be written there."""
    try:
        _check_folder(folder, "clip")
    except (BadOutput, OSError):
        return False
    return True


def _explain_refusal(place: Path, error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.ENAMETOOLONG:
        return f"The name {place.name} is too long for this disk: choose a shorter one."
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place} cannot be written, its folder is not writable: choose another folder."
    return f"{place} cannot be written ({error}): choose another place."
