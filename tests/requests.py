"""Requests that leave nothing to a model."""

from __future__ import annotations

from typing import Any

from lib_svd.checkpoints.families import FAMILIES
from lib_svd.request import CompleteRequest


def complete(**settings: Any) -> CompleteRequest:
    """As SVD completes it: 14 frames of 1024x576."""
    return CompleteRequest(**{**FAMILIES["svd"].list_own_settings(), **settings})
