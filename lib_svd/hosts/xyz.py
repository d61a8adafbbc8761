"""Settings of a clip as axes of the web UI's own "X/Y/Z plot"."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib_svd.errors import BadRequest
from lib_svd.hosts.script import PictureScript

OFF = "An X/Y/Z plot over an [SVD] axis needs clips: switch on Animate with SVD > Animate the pictures."


def add_axes(settings: Mapping[str, Any]) -> None:
    """Add an axis for each setting, a `request.Field` by its label.

    When all scripts are loaded and no page is built: before, the plot's script may not be there; after, its lists are.
    """
    from modules import script_callbacks

    script_callbacks.on_before_ui(lambda: _add(settings))


def _add(settings: Mapping[str, Any]) -> None:
    from modules import scripts

    plots = {id(each.module): each.module for each in scripts.scripts_data if Path(each.path).name == "xyz_grid.py"}
    for plot in plots.values():
        known = {axis.label for axis in plot.axis_options}
        plot.axis_options += [_axis(plot, label, field) for label, field in settings.items() if label not in known]


def _axis(plot: Any, label: str, field: Any) -> Any:
    def give(p: Any, value: Any, values: list[Any]) -> None:
        p.svd_changes = {**getattr(p, "svd_changes", {}), field.name: value}  # not in place: cells are shallow copies

    return plot.AxisOption(
        label,
        Words(field),
        give,
        format_value=lambda p, axis, value: f"{axis.label}: {field.written(value)}",
        confirm=_refuse_while_off,
        choices=None if field.choices is None else lambda: list(field.choices.values()),
    )


class Words:
    """What the plot takes for an axis's type: reads what is written for it, before anything is made.

    It equals the setting's own type, by which the plot knows whether 60-90 (+15) is a range.
    """

    def __init__(self, field: Any) -> None:
        self._field = field

    def __eq__(self, other: object) -> bool:
        return other is self._field.kind

    def __call__(self, word: Any) -> Any:
        """The value.

        Raises:
            BadRequest: it is none of this setting's.
        """
        text = word if isinstance(word, str) else f"{word:.8g}"  # a range steps in floats: 0.030000000000000002
        return self._field.checked(self._field.read(text))


def _refuse_while_off(p: Any, values: list[Any]) -> None:
    ours = next(script for script in p.scripts.alwayson_scripts if isinstance(script, PictureScript))
    if not ours.is_on(p):
        raise BadRequest(OFF)
