"""A GPU for tests, made of host memory: it knows which weights are on it, has a budget, and fills up.

Its device is `torch.device("cpu", 0)`, which is not equal to `torch.device("cpu")` though tensors cannot tell them
apart: networks really run, and only this book says where their weights are.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import nn

CPU = torch.device("cpu")
FAKE = torch.device("cpu", 0)
ROOMY = 8 << 30


class Gpu:
    """Test control of a stub host's device; without `plug_in` the host is one without a GPU."""

    def __init__(self) -> None:
        self.device = CPU
        self.budget = ROOMY  # bytes
        self.inference_memory = 1 << 20  # bytes that the host keeps free whatever it loads
        self.storage = self.compute = self.vae = torch.float32
        self.arrivals_that_fail = 0
        self.moves = 0  # modules' weights that went from one side to the other
        self.emptied = 0  # times that the host gave its cache back
        self._there: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()
        self._plain_to = nn.Module.to

    def plug_in(self, monkeypatch, budget: int, device: torch.device = FAKE) -> None:
        """From here on `module.to(device)` is written into the book."""
        self.device, self.budget = device, budget
        monkeypatch.setattr(nn.Module, "to", lambda module, *given, **named: self.to(module, *given, **named))

    def to(self, module: nn.Module, *given, **named) -> nn.Module:
        """`nn.Module.to`."""
        device = named.get("device", next((g for g in given if isinstance(g, (str, torch.device))), None))
        if device is not None:
            there = torch.device(device) == self.device != CPU
            for part in module.modules():
                self._put(part, [name for name, _ in part.named_parameters(recurse=False)], there)
        return self._plain_to(module, *given, **named)

    def put(self, module: nn.Module, names: list[str], device: torch.device) -> None:
        """Move some of a module's own weights."""
        self._put(module, names, device == self.device != CPU)
        for name in names:
            setattr(module, name, nn.Parameter(getattr(module, name).to(device), requires_grad=False))

    def _put(self, part: nn.Module, names: list[str], there: bool) -> None:
        was = self._there.setdefault(part, set())
        wanted = was | set(names) if there else was - set(names)
        self.moves += wanted != was
        arriving = sum(getattr(part, name).nbytes for name in wanted - was)
        if arriving and (self.arrivals_that_fail or self.used() + arriving > self.budget):
            self.arrivals_that_fail = max(0, self.arrivals_that_fail - 1)
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate what is not there.")
        self._there[part] = wanted

    def bytes_of(self, module: nn.Module) -> int:
        """Bytes of a module's weights that are on the GPU."""
        weights = (getattr(p, name, None) for p in module.modules() for name in self._there.get(p, ()))
        return sum(weight.nbytes for weight in weights if weight is not None)

    def used(self) -> int:
        """Bytes of all weights that are on the GPU."""
        weights = (getattr(part, name, None) for part, names in self._there.items() for name in names)
        return sum(weight.nbytes for weight in weights if weight is not None)

    def free(self) -> int:
        """Bytes that are left."""
        return self.budget - self.used()


_stub = Gpu()
