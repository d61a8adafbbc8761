"""What is done with more than one clip, or with a clip that is there: sweep a setting, look at it, finish it, remember.

What needs a model is imported when it is asked for, so that the history opens without waiting for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib_svd.jobs import history
    from lib_svd.jobs.finishing import FinishOrder, finish, finish_order
    from lib_svd.jobs.looking import Looked, look, make_embed, read_clip_settings
    from lib_svd.jobs.noting import note_clip, remember_clip
    from lib_svd.jobs.nth import NthOf
    from lib_svd.jobs.restoring import Restored, open_clip, reopen_clip, restore_entry
    from lib_svd.jobs.sweeping import (
        Swept,
        find_sweepable,
        make_grid,
        make_orders,
        read_values,
        save_grid,
        sweep,
        write_grid_infotext,
    )
    from lib_svd.jobs.tuning import Draft, apply_draft, choose_best, tune

__all__ = [
    "Draft",
    "FinishOrder",
    "Looked",
    "NthOf",
    "Restored",
    "Swept",
    "apply_draft",
    "choose_best",
    "find_sweepable",
    "finish",
    "finish_order",
    "history",
    "look",
    "make_embed",
    "make_grid",
    "make_orders",
    "note_clip",
    "open_clip",
    "read_clip_settings",
    "read_values",
    "remember_clip",
    "reopen_clip",
    "restore_entry",
    "save_grid",
    "sweep",
    "tune",
    "write_grid_infotext",
]

_PLACES = {
    "finishing": ("FinishOrder", "finish", "finish_order"),
    "looking": ("Looked", "make_embed", "look", "read_clip_settings"),
    "noting": ("note_clip", "remember_clip"),
    "nth": ("NthOf",),
    "restoring": ("Restored", "open_clip", "reopen_clip", "restore_entry"),
    "sweeping": (
        "Swept",
        "make_grid",
        "write_grid_infotext",
        "make_orders",
        "read_values",
        "save_grid",
        "sweep",
        "find_sweepable",
    ),
    "tuning": ("Draft", "apply_draft", "choose_best", "tune"),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"lib_svd.jobs.{module}"), name)
    raise AttributeError(f"lib_svd.jobs has no {name}")
