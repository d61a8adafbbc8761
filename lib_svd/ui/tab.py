"""The tab: a picture and settings on the left, the clip and its frames on the right; behind it, the history."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from lib_svd.animate import Order
from lib_svd.checkpoints import is_made_with
from lib_svd.clip import Frames, SavedClip
from lib_svd.errors import BadPicture, BadRequest, Busy, Interrupted, SvdError
from lib_svd.files import hold_name
from lib_svd.jobs import open_clip, reopen_clip, restore_entry
from lib_svd.jobs.history import Entry
from lib_svd.pages import Job, Page, Queued
from lib_svd.queue import JobQueue
from lib_svd.request import ClipRequest
from lib_svd.settings import draw_seed
from lib_svd.studio import Studio
from lib_svd.ui.browsing import Browsing
from lib_svd.ui.clips import describe_playing, render_clip, render_error, render_notes, render_remark, render_time
from lib_svd.ui.compat import (
    COPYABLE,
    IN_OUR_LINE,
    LOSSLESS,
    NO_SHARING,
    QUIET,
    SMALL,
    check_picture,
    make_html,
    make_js,
    make_picture_box,
)
from lib_svd.ui.controls import NO_PROMPT, Controls
from lib_svd.ui.finishing import FinishPanel
from lib_svd.ui.framing import Framing
from lib_svd.ui.from_file import FromFile
from lib_svd.ui.offered import Offered
from lib_svd.ui.one_change import OneChange
from lib_svd.ui.preset_row import PresetRow
from lib_svd.ui.queueing import Queueing
from lib_svd.ui.reviewing import Reviewing
from lib_svd.ui.sweeping import ALL, Sweeping
from lib_svd.ui.tuning import Tuning

LABEL, PART = "SVD", "svd_clip"
SWEEP, SEARCH = "sweep", "search"  # how names of a sweep's files begin, and of drafts
INFOTEXT_LINES = 6  # in a browser that cannot fit a box to its text
SHOWN = 6  # components that show a clip; the last one is the sentence about it
MOST_PICTURES = 64  # of a clip's frames that are shown as pictures; of one that has more every second, third, ...
SHELF = 4  # clips whose frames are at hand to go on from, and jobs whose end is; the oldest goes first

log = logging.getLogger("svd")


def build(studio: Studio, page: Page, queue: JobQueue) -> Any:
    """Build the tab as gradio Blocks; models are looked for when the page loads, not now."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        if page.problem:
            make_html(render_error(page.problem), elem_id=f"{PART}_problem")
        Tab(studio, page, queue, blocks)
    return blocks


class Tab:
    """The components of one tab, and what happens when they are used.

    Attributes:
        framing: the picture to be animated, and its crop.
        controls: for the settings.
    """

    def __init__(self, studio: Studio, page: Page, queue: JobQueue, blocks: Any) -> None:
        self._studio, self._page = studio, page
        self._shelf: OrderedDict[str, Frames] = OrderedDict()
        self._ended: OrderedDict[str, Sequence[Any]] = OrderedDict()  # what the last jobs showed, by their tasks
        self._task = gr.Textbox("", visible=False, elem_id=f"{PART}_task")
        self._made = gr.Textbox("", visible=False, elem_id=f"{PART}_made")  # the clip shown, by its place on the shelf
        with gr.Tabs(elem_id=f"{PART}_tabs") as tabs:
            with gr.Tab("Animate", elem_id=f"{PART}_animate"), gr.Row(elem_id=f"{PART}_columns"):
                with gr.Column(scale=6, min_width=440, elem_id=f"{PART}_settings"):
                    self._build_source()
                with gr.Column(scale=5, min_width=400, elem_id=f"{PART}_results"):
                    with gr.Column(elem_id=f"{PART}_actions", elem_classes=["svd-tight"]):
                        self._generate = page.add_generate_buttons(PART)
                        self._enqueue = gr.Button("Add to queue", size="sm", elem_id=f"{PART}_enqueue")
                        make_html(elem_id=f"{PART}_progress")  # the bar comes before it
                    self._one_change = OneChange(studio, PART, self._made)
                    self._build_results()
            with gr.Tab("Queue", elem_id=f"{PART}_queue") as self._queue_tab:
                self._queueing = Queueing(studio, queue, page, PART)
            with gr.Tab("History", elem_id=f"{PART}_history") as self._history:
                self._browsing = Browsing(studio, page, PART)
        tabs.do_not_save_to_config = True  # send-to opens the first one
        self._returned = gr.Button(elem_id=f"{PART}_returned", elem_classes=["svd-hidden"])
        for hidden in (self._task, self._made, self._infotext):
            hidden.do_not_save_to_config = True
        self._wire()
        for part in (self._presets, self.controls, self._finishing):
            blocks.load(fn=part.fill, inputs=[], outputs=part.filled, **QUIET)
        page.receive(PART, self.framing.picture, self.controls.pastes)

    def _build_source(self) -> None:
        first = gr.Column(elem_classes=["svd-tight"])
        make_html(f"<p class='svd-about'>{NO_PROMPT}</p>")
        self.framing = Framing(self._studio, PART)
        self._presets = PresetRow(self._studio, self._page, PART)
        self.controls = Controls(self._studio, PART, self._page, model_place=first)
        self.controls.begin_with = self._presets.get_settings
        self._from_file = FromFile(PART)
        self._sweeping = Sweeping(self._studio, self._page, PART)
        self._tuning = Tuning(self._studio, self._page, PART)

    def _build_results(self) -> None:
        with gr.Column(variant="panel", elem_id=f"{PART}_results_panel"):
            self._status = make_html(elem_id=f"{PART}_status")
            self._clip = make_html(elem_id=f"{PART}_clip")
            with gr.Group(elem_id=f"{PART}_gallery_container"):
                self._gallery = gr.Gallery(
                    label="Frames of the clip",
                    show_label=False,
                    elem_id=f"{PART}_gallery",
                    columns=4,
                    object_fit="contain",
                    **SMALL,
                    **NO_SHARING,
                )
            with gr.Row(elem_id=f"image_buttons_{PART}", elem_classes=["image-buttons"]):
                self._continue = _make_small_button("Continue from this frame", "continue")
                self._sends = {
                    target: _make_small_button(f"Send to {target}", f"send_to_{target}")
                    for target in self._page.targets
                }
                self._folder = _make_small_button("Open folder", "open_folder") if self._page.opens_folders else None
            self._infotext = gr.Textbox(
                label="Settings of this clip",
                elem_id=f"{PART}_infotext",
                interactive=False,
                lines=INFOTEXT_LINES,
                max_lines=INFOTEXT_LINES,  # the same: gradio's own measuring fails while the tab is not in view
                **COPYABLE,
            )
            self._swept = self._sweeping.build_results()
            self._tuned = self._tuning.build_results()
            self._finishing = FinishPanel(self._studio, self._page, PART, self._made)
            self._reviewing = Reviewing(self._studio, PART, self._made)
        self._frame = make_picture_box(f"{PART}_selected_frame", visible=False, label="Selected frame", **LOSSLESS)

    def _wire(self) -> None:
        controls, sweeping = self.controls, self._sweeping
        shown = [self._clip, self._gallery, self._frame, self._made, self._infotext, self._status]
        asked = [self._task, self.framing.picture, controls.with_frames, *controls.components]
        made = self._bind(self._generate, self._make_clip, asked, shown)
        swept = self._bind(sweeping.button, self._sweep, [*asked, *sweeping.inputs], [*self._swept, *shown])
        tuning = self._tuning
        tuned = self._bind(tuning.button, self._tune, [*asked, tuning.budget], [*self._tuned, *shown])
        more = [self._task, tuning.name, tuning.budget]
        further = self._bind(tuning.go_on, self._tune_further, more, [*self._tuned, *shown])
        draft = tuning.chosen.input(fn=self.show_draft, inputs=[tuning.name, tuning.chosen], outputs=shown, **QUIET)
        tuning.wire(controls)
        choice = [sweeping.chosen, sweeping.name, self._made, self._infotext]
        opened = sweeping.chosen.input(fn=self.show_swept, inputs=choice, outputs=shown, **QUIET)
        returned = self._returned.click(
            fn=self.show_ended, inputs=[self._task], outputs=shown, **QUIET, **make_js(f"() => [svdTaken('{PART}')]")
        )
        self._wire_stop()
        self._queueing.wire(self._queue_tab, controls)
        self._enqueue.click(fn=self.enqueue, inputs=asked[1:], outputs=[self._status], **QUIET)
        self.framing.wire(controls)
        self._gallery.select(fn=self.select, inputs=[self._made], outputs=[self._frame], **QUIET)
        self._continue.click(fn=_take_frame, inputs=[self._frame], outputs=[self.framing.picture], **QUIET)
        moved = [self._presets.wire(controls), self._from_file.wire(controls)]
        finishing = self._finishing
        finished = self._bind(
            finishing.button, self._finish, [self._task, *finishing.inputs], [finishing.other, *shown]
        )
        brought = [self.framing.picture, *controls.restored, *shown]
        back = self._browsing.wire(self._history, brought, self.restore)
        opened_there = self._browsing.wire_finish([*shown, finishing.panel], self.open_finishing)
        gone = self._browsing.trashed.then(
            fn=self.clear_trashed, inputs=[self._made, sweeping.name], outputs=shown, **QUIET
        )
        sweeping.wire([made, opened, back], self._made)
        shows = [made, swept, tuned, further, draft, opened, opened_there, returned, back, gone]
        finishing.wire(shows, finished)
        shows.append(finished)
        self._reviewing.wire(shows, controls)
        begun = [self._generate, sweeping.button, tuning.button, tuning.go_on]
        self._one_change.wire(begun, shows, moved, self.framing.picture, controls)
        controls.reuse.click(fn=_read_seed, inputs=[self._infotext], outputs=[controls["seed"]], **QUIET)
        for target, button in self._sends.items():
            self._page.send(button, target, self._frame)
        if self._folder is not None:
            self._folder.click(fn=self.open_folder, inputs=[], outputs=[], **QUIET)

    def _wire_stop(self) -> None:
        """Let Interrupt and Skip stop this page's job: the script presses this button in their place."""
        stop = gr.Button(elem_id=f"{PART}_stop", elem_classes=["svd-hidden"])
        stopped = gr.Textbox("", visible=False, elem_id=f"{PART}_stopped")
        asked = stop.click(
            fn=self.stop, inputs=[self._task], outputs=[stopped], **QUIET, **make_js(f"() => [svdFollowed('{PART}')]")
        )
        asked.then(fn=None, inputs=[stopped], outputs=[], **QUIET, **make_js("svdPressThrough"))

    def _bind(self, button: Any, job: Job, given: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Let a button put a job into the page's queue, once the models are there; gives the event. What was said of
        the last job goes at once.
        """
        pressed = gr.Button(elem_id=f"{button.elem_id}_now", elem_classes=["svd-hidden"])
        press = f"() => {{ svdPress('{pressed.elem_id}'); svdShowResults('{PART}'); return ['']; }}"
        button.click(fn=None, inputs=[], outputs=[self._status], **QUIET, **make_js(press))
        return pressed.click(
            fn=self._keep_outputs(self._page.queue_job(job, _change_nothing(len(outputs) - 1)), len(outputs)),
            inputs=given,
            outputs=outputs,
            show_progress=False,
            **IN_OUR_LINE,
            **make_js(f"function() {{ return svdSubmit('{PART}', arguments, {len(given)}); }}"),
        )

    def _keep_outputs(self, queued: Queued, count: int) -> Queued:
        """Keep what the `count` outputs of a job are, for a page that is loaded again meanwhile."""

        async def keep(task: str, *values: Any) -> Sequence[Any]:
            try:
                outputs = await queued(task, *values)
            except Busy as error:
                outputs = [*_change_nothing(count - 1), render_error(str(error))]
            except Interrupted as stop:
                outputs = [*_change_nothing(count - 1), render_remark(str(stop))]
            _shelve(self._ended, task, outputs[-SHOWN:])
            return outputs

        async def wait(task: str, *values: Any) -> Sequence[Any]:
            return await asyncio.shield(asyncio.ensure_future(keep(task, *values)))  # its page may be closed meanwhile

        return wait

    def show_ended(self, task: str) -> Sequence[Any]:
        """Give what a job showed that ended after its page was loaded again, unless several others ended since."""
        return self._ended.get(task) or _change_nothing()

    async def stop(self, task: str) -> str:
        """Stop the job that a page follows, be it another page's turn; gives the task's id where the host's own button
        is to stop it, since it runs in the host's queue.
        """
        return "" if not task or await self._page.stop_job(task) else task

    def enqueue(self, picture: Image.Image | BadPicture | None, with_frames: bool, *values: Any) -> Any:
        """Add a clip to the queue; says where it stands there."""
        try:
            settings = self.controls.read(values)
        except SvdError as error:
            return render_error(str(error))
        return self._queueing.add("animate", {**settings, "frames": with_frames}, picture)

    def _make_clip(self, picture: Image.Image | None, with_frames: bool, *values: Any) -> Sequence[Any]:
        """Make a clip."""

        def work() -> Sequence[Any]:
            return self._show_clip(self._studio.animate(self._order(picture, with_frames, values)))

        return _try_work(work, SHOWN)

    def _sweep(self, picture: Image.Image | None, with_frames: bool, *values: Any) -> Sequence[Any]:
        """Make a clip for each value of a setting."""
        *settings, label, text = values

        def work() -> Sequence[Any]:
            first = self._order(picture, with_frames, settings, SWEEP)
            with hold_name(first.to.out.parent, SWEEP, first.to.out.suffix) as out:
                first = replace(first, to=first.to.rename(out))
                whole, ended, panel = self._sweeping.sweep(first, label, text)
            *shown, status = self._show_clip(whole, is_grid=not whole.video.stem.startswith(f"{out.stem}-"))
            return [*panel, *shown, render_remark(ended) + status if ended else status]

        return _try_work(work, len(self._swept) + SHOWN)

    def _tune(self, picture: Image.Image | None, with_frames: bool, *values: Any) -> Sequence[Any]:
        """Make drafts until the settings are found."""
        *settings, budget = values

        def work() -> Sequence[Any]:
            first = self._order(picture, False, settings, SEARCH)
            with hold_name(first.to.out.parent, SEARCH, first.to.out.suffix) as out:
                return self._show_drafts(*self._tuning.find(replace(first, to=first.to.rename(out)), budget))

        return _try_work(work, len(self._tuned) + SHOWN)

    def _tune_further(self, name: str, budget: float) -> Sequence[Any]:
        """Make more drafts of a search."""
        return _try_work(lambda: self._show_drafts(*self._tuning.find_more(name, budget)), len(self._tuned) + SHOWN)

    def _show_drafts(self, best: SavedClip, ended: str, panel: Sequence[Any]) -> Sequence[Any]:
        *shown, status = self._show_clip(best)
        return [*panel, *shown, render_remark(ended) + status if ended else status]

    def show_draft(self, name: str, chosen: str) -> Sequence[Any]:
        """Show the draft of a search that is chosen."""
        return _try_work(lambda: self._show_clip(self._tuning.find_draft(name, chosen).saved), SHOWN)

    def _finish(self, *given: Any) -> Sequence[Any]:
        """Finish a clip, and show what came of it."""

        def work() -> Sequence[Any]:
            path, saved = self._finishing.finish(*given)
            return [path, *self._show_clip(saved)]

        return _try_work(work, 1 + SHOWN)

    def open_finishing(self, entry: Entry) -> Sequence[Any]:
        """Show a clip of the history, made here or elsewhere, and open the panel; the controls stay as they are.

        Raises:
            BadInput: the clip cannot be read.
        """
        return [*self._show_clip(open_clip(entry.video)), gr.update(open=True)]

    def show_swept(self, chosen: str, name: str, made: str, infotext: str) -> Sequence[Any]:
        """Show one clip of the last sweep, or all of them, unless that is the clip shown: a choice that we make
        ourselves is told by gradio 4 as the user's, and what was said of the sweep would go.
        """
        path = self._studio.find_clip(self._sweeping.find_path(chosen, name))
        if infotext and made == ("" if chosen == ALL else str(path)):
            return _change_nothing()
        return _try_work(lambda: self._show_clip(reopen_clip(path), is_grid=chosen == ALL), SHOWN)

    def _order(
        self, picture: Image.Image | BadPicture | None, with_frames: bool, values: Sequence[Any], stem: str = "clip"
    ) -> Order:
        settings = self.controls.read(values)
        request = ClipRequest.from_mapping({"seed": draw_seed(), **settings})
        image = None if picture is None else check_picture(picture)
        source = "" if image is None else image.info.get("parameters", "")
        return self._studio.order(request, image, stem=stem, with_frames=with_frames, source=source)

    def _show_clip(self, saved: SavedClip, *, is_grid: bool = False) -> Sequence[Any]:
        """Give outputs for a clip; of several side by side there is none to review, nor a frame to go on from."""
        clip, name = saved.clip, "" if is_grid else str(saved.video)
        every = -(-len(clip.frames) // MOST_PICTURES)
        seen = clip.frames if every == 1 else clip.frames[::every].copy()  # the others need not be kept
        _shelve(self._shelf, name, seen)
        gallery: list[Any] = [str(path) for path in saved.frames[::every]] or [Image.fromarray(frame) for frame in seen]
        status = render_notes(saved.notes) + render_time(clip.frames.shape, clip.fps, clip.seconds)
        last = None if is_grid else Image.fromarray(clip.frames[-1])
        player = render_clip(
            self._page.find_url(saved.video), clip.size, plays=describe_playing(self._studio.host.options)
        )
        return [player, gallery, last, name, clip.infotext, status]

    def restore(self, entry: Entry) -> Sequence[Any]:
        """Show a clip of the history as if it had just been made: its picture, its settings and all that is shown of
        it.

        Raises:
            BadInput: the clip cannot be read, or carries no settings.
        """
        back = restore_entry(entry)
        model, models, saved = back.settings.get("checkpoint", ""), Offered(self._studio), back.saved
        meant = models.find_meant(model)
        if not (meant and is_made_with(model, models[meant].checkpoint)):
            note = f"The model {model} is not there: another one is chosen, whose clip will be another."
            saved = replace(saved, notes=(*saved.notes, note))
        wants_object = bool(meant) and models[meant].checkpoint.family.wants_objects
        picture = (back.cut_out if wants_object else None) or back.picture
        return [
            gr.update() if picture is None else picture,
            *self.controls.restore(back.settings),
            *self._show_clip(saved),
        ]

    def clear_trashed(self, made: str, swept: str) -> Sequence[Any]:
        """Show nothing of a clip that was thrown away, nor of a sweep's side by side."""
        name = made or (self._sweeping.find_path(ALL, swept) if swept else "")
        if not name or self._studio.find_clip(name).is_file():
            return _change_nothing()
        return ["", [], None, "", "", render_remark(f"{Path(name).name} is in the trash.")]

    def select(self, name: str, chosen: gr.SelectData) -> Any:
        """Give the frame clicked on, without loss: the gallery's own pictures may be smaller or JPEG."""
        frames = self._shelf.get(name)
        return gr.update() if frames is None else Image.fromarray(frames[chosen.index])

    def open_folder(self) -> None:
        """Show the clips' folder on the server's screen."""
        self._page.open_folder(self._studio.host.folders.find_output_dir())


def _make_small_button(text: str, name: str) -> Any:
    return gr.Button(text, size="sm", min_width=80, elem_id=f"{PART}_{name}")


def _change_nothing(count: int = SHOWN) -> list[Any]:
    """Give updates that change nothing."""
    return [gr.update() for _ in range(count)]


def _shelve(shelf: OrderedDict[str, Any], name: str, what: Any) -> None:
    """Lay something down by its name, and let go of what lies longest."""
    shelf[name] = what
    while len(shelf) > SHELF:
        shelf.popitem(last=False)


def _try_work(work: Callable[[], Sequence[Any]], count: int) -> Sequence[Any]:
    """Give what work gives for `count` outputs; where it fails, what was there stays and the last one says why."""
    stays = _change_nothing(count - 1)
    try:
        return work()
    except Interrupted as stop:
        return [*stays, render_remark(str(stop))]
    except SvdError as error:
        return [*stays, render_error(str(error))]
    except Exception as error:
        log.exception("The clip could not be made")
        why = f"{type(error).__name__}: {error}".rstrip(".:")
        return [*stays, render_error(f"The clip could not be made ({why}): the log has more.")]


def _take_frame(frame: Image.Image | BadPicture | None) -> Any:
    return frame if isinstance(frame, Image.Image) else gr.update()


def _read_seed(infotext: str) -> Any:
    """Read the seed of a clip out of its settings; nothing where there is no clip yet."""
    try:
        return ClipRequest.from_infotext(infotext).seed if infotext else gr.update()
    except BadRequest:
        return gr.update()
