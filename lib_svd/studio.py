"""What the tab, the script hook, the API and the stand-alone page share: a host, its models, and the loaded one."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from lib_svd import speeds, video
from lib_svd.animate import Destination, Order, animate, complete_request, decode_again, order, see_picture
from lib_svd.checkpoints import (
    DEMO,
    Checkpoint,
    Svd,
    choose,
    explain_no_model,
    find_checkpoints,
    list_lora_dirs,
    list_refusals,
    load_rest,
    may_move,
    name_models,
    recognise,
)
from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput, BadOutput, BadRequest, SvdError
from lib_svd.finish.finishing import Finishing
from lib_svd.images import Picture
from lib_svd.jobs import Draft, FinishOrder, Swept, finish, finish_order, history, note_clip, remember_clip, sweep, tune
from lib_svd.latents import SavedLatents
from lib_svd.places import list_data_folders
from lib_svd.ports import Host, Queue
from lib_svd.request import ClipRequest, CompleteRequest
from lib_svd.review import Review
from lib_svd.settings import Setting
from lib_svd.stages import MemoryPlan, plan
from lib_svd.strangers import is_file, quote


@dataclass(frozen=True, kw_only=True)
class Model:
    """An SVD checkpoint that can be chosen."""

    name: str  # what a request calls it; see `name_models`
    checkpoint: Checkpoint

    @property
    def is_demo(self) -> bool:
        """Whether it is the toy that comes with the program."""
        return self.checkpoint.path == DEMO

    @property
    def label(self) -> str:
        """For a list: file, family, frames it was made for, licence; of the demo its title alone."""
        family = self.checkpoint.family
        if self.is_demo:
            return family.title
        return f"{self.name} ({family.title}, {family.num_frames} frames, {family.licence})"


class Studio:
    """A host and its SVD models, of which the one used last stays loaded."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._loaded: list[Svd] = []  # one at most; shared with those who work in another queue

    def report_to(self, queue: Queue) -> Studio:
        """Give the same studio, whose work is done and reported in another queue."""
        other = copy(self)
        other.host = replace(self.host, queue=queue)
        return other

    @property
    def loaded(self) -> Svd | None:
        """The model that is loaded."""
        return next(iter(self._loaded), None)

    def list_models(self) -> list[Model]:
        """List every SVD model in the host's folders, told by its header; image models beside them are passed over.

        Those that animate a scene come before those that turn an object, and the demo is last. A header is read once;
        a file that changed is looked at again.
        """
        dirs = self._list_dirs()
        looked = ((path, self._look_at(path)) for path in filter(may_move, find_checkpoints(dirs)))
        found = [(path, known) for path, known in looked if isinstance(known, Checkpoint)]
        found.sort(key=lambda model: (model[0] == DEMO, model[1].family.conditioning != "svd"))
        names = name_models([path for path, _ in found], dirs)
        return [Model(name=names[path], checkpoint=checkpoint) for path, checkpoint in found]

    def list_refusals(self) -> list[str]:
        """Say why files in the folder for SVD models are not offered, a sentence each."""
        dirs = self.host.folders.list_model_dirs()
        return [each for folder in dirs[:1] for each in list_refusals(folder, dirs)]

    def find_checkpoint(self, name: str = "") -> Checkpoint:
        """Find the model of that name in the folders for models; "" is the first one that the user has.

        Raises:
            BadCheckpoint: there is none, or it cannot be used.
        """
        folders, dirs = self.host.folders, self._list_dirs()
        if name:
            found = choose(name, dirs, folders.list_model_dirs())
        else:
            models = [model for model in self.list_models() if not model.is_demo]
            if not models:
                raise explain_no_model(dirs[0], self.list_refusals())
            found = models[0].checkpoint
        return replace(found, lora_dirs=(*folders.list_lora_dirs(), *list_lora_dirs(folders.list_model_dirs())))

    def make_request(self, settings: Mapping[str, Any]) -> ClipRequest:
        """Make a request from settings by name, as programs give them; "speed" may stand for steps, sampler and
        schedule.

        Raises:
            BadInput: a name or a value cannot be, or the model is not there.
        """
        request = ClipRequest.from_mapping({name: value for name, value in settings.items() if name != "speed"})
        if "speed" not in settings:
            return request
        return speeds.make_request(settings, self.find_checkpoint(request.checkpoint).family)

    def complete_request(self, request: ClipRequest, picture_size: tuple[int, int]) -> CompleteRequest:
        """Work out every setting as it will be for a picture of this (width, height).

        Raises:
            BadInput: the model is not there or cannot do that.
        """
        return complete_request(request, picture_size, self.find_checkpoint(request.checkpoint))[0]

    def see_picture(self, read: Picture, request: ClipRequest) -> tuple[Picture, CompleteRequest]:
        """Give a picture as the model will get it, before it is fitted, and every setting as it will be for it.

        Raises:
            BadInput: the model is not there or cannot do that, or there is no object for it in the picture.
        """
        return see_picture(read, request, self.find_checkpoint(request.checkpoint))[:2]

    def plan_memory(self, request: CompleteRequest) -> MemoryPlan:
        """Plan what a clip will take, and how it will be made within what is free.

        Raises:
            BadInput: the model is not there.
        """
        checkpoint = self.find_checkpoint(request.checkpoint)
        is_loaded = self.loaded is not None and self.loaded.checkpoint.identity == checkpoint.identity
        return plan(checkpoint, request, self.host.memory, is_loaded=is_loaded)

    def order(
        self,
        request: ClipRequest,
        picture: str | Path | BinaryIO | Image.Image | None,
        *,
        stem: str = "clip",
        with_frames: bool = False,
        source: str = "",
        saved_as: str = "",
        also: Sequence[str] = (),
    ) -> Order:
        """Check a request and name its files, in the host's folder for clips.

        Args:
            request: names its checkpoint; "" takes the first one.
            picture: what to animate.
            stem: how the clip's file name begins.
            with_frames: save the frames as pictures too.
            source: the picture's own infotext, to be carried by the clip.
            saved_as: the file that a picture in memory has been saved as.
            also: formats to write it in too, beside those that every clip is written in.

        Raises:
            BadInput: a setting, the picture, the model or the folder; nothing was loaded or written.
        """
        if picture is None:
            raise BadRequest("There is no picture yet: choose one, paste one, or send one from another tab.")
        checkpoint, folder = self.find_checkpoint(request.checkpoint), self.find_output_dir()
        out = video.find_free_name(folder, stem, ".mp4")
        while True:
            to = self.make_destination(out, with_frames=with_frames, also=also)
            try:
                made = order(request, picture, checkpoint, to, source=source, kept_in=self.list_clip_dirs())
            except BadOutput:
                out, before = video.find_free_name(folder, stem, ".mp4"), out
                if out == before:
                    raise  # else another clip has got that name meanwhile
            else:
                return replace(made, picture_path=saved_as) if saved_as else made

    def make_destination(self, out: Path, *, with_frames: bool = False, also: Sequence[str] = ()) -> Destination:
        """Say in which forms a clip is written: as the options have it, and in more formats.

        Args:
            out: the video.
            with_frames: save the frames as pictures too.
            also: formats beside those that every clip is written in.

        Raises:
            BadRequest: there is no such format.
        """
        frames_dir = out.with_suffix("") if with_frames else None
        usual = self._list_copies()
        copies = (*usual, *(each for each in self.list_encodings(also) if each not in usual))
        return Destination(out=out, frames_dir=frames_dir, copies=copies, encoding=self._choose_encoding())

    def animate(self, order: Order, sampled: SavedLatents | None = None) -> SavedClip:
        """Carry out an order with the loaded model, or load its model first, and note the clip in the history.

        Args:
            order: what to make.
            sampled: latents that an earlier run of this order kept, which are then decoded; None: there are none.

        Returns:
            The clip; where every clip is finished, what came of that. The clip itself stays.

        Raises:
            what `animate.animate` and `animate.decode_again` raise.
        """
        try:
            if sampled is None:
                saved = animate(order, self.host, self._load)
            else:
                saved = decode_again(sampled, order.checkpoint, self.host, order.to)
            saved = self.note(order, saved)
            return self._finish_too(saved) if self.host.options["svd_finish_every"] else saved
        finally:
            if not self.host.options["svd_keep_loaded"]:
                self.unload()

    def note(self, order: Order, saved: SavedClip) -> SavedClip:
        """Measure a clip that was made by an order, where clips are, and note it in the history with its picture."""
        return note_clip(order, saved, self.host, self._load, measured=bool(self.host.options["svd_review"]))[0]

    def decode_again(self, latents: SavedLatents, checkpoint: Checkpoint, to: Destination) -> SavedClip:
        """Decode latents of an earlier run, and note the clip in the history, without a picture and not measured.

        Raises:
            what `animate.decode_again` raises.
        """
        return remember_clip(decode_again(latents, checkpoint, self.host, to), latents.request)

    def sweep(self, orders: Sequence[Order], setting: Setting) -> Iterator[Swept]:
        """Carry out the orders of a sweep, see `jobs.make_orders`, one clip after the other.

        Raises:
            what `animate.animate` raises; the clips given out before stay.
        """
        try:
            yield from sweep(orders, setting, self.host, self._load)
        finally:
            if not self.host.options["svd_keep_loaded"]:
                self.unload()

    def finish_order(
        self, path: Path, finishing: Finishing, copies: Sequence[str | video.Encoding] = (), *, name: str = ""
    ) -> FinishOrder:
        """Check what shall become of a clip, and name its file, in the host's folder for clips.

        Args:
            path: the clip.
            finishing: what to do.
            copies: formats to write beside it, see `list_encodings`.
            name: of the clip, where `path` is a copy of it.

        Raises:
            BadInput: the clip, what is to be done, or the folder; nothing was run or written.
        """
        return finish_order(
            path,
            finishing,
            self.host,
            out_dir=self.find_output_dir(),
            copies=self.list_encodings(copies),
            encoding=self._choose_encoding(),
            name=name,
        )

    def finish(self, order: FinishOrder) -> SavedClip:
        """Finish a clip, and note in the history what it came from.

        Raises:
            what `jobs.finish` raises.
        """
        return finish(order, self.host)

    def _finish_too(self, saved: SavedClip) -> SavedClip:
        """Finish the clip as the user has set it; where that cannot be done, give the clip itself, with the reason."""
        options = self.host.options
        try:
            wanted = Finishing.read(str(options["svd_finishing"]))
            made = self.finish(self.finish_order(saved.video, wanted, options["svd_finishing_copies"]))
        except SvdError as error:
            return replace(saved, notes=(*saved.notes, f"The clip was not finished. {error}"))
        return replace(
            made, notes=(*saved.notes, *made.notes, f"This is {saved.video.name}, finished; that one stays.")
        )

    def tune(self, first: Order, budget: int, drafts: Sequence[Draft] = ()) -> Iterator[Draft]:
        """Look for settings with drafts, see `jobs.tune`.

        Raises:
            what `animate.animate` raises; the drafts given out before stay.
        """

        def make(order: Order) -> tuple[SavedClip, Review | None]:
            return note_clip(order, animate(order, self.host, self._load), self.host, self._load)

        try:
            yield from tune(first, budget, make, drafts)
        finally:
            if not self.host.options["svd_keep_loaded"]:
                self.unload()

    def list_encodings(self, formats: Sequence[str | video.Encoding]) -> tuple[video.Encoding, ...]:
        """List formats by name, such as `gif` or `h265:24:slow`; one that stands alone is written as the options say.

        Raises:
            BadRequest: there is no such format, or it cannot be written so.
        """
        usual = {text.partition(":")[0].strip(): text for text in self.host.options["svd_formats"].split(",")}
        return tuple(
            each if isinstance(each, video.Encoding) else video.Encoding.read(usual.get(each, each)) for each in formats
        )

    def find_clip(self, name: str) -> Path:
        """Find a clip by the path or the name that a browser gives back; it reaches no folder but those of clips."""
        path, folders = Path(name), self.list_clip_dirs()
        return (path.parent if path.parent in folders else folders[0]) / path.name

    def find_clip_by_name(self, name: str) -> Path:
        """Find a clip by its name in any of the folders of clips, or by its path in one of them.

        Raises:
            BadInput: there is none of that name.
        """
        path, folders = Path(name), self.list_clip_dirs()
        found = [path] if path.parent in folders else [folder / name for folder in folders if path.name == name]
        clip = next((each for each in found if history.is_clip(each.name) and is_file(each)), None)
        if clip is None:
            raise BadInput(f"There is no clip {quote(name)}: name one of the history.")
        return clip

    def list_clip_dirs(self) -> list[Path]:
        """List every folder that clips have gone to: the host's, and the second place, where one is there."""
        return [*self.host.folders.list_clip_dirs(), *(folder for folder in list_data_folders() if folder.is_dir())]

    def unload(self) -> None:
        """Forget the loaded model; its memory is free once no clip uses it any more."""
        self._loaded.clear()
        gc.collect()  # a host's patcher and its network refer to each other

    def _choose_encoding(self, name: str = video.MAIN) -> video.Encoding:
        """Encode as the web UI's own settings for videos say, where it has such."""
        crf, preset, profile = (self.host.options[f"video_{what}"] for what in ("crf", "preset", "profile"))
        return video.Encoding.of_host(crf, preset, profile, name)

    def _list_copies(self) -> tuple[video.Encoding, ...]:
        """List the formats that every clip is written in too; raises BadRequest where one cannot be.

        A web UI's own container for videos, where that is mkv, is one of them: a page plays an mp4.
        """
        names = self.host.options["svd_copies"]
        wants_mkv = self.host.options["video_container"] == "mkv" and "mkv" not in names
        return (*self.list_encodings(names), *([self._choose_encoding("mkv")] if wants_mkv else []))

    def find_output_dir(self) -> Path:
        """Give the host's folder for clips; raises BadOutput where it cannot be made."""
        try:
            return self.host.folders.find_output_dir()
        except OSError as error:
            where = f"{error.filename} cannot be made or reached ({error.strerror or error})"
            raise BadOutput(f"There is no folder for clips, {where}: choose another one.") from error

    def _list_dirs(self) -> list[Path]:
        """List where models are: the host's folders, then the demo's."""
        return [*self.host.folders.list_model_dirs(), DEMO.parent]

    def _load(self, checkpoint: Checkpoint, host: Host) -> Svd:
        """Give the model that is loaded, if it is this one; else the old one goes before the new one comes.

        Of one that differs in its LoRAs alone, the UNet does.
        """
        loaded = self.loaded
        if loaded is not None and loaded.checkpoint.unet_identity == checkpoint.unet_identity:
            return loaded
        kept = None if loaded is None else loaded.keep_for(checkpoint)
        del loaded
        self.unload()
        self._loaded.append(load_rest(kept, checkpoint, host))
        return self._loaded[-1]

    def _look_at(self, path: Path) -> Checkpoint | BadInput:
        """Say what a file is, or why it cannot be used."""
        try:
            return recognise(path, search_dirs=self.host.folders.list_model_dirs())
        except BadInput as refusal:
            return refusal
