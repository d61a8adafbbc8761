"""The meta device, made to choose kernels as a GPU does: shapes and layouts at full size, without a GPU or memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

META = torch.device("meta")
CONVOLUTIONS = (torch.conv2d, torch.conv3d)


class GpuKernels(TorchFunctionMode):
    """Attention is one kernel that holds no scores; weights in channels-last memory give results in it, as cuDNN's do.

    Args:
        on_attention: told of every attention's q, k and v.
    """

    def __init__(self, on_attention: Callable[[Tensor, Tensor, Tensor], None] = lambda q, k, v: None) -> None:
        super().__init__()
        self._on_attention = on_attention

    def __torch_function__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            self._on_attention(*given[:3])
            return torch.empty_like(given[0], memory_format=torch.contiguous_format)
        result = func(*given, **(named or {}))
        if func in CONVOLUTIONS and given[1].is_contiguous(memory_format=torch.channels_last):
            return torch.empty_like(result, memory_format=torch.channels_last)
        return result
