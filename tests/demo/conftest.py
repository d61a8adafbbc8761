"""The demo checkpoint, loaded once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import use_single_thread
from training.demo import Demo


@pytest.fixture(scope="package")
def demo() -> Iterator[Demo]:
    with use_single_thread():
        yield Demo()
