"""Networks run on fixed inputs, and which of their operands were not on the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder
from lib_svd.ports import Part
from tests.conftest import NARROW

CPU, META = torch.device("cpu"), torch.device("meta")
T = 3


class Operands(TorchDispatchMode):
    """Notes every operation that meets a tensor elsewhere than on one device; moving one there is no operation."""

    MOVES = ("aten.to.", "aten._to_copy", "aten.detach", "aten.copy_")

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.count, self.strayed = device, 0, list[str]()

    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        tensors = [leaf for leaf in tree_flatten((given, named))[0] if isinstance(leaf, Tensor)]
        if not str(func).startswith(self.MOVES):
            self.count += 1
            self.strayed += [f"{func} on {t.device}" for t in tensors if t.device != self.device and t.ndim]
        return func(*given, **(named or {}))


def run_fixed(part: Part, network: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """The network's result on fixed inputs, made on the device."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    if isinstance(network, UNet):
        levels = torch.zeros(2, device=device)
        tables = network.make_tables(levels, draw(1, 768), draw(2, 1, NARROW.unet.context_dim), T)
        return network(draw(2 * T, 8, 16, 16), tables, 1)
    if isinstance(network, VaeDecoder):
        return torch.cat(list(network.decode_frames(draw(T, 4, 16, 16), 2)))
    return network(draw(1, 3, 56, 56) if part == "vision" else draw(1, 3, 64, 64))
