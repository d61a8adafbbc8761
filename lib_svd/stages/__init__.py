"""The heavy stages of a clip, each with what it does where memory or half precision is not enough."""

from lib_svd.stages.condition import condition, embed
from lib_svd.stages.decode import decode
from lib_svd.stages.plan import MemoryPlan, plan
from lib_svd.stages.run import Run
from lib_svd.stages.sample import sample
from lib_svd.stages.segments import list_joins, sample_in_segments
from lib_svd.stages.steer import Camera, prepare_steering

__all__ = [
    "Camera",
    "MemoryPlan",
    "Run",
    "condition",
    "decode",
    "embed",
    "list_joins",
    "plan",
    "prepare_steering",
    "sample",
    "sample_in_segments",
]
