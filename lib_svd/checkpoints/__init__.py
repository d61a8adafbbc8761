"""Model files: find them, recognise what they are, refuse what cannot be used, load the rest strictly.

checkpoint = choose(name, dirs, dirs)
request, notes = checkpoint.family.complete(request, grid=checkpoint.size_grid, auto_size=size)
svd = load(checkpoint, host)
"""

from lib_svd.checkpoints.choose import MODEL_PAGE, choose, explain_no_model, is_made_with, list_refusals
from lib_svd.checkpoints.describe import describe
from lib_svd.checkpoints.families import CONDITIONING, FAMILIES, Family
from lib_svd.checkpoints.find import DEMO, find_checkpoints, name_models
from lib_svd.checkpoints.load import Svd, load, load_rest
from lib_svd.checkpoints.loras import add_loras, keep_marks, list_lora_dirs
from lib_svd.checkpoints.recognise import Checkpoint, is_usable, may_move, recognise

__all__ = [
    "CONDITIONING",
    "DEMO",
    "FAMILIES",
    "MODEL_PAGE",
    "Checkpoint",
    "Family",
    "Svd",
    "add_loras",
    "choose",
    "describe",
    "explain_no_model",
    "find_checkpoints",
    "is_made_with",
    "is_usable",
    "keep_marks",
    "list_lora_dirs",
    "list_refusals",
    "load",
    "load_rest",
    "may_move",
    "name_models",
    "recognise",
]
