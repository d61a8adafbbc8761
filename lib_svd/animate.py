"""A still picture becomes a clip: the whole recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import torch
from PIL import Image
from torch import Tensor

from lib_svd import images, video
from lib_svd.checkpoints import Checkpoint, Svd, add_loras, load
from lib_svd.clip import Clip, SavedClip
from lib_svd.companions import Companions, read_companions
from lib_svd.errors import BadInput, BadOutput, BadRequest, spell
from lib_svd.latents import (
    SUFFIX,
    SavedLatents,
    check_latents,
    keep_latents,
    save_latents,
    save_latents_somewhere,
    tell_how_to_go_on,
)
from lib_svd.ports import Host
from lib_svd.request import ClipRequest, CompleteRequest, add_mark, add_source
from lib_svd.seams import describe_joins, describe_largest_step
from lib_svd.stages import Camera, Run, condition, decode, list_joins, prepare_steering, sample_in_segments

MOST_SHOWN = 4096  # pixels of a video's longer side, which decoders of H.264 still take
Load = Callable[[Checkpoint, Host], Svd]


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a clip goes, and in which forms."""

    out: Path  # the video
    frames_dir: Path | None = None  # for the frames as PNG files; None: they are not wanted
    latents_path: Path | None = None  # for the latents, to decode them again
    copies: tuple[video.Encoding, ...] = ()  # other formats to write too
    encoding: video.Encoding = field(default_factory=video.Encoding)  # of the video itself
    enlarge: int = 1  # the video shows every pixel as a square of so many; frames as files stay as they are

    @property
    def has_own_frames(self) -> bool:
        """Whether the folder of frames is called like the video, and gets whatever name that gets."""
        return self.frames_dir == self.out.with_suffix("")

    def rename(self, out: Path) -> Destination:
        """Give the same forms under another name."""
        return replace(self, out=out, frames_dir=out.with_suffix("") if self.has_own_frames else self.frames_dir)

    def append_word(self, word: object) -> Destination:
        """Give the same forms under a name that ends in a word: `clip-3.mp4`."""
        return self.rename(self.out.with_name(f"{self.out.stem}-{word}{self.out.suffix}"))


@dataclass(frozen=True, kw_only=True)
class Order:
    """A request that can be carried out: held against the picture, the model and the place to write."""

    request: CompleteRequest
    checkpoint: Checkpoint
    picture: images.Fitted
    original: Image.Image  # upright, before it was fitted; RGB, or RGBA where its object was cut out by that
    to: Destination
    source: str = ""  # the picture's own infotext
    picture_path: str = ""  # where the picture is, if it is a file
    notes: tuple[str, ...] = ()  # what the user should know before they wait
    companions: Companions = field(default_factory=Companions)

    def reseed(self, seed: int, to: Destination) -> Order:
        """Order the same clip from other noise, under another name."""
        return replace(self, request=self.request.replace(seed=seed), to=to)


def order(
    request: ClipRequest,
    picture: str | Path | BinaryIO | Image.Image,
    checkpoint: Checkpoint,
    to: Destination,
    *,
    source: str = "",
    kept_in: Sequence[Path] | None = None,
) -> Order:
    """Check everything that can be known before anything heavy is loaded.

    Args:
        request: the settings.
        picture: what to animate.
        checkpoint: with which model.
        to: where the clip goes.
        source: the picture's own infotext, where it was generated; the clip carries it.
        kept_in: folders of clips, below which the other pictures are that the request names; None: these may be any
            file.

    Raises:
        BadInput: a setting, the picture, or the place to write; nothing was loaded or written.
    """
    told = video.check_output(to.out, to.frames_dir, to.copies)
    if to.latents_path is not None:
        check_latents(to.latents_path)
    read = images.read_picture(picture, request.background or checkpoint.family.background)
    seen, complete, notes = see_picture(read, request, checkpoint)
    size = (complete.width, complete.height)
    if to.enlarge * max(size) > MOST_SHOWN:
        most = MOST_SHOWN // max(size)
        raise BadRequest(
            f"Enlarged {to.enlarge} times the video would be too large to play: "
            f"{spell('enlarge', '--enlarge')} {most} times at most."
        )
    fitted = images.fit_picture(seen.image, size, complete.fit, images.View.of(complete))
    shot = images.plan_shot(seen.image, fitted, complete)
    mirrored = () if shot is None else shot.note_mirrored()
    folders = (to.out.parent, *(kept_in or ()))
    complete, companions = read_companions(complete, read.image, folders, anywhere=kept_in is None)
    return Order(
        request=complete,
        checkpoint=add_loras(checkpoint, complete.lora)[0],
        picture=fitted,
        original=(read.cut_out if seen.is_placed else None) or read.image,
        to=to,
        source=source,
        picture_path=str(Path(picture).absolute()) if isinstance(picture, (str, Path)) else "",
        notes=(*checkpoint.notes, *seen.notes, *fitted.notes, *companions.notes, *mirrored, *notes, *told),
        companions=companions,
    )


def see_picture(
    read: images.Picture, request: ClipRequest, checkpoint: Checkpoint
) -> tuple[images.Picture, CompleteRequest, tuple[str, ...]]:
    """Complete a request for a picture, and place the picture's object where the model was trained on objects alone.

    Raises:
        BadInput: as `complete_request`, or there is no object in the picture, or no rembg that cuts it out.
    """
    size = choose_shape(read, request, checkpoint)
    complete, notes = complete_request(request, size, checkpoint)
    if checkpoint.family.wants_objects:
        read = images.place_object(read, complete, (complete.width, complete.height))
    return read, complete, notes


def choose_shape(read: images.Picture, request: ClipRequest, checkpoint: Checkpoint) -> tuple[int, int]:
    """Say of which shape (width, height) the picture is for the model: its own, or where its object will be placed that
    of the model.
    """
    is_placed = checkpoint.family.wants_objects and images.has_object(read, request.cut_out)
    return checkpoint.family.native_size if is_placed else read.image.size


def complete_request(
    request: ClipRequest, picture_size: tuple[int, int], checkpoint: Checkpoint
) -> tuple[CompleteRequest, tuple[str, ...]]:
    """Work out every setting as it will be for a picture of this (width, height), and what the user should know of
    them.

    Raises:
        BadInput: the model cannot do that, or a LoRA is not there or does not fit it.
    """
    family, grid = checkpoint.family, checkpoint.size_grid
    auto_size = images.choose_working_size(picture_size, family.native_size, grid)
    complete, notes = family.complete(request, grid=grid, auto_size=auto_size)
    _, lora, told = add_loras(checkpoint, request.lora)
    named = add_mark(checkpoint.path.absolute().name, checkpoint.mark)
    return complete.replace(checkpoint=named, lora=lora), (*notes, *told)


def animate(order: Order, host: Host, load: Load = load) -> SavedClip:
    """Carry out an order.

    Args:
        order: what to make.
        host: where it runs.
        load: gives the order's checkpoint, loaded; for those who keep one between clips.

    Raises:
        Interrupted: the user stopped it; nothing is left behind.
        OutOfMemory, NotFinite: no clip could be made.
        ClipNotSaved: sampling went well, the rest did not; the text says where the work is kept.
    """

    def work() -> SavedClip:
        run = Run(load(order.checkpoint, host), order.request, host)
        with torch.inference_mode(), run.compile_inside():
            with run.time_stage("condition"):
                image, moves = images.convert_to_tensor(order.picture.image), order.companions.moves
                clip = condition(run, image)
                steering = prepare_steering(run, clip, image, order.companions.last_image, moves, _point_camera(order))
            with keep_latents(order.to.out, _write_command(order.checkpoint, order.to)) as keeper:
                with run.time_stage("sample"):
                    for latents in sample_in_segments(run, clip, steering):
                        request = run.request.replace(num_frames=len(latents))
                        infotext = add_source(request.write_infotext(), order.source)
                        keeper.keep(latents, infotext, moves, is_partial=request != run.request)
                _save_wanted(run, latents, infotext, moves, order.to.latents_path)
                return _decode_and_save(run, latents, moves, order.to.rename(keeper.name), order.source, order.notes)

    return host.queue.run_exclusively("svd", work)


def _point_camera(order: Order) -> Camera | None:
    """Give where the camera goes and what it sees there; None: it goes where the model likes."""
    shot = images.plan_shot(order.original, order.picture, order.request)
    if shot is None:
        return None
    return Camera(path=torch.from_numpy(shot.path), views=map(images.convert_to_tensor, shot.film()))


def decode_again(saved: SavedLatents, checkpoint: Checkpoint, host: Host, to: Destination) -> SavedClip:
    """Make a clip of latents that an earlier run kept, without sampling.

    Args:
        saved: from `latents.load_latents`.
        checkpoint: whose decoder to use.
        host: where it runs.
        to: where the clip goes.

    Raises:
        BadInput: the place to write, or latents of another kind of model.
        ClipNotSaved: the frames could not be made or written.
    """
    notes = video.check_output(to.out, to.frames_dir, to.copies)
    _check_fit(saved, checkpoint)

    def work() -> SavedClip:
        run = Run(load(checkpoint, host, ("decoder",)), saved.request, host)
        with (
            torch.inference_mode(),
            run.compile_inside(),
            tell_how_to_go_on(lambda: saved.path, _write_command(checkpoint, to)),
        ):
            return _decode_and_save(run, saved.latents, saved.moves, to, saved.source, notes)

    return host.queue.run_exclusively("svd", work)


def _check_fit(saved: SavedLatents, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint whose decoder does not make frames of the size that these latents are of; raises BadInput."""
    channels, height, width = saved.latents.shape[1:]
    scale = checkpoint.configs.encoder.downsampling
    made, asked = (channels, width * scale, height * scale), (saved.request.width, saved.request.height)
    if made != (checkpoint.configs.decoder.z_channels, *asked):
        name = saved.request.checkpoint
        raise BadInput(f"{checkpoint.path.name} cannot decode these latents: give {spell('', '--checkpoint ')}{name}.")


def _write_command(checkpoint: Checkpoint, to: Destination) -> list[str]:
    """Write the words of the command line that make of kept latents what was asked for."""
    words = ["--checkpoint", str(checkpoint.path), *(word for copy in to.copies for word in ("--also", str(copy)))]
    if to.frames_dir is not None and not to.has_own_frames:
        words += ["--frames-dir", str(to.frames_dir)]
    return words if to.enlarge == 1 else [*words, "--enlarge", str(to.enlarge)]


def _save_wanted(run: Run, latents: Tensor, infotext: str, moves: Tensor | None, path: Path | None) -> None:
    """Save the latents that the user asked for. A place that is lost since it was checked must not cost the clip."""
    if path is None:
        return
    try:
        save_latents(latents, infotext, path, moves)
    except BadOutput as error:
        name = path.with_name(f"{path.name.removesuffix(SUFFIX).removesuffix(path.suffix)}.mp4")
        kept_as, _ = save_latents_somewhere(latents, infotext, name, moves)
        run.notes.append(str(error) if kept_as is None else f"{error} They are kept in {kept_as}.")


def _decode_and_save(
    run: Run, latents: Tensor, moves: Tensor | None, to: Destination, source: str, notes: tuple[str, ...]
) -> SavedClip:
    """Decode latents and save the clip."""
    with run.time_stage("decode"):
        frames = decode(run, latents, moves)
    if run.request.last_picture:
        run.notes.append(describe_largest_step(frames))
    if joins := list_joins(run.request, run.svd.family.choose_window(run.request)):
        run.notes.append(describe_joins(frames, joins))
    infotext = add_source(run.request.write_infotext(), source)
    clip = Clip(frames=frames, fps=run.request.fps, infotext=infotext, seconds=run.seconds, enlarge=to.enlarge)
    return video.save(clip, to.out, to.frames_dir, to.copies, notes=(*notes, *run.notes), encoding=to.encoding)
