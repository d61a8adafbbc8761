"""Model files: find them, recognise what they are, refuse what cannot be used, load the rest strictly.

path = named(name, host.folders.model_dirs(), is_usable)
checkpoint = recognise(path, search_dirs=host.folders.model_dirs())
request, notes = checkpoint.family.complete(request, grid=checkpoint.size_grid, auto_size=size)
svd = load(checkpoint, host)
"""

from lib_svd.checkpoints.describe import describe
from lib_svd.checkpoints.families import CONDITIONING, FAMILIES, Family
from lib_svd.checkpoints.find import DEMO, find_checkpoints, named, resolve
from lib_svd.checkpoints.load import Svd, load
from lib_svd.checkpoints.recognise import Checkpoint, is_usable, may_move, recognise

__all__ = [
    "CONDITIONING",
    "DEMO",
    "FAMILIES",
    "Checkpoint",
    "Family",
    "Svd",
    "describe",
    "find_checkpoints",
    "is_usable",
    "load",
    "may_move",
    "named",
    "recognise",
    "resolve",
]
