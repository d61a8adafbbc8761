"""The half precisions that this PyTorch computes in on a CPU: before 2.2 bfloat16 alone."""

from __future__ import annotations

import torch

from lib_svd.errors import BadRequest
from lib_svd.hosts.standalone import check_computes


def _computes(dtype: torch.dtype) -> bool:
    """Whether the command line would take it here."""
    try:
        check_computes(dtype, torch.device("cpu"))
    except BadRequest:
        return False
    return True


HALVES = [dtype for dtype in (torch.float16, torch.bfloat16) if _computes(dtype)]
"""float16 first, which is what GPUs compute in."""
