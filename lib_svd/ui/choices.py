"""What the controls offer for a model, and how they follow when another one is chosen. No gradio here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from lib_svd.checkpoints import MODEL_PAGE, Checkpoint
from lib_svd.checkpoints.families import CONDITIONING, FAMILIES, MOST_STEPS, Family
from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest
from lib_svd.settings import SETTINGS
from lib_svd.strangers import make_showable
from lib_svd.ui.clips import join_html

FAR = 2  # times the native frames and sides that sliders reach
FOLLOWING = tuple(name for name, setting in SETTINGS.items() if setting.is_open)
"""Controls that go to the new model's value when another model is chosen, unless the user changed them."""


class Bounds(NamedTuple):
    """What a slider reaches."""

    low: float
    high: float
    step: float

    def find_nearest(self, value: float) -> float:
        """Give the value itself, or the end of the slider that is nearest."""
        return type(value)(min(max(value, self.low), self.high))


class Made(NamedTuple):
    """What a model was made for, as far as controls care."""

    family: Family
    grid: int

    @classmethod
    def of(cls, checkpoint: Checkpoint | None) -> Made:
        """Read what a model was made for; None stands for the most common one, before any model is known."""
        return cls(FAMILIES["svd_xt"], 64) if checkpoint is None else cls(checkpoint.family, checkpoint.size_grid)

    @property
    def takes_path(self) -> bool:
        """Whether the camera's path can be chosen."""
        return "polars_rad" in dict(CONDITIONING[self.family.conditioning])

    def list_defaults(self) -> dict[str, Any]:
        """Give the value of each control that follows the model."""
        return self.family.list_own_settings()

    def find_bounds(self, name: str) -> Bounds:
        """Say what the slider of a numeric setting reaches with this model."""
        setting, family = SETTINGS[name], self.family
        if name in ("width", "height"):
            low = -(-int(setting.low) // self.grid) * self.grid
            return Bounds(low, FAR * max(family.native_size) // self.grid * self.grid, self.grid)
        if name in ("num_frames", "decode_chunk"):
            return Bounds(setting.low, FAR * family.num_frames, 1)
        if name == "motion_bucket_id":
            return Bounds(family.lowest_motion, family.highest_motion, 1)
        if name == "num_steps":
            return Bounds(setting.low, MOST_STEPS.get(family.schedule, setting.high), 1)
        # SV3D's 0.00001 lies between two steps, and a browser would round it to 0.
        finest = family.noise_aug_strength if name == "noise_aug_strength" else setting.step
        return Bounds(setting.low, setting.high, min(setting.step, finest))

    def write_hint(self, name: str) -> str:
        """Say what a numeric setting does. Numbers in its help are for the most common model: where this one begins
        elsewhere, that is said in place of them.
        """
        told, own = SETTINGS[name].help, self.list_defaults().get(name)
        if not any(map(str.isdigit, told)) or own == Made.of(None).list_defaults().get(name):
            return told
        plain = (each for each in told.split(". ") if not any(map(str.isdigit, each)))
        return ". ".join(each.rstrip(".") for each in (*plain, f"{own:g} is where this model begins.")) + "."

    def follow(self, values: Mapping[str, Any], before: Made) -> dict[str, Any]:
        """Say where each control goes that stood at `before`; what the user changed stays, within this model's reach.

        Guidance that follows does not cross guidance that stays.
        """
        old, new = before.list_defaults(), self.list_defaults()
        kept = {name: values[name] for name in FOLLOWING if values.get(name) is not None and values[name] != old[name]}
        for name, value in kept.items():
            if SETTINGS[name].kind is not str:
                kept[name] = self.find_bounds(name).find_nearest(value)
        for name in ("width", "height"):
            if name in kept:
                kept[name] = kept[name] // self.grid * self.grid
        with suppress(BadRequest):  # values that are refused anyway when a clip is asked for stay for the user to see
            complete, _ = self.family.complete(ClipRequest(**_drop_size(kept)), grid=self.grid)
            new |= _drop_size({name: getattr(complete, name) for name in FOLLOWING})
        return new | kept


def render_model(checkpoint: Checkpoint) -> Markup:
    """Show what a model is, for below the list of models, HTML."""
    family = checkpoint.family
    made_for = f"{family.num_frames} frames of {family.width}x{family.height} at {family.fps} fps"
    notes = join_html(Markup("<p>{}</p>").format(note) for note in checkpoint.notes)
    return Markup("<b>{}</b>, made for {}. {}.<details><summary>Terms of use</summary>{}</details>{}").format(
        family.title, made_for, family.licence, family.commercial_use, notes
    )


def render_no_model(folder: Path) -> Markup:
    """Show where to get a model and where to put it, HTML."""
    page = MODEL_PAGE
    return Markup(
        "<p><b>There is no SVD model yet.</b> Get svd_xt.safetensors from "
        '<a href="{}" target="_blank" rel="noopener">{}</a> (free, after accepting its licence), '
        "put it into <code>{}</code>, then press ↻.</p>"
    ).format(page, page.removeprefix("https://"), make_showable(str(folder)))


def _drop_size(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("width", "height")}
