"""Files are served from the clips' folders, but not through a link in one of them, which may lead out of it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FILE = re.compile(r"^.*?/file[=/]|^.*")  # gradio's two ways to ask for a file; of anything else nothing is left


class NoLinks:
    """An ASGI application before another one: what is asked for through a link is not found.

    Args:
        app: what answers all else.
        folders: of clips; what is not in them is the other application's to judge.
    """

    def __init__(self, app: Any, folders: Sequence[Path]) -> None:
        self._app, self._folders = app, folders

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self._leads_out(_FILE.sub("", scope["path"])):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)

    def _leads_out(self, name: str) -> bool:
        path = Path(os.path.abspath(name))  # noqa: PTH100 (without looking at links, as gradio does)
        above = [folder for folder in self._folders if path.is_relative_to(folder)]
        try:
            return bool(name) and not all(path.resolve().is_relative_to(folder.resolve()) for folder in above)
        except (OSError, ValueError, RuntimeError):
            return True
