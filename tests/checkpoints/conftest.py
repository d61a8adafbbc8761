"""A narrow checkpoint and its weights, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints.files import Weights, load_weights, write_narrow


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_narrow(tmp_path_factory.mktemp("models") / "svd.safetensors")


@pytest.fixture(scope="session")
def expected(native: Path) -> Weights:
    return load_weights(native)
