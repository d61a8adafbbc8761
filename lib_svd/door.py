"""Who may come in, and with how much: asked before a password is, and before anything is read or done.

A browser lets every page that is open in it send requests to this machine. What a page of another site sends carries
that site as its Origin, or says so in Sec-Fetch-Site; a page whose name was bent to this machine's address carries that
name as its Host. Programs send none of these, and are let in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
MOST_BYTES = 64 * 2**20  # of a body: a picture of 48 MB as base64
OURS = ("same-origin", "none")  # "none": typed into the address bar, or opened from a bookmark
FORBIDDEN, NO_LENGTH, TOO_LARGE = 403, 411, 413  # HTTP status


def explain_stranger(headers: Headers, names: Collection[str] | None, is_welcome: Callable[[str], bool]) -> str:
    """Say why a request is not taken: it is another site's, or came by another name. "": it is taken.

    Args:
        headers: of the request, as ASGI has them.
        names: beside this machine's own, under which it may be asked, as an address bar has them; None: all.
        is_welcome: whether another site's Origin, such as https://example.org, may come in all the same.
    """
    hosts, origins = _find_all(headers, b"host"), _find_all(headers, b"origin")
    if names is not None and not (len(hosts) == 1 and (hosts[0] in names or _strip_port(hosts[0]) in THIS_MACHINE)):
        shown = hosts[0] if hosts else ""
        return f"{shown!r} is not a name of this page: open it as localhost, or start it with --own-name."
    if any([strip_scheme(origin)] != hosts and not is_welcome(origin) for origin in origins):
        return "Another site sent this: only this page itself and programs may ask for it."
    if not origins and any(site not in OURS for site in _find_all(headers, b"sec-fetch-site")):
        return "Another site asked for this: open the page itself."
    return ""


def explain_excess(headers: Headers) -> tuple[int, str]:
    """Give HTTP status and sentence for a body that is too large, or does not say how large it is; (0, ""): it may
    come.
    """
    if _find_all(headers, b"transfer-encoding"):
        return NO_LENGTH, "Say with Content-Length how much is sent."
    length = "".join(_find_all(headers, b"content-length")) or "0"
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > MOST_BYTES:
        return TOO_LARGE, f"At most {MOST_BYTES // 2**20} MB can be sent: make the picture smaller first."
    return 0, ""


class Door:
    """An ASGI application behind which another one only sees what may come in.

    Args:
        app: the other one.
        names: beside this machine's own, under which it may be asked, as an address bar has them.
    """

    def __init__(self, app: App, names: Collection[str] = ()) -> None:
        self._app, self._names = app, {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        status, why = self._explain_refusal(scope)
        if not why:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            body = json.dumps({"error": "Refused", "message": why}).encode()
            start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": start})
            await send({"type": "http.response.body", "body": body})

    def _explain_refusal(self, scope: Scope) -> tuple[int, str]:
        headers = [pair for pair in scope["headers"] if not (_is_opening(scope) and pair[0] == b"sec-fetch-site")]
        why = explain_stranger(headers, self._names, lambda origin: strip_scheme(origin) in self._names)
        return (FORBIDDEN, why) if why else explain_excess(headers)


def _is_opening(scope: Scope) -> bool:
    """Tell whether somebody follows a link to the page itself, in a tab of its own: that may stand on any site."""
    headers = scope["headers"]
    how = (_find_all(headers, b"sec-fetch-mode"), _find_all(headers, b"sec-fetch-dest"))
    return scope.get("method") == "GET" and scope["path"] == "/" and how == (["navigate"], ["document"])


def _find_all(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in headers if key.lower() == name]


def strip_scheme(origin: str) -> str:
    """Take off what stands before the name: `http://localhost:7870` is `localhost:7870`; "" where there is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _strip_port(host: str) -> str:
    """Take off the port: `localhost:7870` is `localhost`; "" where it is no name."""
    found = re.fullmatch(r"(\[[0-9a-f:]+\]|[^:@\[\]]+)(:\d*)?", host)
    return found[1] if found else ""
