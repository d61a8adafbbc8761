"""Small hosts to stand in: folders of `stubs/` put first on the path, a host's own before what several share."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

STUBS = Path(__file__).parent / "stubs"
FOLDERS = {
    "forge": ("forge", "backend_hosts", "threaded", "common"),
    "neo": ("neo", "backend_hosts", "threaded", "common"),
    "older_neo": ("older_neo", "backend_hosts", "threaded", "common"),
    "reforge": ("reforge", "ldm_hosts", "threaded", "common"),
    "classic": ("classic", "ldm_hosts", "threaded", "common"),
    "a1111": ("a1111", "common"),
}
MANAGEMENT = {
    "forge": "backend.memory_management",
    "neo": "backend.memory_management",
    "older_neo": "backend.memory_management",
    "reforge": "ldm_patched.modules.model_management",
    "classic": "ldm_patched.modules.model_management",
}
PACKAGES = ("modules", "modules_forge", "backend", "ldm_patched", "stub_gpu", "stub_traits")


@dataclass(frozen=True)
class Stub:
    """A stub host that can be imported now, and what a test may ask of it."""

    name: str

    @property
    def gpu(self) -> Any:
        return importlib.import_module("stub_gpu")._stub

    @property
    def shared(self) -> Any:
        return importlib.import_module("modules.shared")

    @property
    def queue_lock(self) -> Any:
        return importlib.import_module("modules.call_queue").queue_lock

    @property
    def main_thread(self) -> Any:
        return importlib.import_module("modules_forge.main_thread")

    @property
    def management(self) -> Any:
        return importlib.import_module(MANAGEMENT[self.name])

    def patcher(self, network: Any) -> Any:
        """A model of the host's own."""
        module = "backend.patcher.base" if "backend" in MANAGEMENT[self.name] else "ldm_patched.modules.model_patcher"
        model_patcher = importlib.import_module(module).ModelPatcher
        return model_patcher(network, self.management.get_torch_device(), self.management.unet_offload_device())


@contextmanager
def use_stub_host(name: str, folder: Path) -> Iterator[Stub]:
    """Inside, a host of that name can be imported; its files are below `folder`."""
    _forget()
    path = [*(str(STUBS / part) for part in FOLDERS[name]), *sys.path]
    try:
        with patch.object(sys, "path", path), patch.dict(os.environ, {"STUB_DATA_PATH": str(folder)}):
            yield Stub(name)
    finally:
        if "modules_forge.main_thread" in sys.modules:
            sys.modules["modules_forge.main_thread"]._stub.stop()
        _forget()


def _forget() -> None:
    for module in [module for module in sys.modules if module.split(".")[0] in PACKAGES]:
        del sys.modules[module]
    importlib.invalidate_caches()
