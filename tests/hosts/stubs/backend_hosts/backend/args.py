"""What the user chose while the host was running."""

from __future__ import annotations

from typing import Any

dynamic_args: dict[str, Any] = {}
