"""A clip is finished: any clip that is there, made here or elsewhere. It stays, and what comes of it is saved anew."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter

from lib_svd import video
from lib_svd.checkpoints import DEMO, choose
from lib_svd.clip import Clip, Frames, SavedClip
from lib_svd.errors import BadInput, BadOutput, BadRequest, Interrupted
from lib_svd.files import NOTED, find_free_names, make_hidden_names, publish
from lib_svd.finish.deflicker import BRIGHTNESS, Redecode
from lib_svd.finish.enlarge import find_upscaler
from lib_svd.finish.finishing import FINISHINGS, Finishing, add_finished, is_loop
from lib_svd.finish.plan import Shape, describe_plan, plan_clip
from lib_svd.finish.recipe import Tools, finish_frames
from lib_svd.finish.smooth import Motion, Smoother
from lib_svd.jobs import history
from lib_svd.jobs.noting import note_finished_clip
from lib_svd.jobs.restoring import check_no_link, find_infotext, open_clip, read_own_shape
from lib_svd.ports import Host
from lib_svd.progress import Progress, Stage

log = logging.getLogger("svd")

MOST_NAME = 120  # bytes of a clip's name that the finished one's begins with; disks take 255, with all that follows
_TAIL = re.compile(r"-finished(-svd-\d{4,})?$")
POSTER = ".poster.png"
VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")  # are looked into; all else is decoded, to know its length


@dataclass(frozen=True, kw_only=True)
class Source:
    """A clip that is there, and what can be said of it without decoding it."""

    path: Path
    shape: Shape
    infotext: str  # "": it does not tell how it was made
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FinishOrder:
    """A clip that can be finished: held against what is to be done, what is there to do it with, and the place."""

    source: Source
    finishing: Finishing
    made: Shape
    tools: Tools
    out: Path
    copies: tuple[video.Encoding, ...] = ()
    encoding: video.Encoding = field(default_factory=video.Encoding)  # of the clip's own video
    name: str = ""  # of the clip, where its file is a copy of it
    notes: tuple[str, ...] = ()  # what the user should know before they wait

    @property
    def sentence(self) -> str:
        """What it will be, in words."""
        return describe_plan(self.finishing, self.source.shape, self.made)


def read_source(path: Path) -> Source:
    """Look at a clip: a video, a moving picture, or a folder of frames.

    Raises:
        BadInput: it cannot be read.
    """
    check_no_link(path)
    try:
        status = path.stat()
    except OSError as error:
        raise BadInput(f"There is no clip {path}: check the name.") from error
    return _look_at(path, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=32)  # a page asks again with every change of what is to be done
def _look_at(path: Path, stamp: tuple[int, ...]) -> Source:
    infotext = find_infotext(path)
    if path.suffix.lower() not in VIDEOS:
        clip = open_clip(path).clip
        return Source(path=path, shape=_make_shape(len(clip.frames), clip.size, clip.fps, infotext), infotext=infotext)
    about = video.probe(path)
    size = (about.height, about.width) if about.turned else (about.width, about.height)
    own = read_own_shape(infotext)
    if own.size[0] and own.size[1] and size[0] % own.size[0] == 0 and size[0] * own.size[1] == size[1] * own.size[0]:
        size = own.size[0], own.size[1]  # its video shows every pixel as a square
    fps = own.fps or max(1, round(about.fps))
    notes = () if own.fps or fps == about.fps else (f"Its {about.fps:g} frames a second are taken as {fps}.",)
    return Source(path=path, shape=_make_shape(about.num_frames, size, fps, infotext), infotext=infotext, notes=notes)


def _make_shape(count: int, size: tuple[int, int], fps: int, infotext: str) -> Shape:
    return Shape(num_frames=count, size=size, fps=fps, closed=is_loop(infotext))


def finish_order(
    path: Path,
    finishing: Finishing,
    host: Host,
    *,
    out: Path | None = None,
    out_dir: Path | None = None,
    copies: Sequence[str | video.Encoding] = (),
    encoding: video.Encoding | None = None,
    name: str = "",
) -> FinishOrder:
    """Check everything that can be known before a frame is read.

    Args:
        path: the clip, see `read_source`.
        finishing: what to do.
        host: what it is done with, and where it is saved.
        out: the finished clip; None: a free name in `out_dir`.
        out_dir: a folder that is there; None: the host's for clips.
        copies: other formats to write too, such as `h265:24`.
        encoding: of its own video; None: the usual one.
        name: of the clip, where `path` is a copy of it.

    Raises:
        BadInput: the clip, what is to be done, or the place; nothing was run or written.
    """
    source = read_source(path)
    made = plan_clip(finishing, source.shape)
    encodings = tuple(each if isinstance(each, video.Encoding) else video.Encoding.read(each) for each in copies)
    _check_memory(source.shape, made)
    tools = _gather_tools(finishing, host)

    def choose_name() -> Path:
        return out or _find_free_name(out_dir or host.folders.find_output_dir(), name or path.name)

    chosen, told = _check_output(choose_name, encodings)
    return FinishOrder(
        source=source,
        finishing=finishing,
        made=made,
        tools=tools,
        out=chosen,
        copies=encodings,
        encoding=encoding or video.Encoding(),
        name=name or path.name,
        notes=(*source.notes, *told),
    )


def finish(order: FinishOrder, host: Host) -> SavedClip:
    """Carry out an order in the host's queue, save the clip, and note in the history what it came from.

    Raises:
        BadInput: the clip has changed meanwhile; nothing is left behind.
        Interrupted: the user stopped it; nothing is left behind.
        SvdError: the smoother or the upscaler failed.
        EncodeFailed: it could not be written; the text says where its frames are kept.
    """
    began = perf_counter()

    def report(stage: Stage, done: int, total: int) -> None:
        host.report(Progress(stage, done, total))
        if host.queue.is_interrupted():
            raise Interrupted("Finishing was stopped: the clip is as it was, and nothing is left of it.")

    def work() -> SavedClip:
        report(Stage.OPENING, 0, 1)
        clip = open_clip(order.source.path).clip
        report(Stage.OPENING, 1, 1)
        closed = order.source.shape.closed
        frames, fps, notes = finish_frames(clip.frames, clip.fps, order.finishing, order.tools, report, closed=closed)
        infotext = add_finished(clip.infotext, order.finishing, order.name)
        report(Stage.WRITING, 0, 1)
        made = Clip(frames=frames, fps=fps, infotext=infotext, seconds={"finish": perf_counter() - began})
        saved = video.save(made, order.out, None, order.copies, (*order.notes, *notes), encoding=order.encoding)
        host.report(Progress(Stage.WRITING, 1, 1))
        return _write_poster(saved, order.finishing.poster)

    saved = host.queue.run_exclusively("svd", work)
    return note_finished_clip(saved, host, _read_known(order.source.path), order.name)


def _gather_tools(finishing: Finishing, host: Host) -> Tools:
    """Gather what is asked for; raises BadInput where it is not there."""
    return Tools(
        redecoder=_find_redecoder(finishing.deflicker, host),
        smoother=_find_smoother(finishing.smoother, host) if finishing.smooth else None,
        upscaler=find_upscaler(finishing.upscale, host.upscalers) if finishing.upscale else None,
    )


def _find_redecoder(name: str, host: Host) -> Callable[[], Redecode] | None:
    """Give what loads the VAE of the model of that name; None where none is needed.

    Raises:
        BadCheckpoint: the model is not there, or cannot be used.
        BadRequest: its decoder does not look along time.
    """
    if name in ("", BRIGHTNESS):
        return None
    from lib_svd.finish.redecode import Redecoder, check_can_deflicker

    dirs = host.folders.list_model_dirs()
    checkpoint = choose(name, [*dirs, DEMO.parent], dirs)
    check_can_deflicker(checkpoint)
    return partial(Redecoder, checkpoint, host)


def _find_smoother(name: str, host: Host) -> Callable[[], Smoother]:
    """Give what loads the smoother; raises BadCheckpoint where its file is not there."""
    if name == Motion.name:
        return Motion
    from lib_svd.checkpoints.rife import choose_rife
    from lib_svd.finish.rife import RifeSmoother

    return partial(RifeSmoother, choose_rife("", host.folders.list_model_dirs()), host)


def _check_memory(clip: Shape, made: Shape) -> None:
    """Raises BadRequest where the frames would not find room in memory, which the program could not survive."""
    import psutil

    needed, free = clip.bytes + 2 * made.bytes, psutil.virtual_memory().available
    if needed > free:
        lower = ", ".join(FINISHINGS[name].called for name in ("scale", "smooth", "length"))
        raise BadRequest(
            f"{made} take {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free: "
            f"lower {lower}, or take less of the clip."
        )


def _check_output(choose: Callable[[], Path], encodings: Sequence[video.Encoding]) -> tuple[Path, tuple[str, ...]]:
    """Check the name that is chosen, and give it with what is to be told; raises BadOutput."""
    out = choose()
    while True:
        try:
            return out, video.check_output(out, None, encodings)
        except BadOutput:
            out, before = choose(), out
            if out == before:
                raise  # else another clip has got that name meanwhile


def _find_free_name(folder: Path, name: str) -> Path:
    """Give `photo-finished.mp4`, or the next number of that; however long the clip's own name is."""
    stem = _TAIL.sub("", Path(name).stem)
    while len(stem.encode("utf-8", "surrogateescape")) > MOST_NAME:
        stem = stem[:-1]
    return next(find_free_names(folder / f"{stem}-finished.mp4", (".mp4", ".txt", NOTED)))


def _read_known(path: Path) -> history.Entry | None:
    """Read what the history knows of a clip; None: it is none of the history's."""
    with suppress(BadInput):
        return history.find_entry(path)
    return None


def _write_poster(saved: SavedClip, number: int) -> SavedClip:
    """Write one frame of the clip, counted from 1, as a picture beside it, which carries its settings; 0: none."""
    if not number:
        return saved
    path = saved.video.with_suffix(POSTER)
    try:
        _write_picture(saved.clip.frames[number - 1], path, saved.clip.infotext)
    except OSError as error:
        note = f"{path.name} could not be written ({error.strerror or error}); the clip itself is saved."
        return replace(saved, notes=(*saved.notes, note))
    return replace(saved, copies=(*saved.copies, path))


def _write_picture(frame: Frames, path: Path, infotext: str) -> None:
    """A frame [H, W, 3] whole or not at all; raises OSError, also where the name is taken."""
    with make_hidden_names(path.parent) as hidden:
        (written,) = video.save_frames(frame[None], hidden(""), infotext)
        publish(written, path)
