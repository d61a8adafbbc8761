"""What is done with more than one clip, or with a clip that is there: sweep a setting, look at it, finish it, remember.

What needs a model is imported when it is asked for, so that the history opens without waiting for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib_svd.jobs import history
    from lib_svd.jobs.finishing import FinishOrder, finish, finish_order
    from lib_svd.jobs.looking import Looked, embedding, look, settings_of_clip
    from lib_svd.jobs.noting import noted, remembered
    from lib_svd.jobs.restoring import Restored, opened, reopened, restored
    from lib_svd.jobs.sweeping import Swept, grid, grid_infotext, orders, read_values, save_grid, sweep, sweepable
    from lib_svd.jobs.tuning import Draft, apply_draft, choose_best, tune

__all__ = [
    "Draft",
    "FinishOrder",
    "Looked",
    "Restored",
    "Swept",
    "apply_draft",
    "choose_best",
    "embedding",
    "finish",
    "finish_order",
    "grid",
    "grid_infotext",
    "history",
    "look",
    "noted",
    "opened",
    "orders",
    "read_values",
    "remembered",
    "reopened",
    "restored",
    "save_grid",
    "settings_of_clip",
    "sweep",
    "sweepable",
    "tune",
]

_PLACES = {
    "finishing": ("FinishOrder", "finish", "finish_order"),
    "looking": ("Looked", "embedding", "look", "settings_of_clip"),
    "noting": ("noted", "remembered"),
    "restoring": ("Restored", "opened", "reopened", "restored"),
    "sweeping": ("Swept", "grid", "grid_infotext", "orders", "read_values", "save_grid", "sweep", "sweepable"),
    "tuning": ("Draft", "apply_draft", "choose_best", "tune"),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"lib_svd.jobs.{module}"), name)
    raise AttributeError(f"lib_svd.jobs has no {name}")
