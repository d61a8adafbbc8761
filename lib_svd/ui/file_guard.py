"""Files are served from the clips' folders: not through a link, which may lead out of one, nor beyond their end."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FILE = re.compile(r"^.*?/file[=/]|^.*")  # gradio's two ways to ask for a file; of anything else nothing is left
_RANGE = re.compile(rb"bytes=(\d{1,18})-(\d{1,18})")


class FileGuard:
    """An ASGI application before another one: what is asked for through a link is not found.

    Gradio is asked for parts of a file that lie within it; for others, as where a clip has taken the place of a longer
    one, the whole is served, as HTTP allows (RFC 9110, 14.2).

    Args:
        app: what answers all else.
        folders: of clips; what is not in them is the other application's to judge.
    """

    def __init__(self, app: Any, folders: Sequence[Path]) -> None:
        self._app, self._folders = app, folders

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            name = _FILE.sub("", scope["path"])
            if self._leads_out(name):
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            headers = [each for each in scope["headers"] if each[0] != b"range" or _is_inside(each[1], name)]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)

    def _leads_out(self, name: str) -> bool:
        path = Path(os.path.abspath(name))  # noqa: PTH100 (without looking at links, as gradio does)
        above = [folder for folder in self._folders if path.is_relative_to(folder)]
        try:
            return bool(name) and not all(path.resolve().is_relative_to(folder.resolve()) for folder in above)
        except (OSError, ValueError, RuntimeError):
            return True


def _is_inside(part: bytes, name: str) -> bool:
    """Tell whether a part that is asked for has both its ends in the file."""
    found = _RANGE.fullmatch(part)
    try:
        return found is not None and int(found[1]) <= int(found[2]) < Path(name).stat().st_size
    except (OSError, ValueError):
        return False
