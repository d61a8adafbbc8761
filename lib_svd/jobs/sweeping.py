"""One setting, several values, everything else locked: clips that can be compared, and all of them in one video."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lib_svd import video
from lib_svd.animate import MOST_SHOWN, Load, Order, animate
from lib_svd.checkpoints import add_loras
from lib_svd.clip import Clip, Frames, SavedClip
from lib_svd.errors import BadRequest
from lib_svd.jobs.noting import note_clip
from lib_svd.jobs.nth import NthOf
from lib_svd.ports import Host
from lib_svd.review import Measures, Review
from lib_svd.settings import SETTINGS, SWEPT, Setting, find_setting, list_names

MOST = 36  # clips of one sweep
LABEL = 1 / 12  # of a clip's shorter side; at least LEAST_LABEL pixels
LEAST_LABEL = 14


@dataclass(frozen=True, kw_only=True)
class Swept:
    """One clip of a sweep."""

    value: object
    saved: SavedClip
    review: Review | None  # None: it could not be measured, and its notes say why

    @property
    def measures(self) -> Measures:
        """The measures by name; none where it could not be measured."""
        return {} if self.review is None else self.review.measures


def find_sweepable(name: str) -> Setting:
    """Find the setting of that name, in code, on the command line or in the tab.

    Raises:
        BadRequest: there is none, or it cannot be swept.
    """
    setting = find_setting(name)
    if setting is None or SWEPT not in setting.groups:
        known = ", ".join(SETTINGS[each].word for each in list_names(SWEPT))
        raise BadRequest(f"{name!r} cannot be swept: choose one of {known}.")
    return setting


def read_values(setting: Setting, text: str) -> tuple[object, ...]:
    """Read `60, 75, 90` or `1-4` as values of a setting, each once; "" as the ones to begin with.

    Raises:
        BadRequest: a value is none of this setting, or there are fewer than two or too many.
    """
    text = text.strip() or setting.values
    words = [one for word in text.split(",") if word.strip() for one in _split_range(word.strip())]
    values = tuple(dict.fromkeys(setting.check(setting.read(word)) for word in words))
    if not 2 <= len(values) <= MOST:
        given = "1 is" if len(values) == 1 else f"{len(values)} are"
        raise BadRequest(f"A sweep takes 2 to {MOST} different values, such as 60, 75, 90; {given} given.")
    return values


def make_orders(first: Order, setting: Setting, values: Sequence[object]) -> list[Order]:
    """Make an order a value, all else as in the first; the clips' names end in their values.

    Raises:
        BadInput: the model cannot do one of them, or a clip of that name is there.
    """
    made, family = [], first.checkpoint.family
    for value in values:
        word = re.sub(r"[^\w.+-]+", "_", str(setting.write(value))).strip("_")
        to = first.to.append_word(word)
        video.check_output(to.out, None)
        request, notes = family.complete(
            first.request.replace(**{setting.name: value}), grid=first.checkpoint.size_grid
        )
        checkpoint, lora, told = add_loras(first.checkpoint, request.lora)
        notes = tuple(dict.fromkeys((*first.notes, *notes, *told)))
        made.append(replace(first, request=request.replace(lora=lora), checkpoint=checkpoint, to=to, notes=notes))
    return made


def sweep(made: Sequence[Order], setting: Setting, host: Host, load: Load) -> Iterator[Swept]:
    """Carry out a sweep's orders; each clip is on disk, and measured, when it is given out.

    Raises:
        what `animate` raises; the clips given out before stay.
    """
    for number, order in enumerate(made, 1):
        nth = replace(host, queue=NthOf(host.queue, number, len(made)))
        saved, found = note_clip(order, animate(order, nth, load), nth, load)
        yield Swept(value=getattr(order.request, setting.name), saved=saved, review=found)


def save_grid(swept: Sequence[Swept], setting: Setting, out: Path, encoding: video.Encoding) -> SavedClip:
    """Save all clips of a sweep in one video, each with its value below; those that end earlier keep their last frame.

    Args:
        swept: the clips.
        setting: what differs between them.
        out: the video file.
        encoding: of the video.

    Raises:
        ClipNotSaved: it could not be written; the clips themselves are there.
    """
    clips = [each.saved.clip for each in swept]
    labels = [f"{setting.label} {setting.write(each.value)}" for each in swept]
    frames = make_grid([clip.frames for clip in clips], labels)
    made = Clip(frames=frames, fps=clips[0].fps, infotext=write_grid_infotext(swept, setting))
    return video.save(made, out, encoding=encoding)


def write_grid_infotext(swept: Sequence[Swept], setting: Setting) -> str:
    """Write the infotext of the video of all clips: the values, then the settings of the first."""
    values = ", ".join(str(each.value) for each in swept)
    return f"{setting.infotext}: {values}\n{swept[0].saved.clip.infotext}"


def make_grid(clips: Sequence[Frames], labels: Sequence[str]) -> Frames:
    """Put clips of one size [T, H, W, 3] beside and below each other, as nearly square as can be, labelled.

    Returns:
        [T, H', W', 3] uint8, H' and W' even and no larger than a video may be.
    """
    height, width = clips[0].shape[1:3]
    strip = max(LEAST_LABEL, round(LABEL * min(height, width)))
    columns = min(
        range(1, len(clips) + 1), key=lambda n: (_measure_longer_side(n, len(clips), width, height + strip), n)
    )
    rows = math.ceil(len(clips) / columns)
    shape = (max(map(len, clips)), rows * (height + strip), columns * width, 3)
    sheet = np.zeros(shape, np.uint8)
    for i, (frames, label) in enumerate(zip(clips, labels, strict=True)):
        top, left = i // columns * (height + strip), i % columns * width
        sheet[: len(frames), top : top + height, left : left + width] = frames
        sheet[len(frames) :, top : top + height, left : left + width] = frames[-1]
        sheet[:, top + height : top + height + strip, left : left + width] = _draw_label(label, width, strip)
    return _shrink(sheet, MOST_SHOWN)


def _split_range(word: str) -> list[str]:
    """Read `1-4` as `1`, `2`, `3`, `4`; anything else as itself."""
    ends = re.fullmatch(r"(\d{1,10})-(\d{1,10})", word)
    if ends is None:
        return [word]
    low, high = int(ends[1]), int(ends[2])
    return [str(number) for number in range(low, min(high, low + MOST) + 1)]


def _measure_longer_side(columns: int, count: int, width: int, height: int) -> int:
    return max(columns * width, math.ceil(count / columns) * height)


def _draw_label(label: str, width: int, height: int) -> Frames:
    """Write text on black, [H, W, 3]; Pillow's own font has one size before 10.1, so it is drawn there and enlarged."""
    font = ImageFont.load_default()
    left, top, right, bottom = font.getbbox(label)
    text = Image.new("RGB", (math.ceil(right - left) + 4, math.ceil(bottom - top) + 4))
    ImageDraw.Draw(text).text((2 - left, 2 - top), label, fill="white", font=font)
    scale = min(width / text.width, height / text.height)
    text = text.resize((max(1, int(scale * text.width)), max(1, int(scale * text.height))), Image.Resampling.LANCZOS)
    image = Image.new("RGB", (width, height))
    image.paste(text, ((width - text.width) // 2, (height - text.height) // 2))
    return np.asarray(image)


def _shrink(frames: Frames, most: int) -> Frames:
    """Shrink frames until they fit, and to even sides."""
    height, width = frames.shape[1:3]
    scale = min(1.0, most / max(height, width))
    size = (max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2))
    if size == (width, height):
        return frames
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)) for frame in frames])
