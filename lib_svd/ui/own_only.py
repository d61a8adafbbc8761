"""The page loads nothing from other sites: gradio's template would fetch a script from one, and connect to another."""

from __future__ import annotations

import re
from typing import Any

_OTHERS = re.compile(rb'<script[^>]*\bsrc="(?:https?:)?//[^>]*>\s*</script>|<link[^>]*\bhref="(?:https?:)?//[^>]*>')
_POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"


class OwnOnly:
    """An ASGI application before another one: what its page at "/" names of other sites is left out.

    The browser is told, too, to ask no other site, whatever a script of the page wants (Content Security Policy, 3).

    Args:
        app: answers all.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self._app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        body = bytearray()

        async def hold(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                own = _OTHERS.sub(b"", bytes(body))
                kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
                told = [(b"content-length", str(len(own)).encode()), (b"content-security-policy", _POLICY)]
                await send({**start, "headers": [*kept, *told]})
                await send({"type": "http.response.body", "body": own})

        plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]  # packed, it could not be read
        await self._app({**scope, "headers": plain}, receive, hold)
