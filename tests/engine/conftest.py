from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from tests.engine.peers import Peers, build_peers


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    """diffusers' networks and ours with the same weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers and transformers warn of their own deprecations on import
        return build_peers(tmp_path_factory.mktemp("diffusers"))


@pytest.fixture
def no_grad() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this narrow run faster so: threads wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
