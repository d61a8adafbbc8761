"""What is done with more than one clip, or with a clip that is there: sweep a setting, look at a clip, remember."""

from lib_svd.jobs import history
from lib_svd.jobs.looking import Looked, embedding, look, settings_of_clip
from lib_svd.jobs.noting import noted
from lib_svd.jobs.restoring import Restored, reopened, restored
from lib_svd.jobs.sweep import Swept, grid, orders, read_values, save_grid, sweep, sweepable

__all__ = [
    "Looked",
    "Restored",
    "Swept",
    "embedding",
    "grid",
    "history",
    "look",
    "noted",
    "orders",
    "read_values",
    "reopened",
    "restored",
    "save_grid",
    "settings_of_clip",
    "sweep",
    "sweepable",
]
