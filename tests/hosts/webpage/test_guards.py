"""Our routes in the oldest FastAPI that a web UI has."""

from __future__ import annotations

from tests.hosts.test_webpage import assert_guarded
from tests.hosts.webpage.conftest import PYTHON


def test_a_guard_costs_no_route_where_its_annotations_cannot_be_looked_up(tmp_path):
    """FastAPI 0.94 does that in a function's module alone."""
    assert_guarded(PYTHON["reforge"], tmp_path)
