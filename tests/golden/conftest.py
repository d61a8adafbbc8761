from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.golden.golden_set import GoldenSet


@pytest.fixture(scope="session")
def golden() -> Callable[[str], GoldenSet]:
    """Sets of the folder beside this file; each one's networks are loaded once."""
    sets: dict[str, GoldenSet] = {}

    def get(name: str) -> GoldenSet:
        if name not in sets:
            sets[name] = GoldenSet(Path(__file__).parent, name)
        return sets[name]

    return get


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this narrow run faster so: threads wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
