"""Settings of a clip as axes of the web UI's own "X/Y/Z plot"."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib_svd.errors import BadInput, BadRequest
from lib_svd.hosts.lacking import Lacks, Need
from lib_svd.hosts.script import PictureScript

OFF = "An X/Y/Z plot over an [SVD] axis needs clips: switch on Animate with SVD > Animate the pictures."


def add_axes(settings: Mapping[str, Any], lacks: Lacks) -> None:
    """Add an axis for each setting, a `settings.Setting` by its label.

    When all scripts are loaded and no page is built: before, the plot's script may not be there; after, its lists are.
    """

    def register() -> None:
        from modules import script_callbacks

        script_callbacks.on_before_ui(lambda: lacks.guard(Need.AXES, _add)(settings))

    lacks.guard(Need.AXES, register)()


def _add(settings: Mapping[str, Any]) -> None:
    from modules import scripts

    plots = {id(each.module): each.module for each in scripts.scripts_data if Path(each.path).name == "xyz_grid.py"}
    for plot in plots.values():
        known = {axis.label for axis in plot.axis_options}
        plot.axis_options += [_make_axis(plot, label, field) for label, field in settings.items() if label not in known]


def _make_axis(plot: Any, label: str, field: Any) -> Any:
    def give(p: Any, text: str, texts: list[str]) -> None:
        value = field.check(field.read(text))
        p.svd_changes = {**getattr(p, "svd_changes", {}), field.name: value}  # not in place: cells are shallow copies

    return plot.AxisOption(
        label,
        Written(field.kind),
        give,
        confirm=lambda p, texts: _confirm(p, field, texts),
        choices=None if field.choices is None else lambda: list(field.choices.values()),
    )


class Written:
    """What a plot takes for an axis's type. Values stay as they are written until `_confirm`, which knows the job.

    It equals the setting's own type, by which the plot knows whether 60-90 (+15) is a range.
    """

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __eq__(self, other: object) -> bool:
        return other is self._kind

    def __call__(self, value: Any) -> str:
        """Give what is written, or a number out of a range, which steps in floats: 0.030000000000000002 is 0.03."""
        return value.strip() if isinstance(value, str) else f"{value:.8g}"


def _confirm(p: Any, field: Any, texts: list[str]) -> None:
    """Refuse what cannot be done before anything is made.

    Raises:
        BadInput: a value is none of this setting's, or the pictures are not to be animated.
    """
    ours = next(script for script in p.scripts.alwayson_scripts if isinstance(script, PictureScript))
    try:
        for text in texts:
            field.check(field.read(text))
        if not ours.is_on(p):
            raise BadRequest(OFF)
    except BadInput as error:
        if not p.is_api:
            ours.hook.refuse(error)
        raise
