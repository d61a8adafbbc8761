"""The kinds of job: what each may be asked for, and how it is made, clip by clip, or gone on with after a crash."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from PIL import Image

from lib_svd import jobs
from lib_svd.animate import Order
from lib_svd.clip import SavedClip
from lib_svd.errors import BadRequest
from lib_svd.files import hold_name
from lib_svd.finish.deliveries import find_delivery
from lib_svd.finish.finishing import FINISHINGS, Finishing, add_finished
from lib_svd.jobs import FinishOrder, Swept, reopen_clip, uploads
from lib_svd.queue.animate_folder import AnimateFolder
from lib_svd.queue.recovering import find_clip, recover
from lib_svd.queue.task import Kind, Task, is_seed_open, read_formats, read_switch, read_text
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS, Setting, draw_seed
from lib_svd.strangers import find_whole, quote
from lib_svd.studio import Studio

SENT = "sent.mp4"  # what a clip is called that comes along
SWEEP = "sweep"  # how the names of a sweep's clips begin
SAVING = ("frames", "also", "source")  # of an order: how the clip is saved, and not what it is like


class Animate:
    """A picture becomes a clip."""

    fields = frozenset({*SETTINGS, "speed", *SAVING})

    def check(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> dict[str, Any]:
        """See `Kind.check`."""
        order = _settle_seed(order)
        _make_order(studio, order, _open(content))
        return order

    def make(self, task: Task) -> Iterator[SavedClip]:
        """See `Kind.make`."""
        yield _animate(task, _make_order(task.studio, task.job.order, task.content))


class Extend:
    """A clip goes on: one of its frames is animated with the clip's own settings, and from another seed."""

    fields = frozenset({*Animate.fields, "clip", "frame"})

    def check(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> dict[str, Any]:
        """See `Kind.check`."""
        if content is not None:
            raise BadRequest('A clip is extended from its own frame: give "clip", its name, and no picture.')
        order = _settle_seed(order)
        self._make_order(studio, order)
        return order

    def make(self, task: Task) -> Iterator[SavedClip]:
        """See `Kind.make`."""
        yield _animate(task, self._make_order(task.studio, task.job.order))

    def _make_order(self, studio: Studio, order: Mapping[str, Any]) -> Order:
        clip = reopen_clip(studio.find_clip_by_name(read_text("clip", order.get("clip")))).clip
        given, count = order.get("frame", -1), len(clip.frames)
        number = find_whole(given)
        if number is None or not -1 <= number < count:
            raise BadRequest(f'"frame" must be from 0 to {count - 1}, or -1 for the last one, not {quote(given)}.')
        before = asdict(ClipRequest.from_infotext(clip.infotext))
        settings = {name: value for name, value in before.items() if value is not None}
        changed = {name: value for name, value in order.items() if name not in ("clip", "frame")}
        return _make_order(studio, {**settings, **changed}, Image.fromarray(clip.frames[number]))


class Sweep:
    """A picture becomes a clip for each of several values of one setting, and one that shows them all."""

    fields = frozenset({*SETTINGS, "speed", "source", "sweep", "values"})

    def check(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> dict[str, Any]:
        """See `Kind.check`."""
        order = _settle_seed(order)
        setting, values = self._read_values(order)
        jobs.make_orders(self._make_first(studio, order, _open(content)), setting, values)
        return order

    def make(self, task: Task) -> Iterator[SavedClip]:
        """See `Kind.make`.

        One that was ended goes on under another number: its first clips keep theirs.
        """
        setting, values = self._read_values(task.job.order)
        done = [reopen_clip(Path(each["path"])) for each in task.job.clips]
        if len(done) > len(values):
            return  # the one that shows them all is there too
        swept = [Swept(value=value, saved=saved, review=None) for value, saved in zip(values, done, strict=False)]
        first = self._make_first(task.studio, task.job.order, task.content)
        with hold_name(first.to.out.parent, SWEEP, first.to.out.suffix) as out:
            first = replace(first, to=first.to.rename(out))
            orders = jobs.make_orders(first, setting, values[len(done) :])
            if task.planned and orders and (found := self._recover(task, task.planned, out, orders[0])):
                swept.append(Swept(value=values[len(done)], saved=found, review=None))
                yield found
                orders = orders[1:]
            if orders:
                task.plan(out)
            for each in task.studio.sweep(orders, setting):
                swept.append(each)
                yield each.saved
            yield self._show_all(task, swept, setting, first)

    def _recover(self, task: Task, planned: Path, out: Path, order: Order) -> SavedClip | None:
        value = order.to.out.stem.removeprefix(out.stem)
        return recover(task.studio, order, planned.with_name(f"{planned.stem}{value}{planned.suffix}"))

    def _show_all(self, task: Task, swept: Sequence[Swept], setting: Setting, first: Order) -> SavedClip:
        text = jobs.write_grid_infotext(swept, setting)
        found = find_clip(task.planned, text) if task.planned else None
        return reopen_clip(found) if found else jobs.save_grid(swept, setting, first.to.out, first.to.encoding)

    def _make_first(self, studio: Studio, order: Mapping[str, Any], picture: Any) -> Order:
        rest = {name: value for name, value in order.items() if name not in ("sweep", "values")}
        return _make_order(studio, rest, picture, SWEEP)

    def _read_values(self, order: Mapping[str, Any]) -> tuple[Setting, tuple[object, ...]]:
        setting = jobs.find_sweepable(read_text("sweep", order.get("sweep")))
        values = order.get("values", "")
        text = ", ".join(map(str, values)) if isinstance(values, list) else read_text("values", values)
        return setting, jobs.read_values(setting, text)


class Finish:
    """A clip that is there, or comes along, is finished."""

    fields = frozenset({*FINISHINGS, "clip", "for", "also"})

    def check(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> dict[str, Any]:
        """See `Kind.check`."""
        if (order.get("clip") is None) == (content is None):
            raise BadRequest('Say which clip: "clip", a name in the folders of clips, or "video", as base64; not both.')
        with self._hold_order(studio, order, content):
            return dict(order)

    def make(self, task: Task) -> Iterator[SavedClip]:
        """See `Kind.make`."""
        content = task.content.read_bytes() if task.content else None
        with self._hold_order(task.studio, task.job.order, content) as order:
            text = add_finished(order.source.infotext, order.finishing, order.name)
            found = find_clip(task.planned, text) if task.planned else None
            if found is None:
                task.plan(order.out)
            yield task.studio.finish(order) if found is None else reopen_clip(found)

    @contextmanager
    def _hold_order(self, studio: Studio, order: Mapping[str, Any], content: bytes | None) -> Iterator[FinishOrder]:
        """Give what can be carried out while the clip that came along, if one did, is kept in a file."""
        finishing, copies = self._read_finishing(order)
        if content is None:
            clip = studio.find_clip_by_name(read_text("clip", order.get("clip")))
            yield studio.finish_order(clip, finishing, copies)
            return
        with uploads.keep_upload(content, studio.find_output_dir()) as path:
            yield studio.finish_order(path, finishing, copies, name=SENT)

    def _read_finishing(self, order: Mapping[str, Any]) -> tuple[Finishing, list[str]]:
        delivery = order.get("for")
        chosen = None if delivery is None else find_delivery(read_text("for", delivery))
        given = {name: value for name, value in order.items() if name not in ("clip", "for", "also")}
        finishing = Finishing.from_mapping({**(chosen.finishing if chosen else {}), **given})
        return finishing, [*dict.fromkeys([*(chosen.copies if chosen else ()), *read_formats(order)])]


KINDS: Mapping[str, Kind] = {
    "animate": Animate(),
    "extend": Extend(),
    "sweep": Sweep(),
    "folder": AnimateFolder(),
    "finish": Finish(),
}
"""By the name that programs ask for."""


def read_kind(name: Any) -> Kind:
    """Find the kind of that name; raises BadRequest where there is none."""
    if not isinstance(name, str) or name not in KINDS:
        raise BadRequest(f'"kind" must be one of {", ".join(KINDS)}, not {quote(name)}.')
    return KINDS[name]


def part_order(order: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part an order into the settings of a clip, which are not looked at, and how it is saved, as `Studio.order` has
    it; raises BadRequest where that cannot be.
    """
    saving = {
        "with_frames": read_switch("frames", order.get("frames")),
        "source": read_text("source", "" if order.get("source") is None else order["source"]),
        "also": read_formats(order),
    }
    return {name: value for name, value in order.items() if name not in SAVING}, saving


def _animate(task: Task, order: Order) -> SavedClip:
    """Make a clip, unless it is there, or its latents are."""
    found = recover(task.studio, order, task.planned) if task.planned else None
    if found is not None:
        return found
    task.plan(order.to.out)
    return task.studio.animate(order)


def _settle_seed(order: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a seed where none is given: a job that is made again after a crash gives the same clip."""
    return {**order, "seed": draw_seed() if is_seed_open(order) else order["seed"]}


def _open(content: bytes | None) -> io.BytesIO | None:
    return None if content is None else io.BytesIO(content)


def _make_order(studio: Studio, order: Mapping[str, Any], picture: Any, stem: str = "clip") -> Order:
    """Hold an order against the picture, the model and the place to write; raises BadInput."""
    settings, saving = part_order(order)
    return studio.order(studio.make_request(settings), picture, stem=stem, **saving)
