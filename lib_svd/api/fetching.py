"""Pictures by their address, where that is switched on: never from this machine, nor from the network that it is in."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from lib_svd.door import MOST_BYTES
from lib_svd.errors import BadPicture, BadRequest
from lib_svd.strangers import is_text, quote

SECONDS = 20  # for each step of the connection
PIECE = 2**16  # bytes
PORTS = {"http": 80, "https": 443}


def fetch(address: Any, *, is_allowed: bool) -> bytes:
    """Load a picture from the net; no redirection is followed, since it may lead anywhere.

    The name is looked up once, and the number that was looked at is the one that is connected to.

    Raises:
        BadRequest: addresses are not fetched here, or not that one.
        BadPicture: it could not be loaded, or is too large.
    """
    if not is_allowed:
        raise BadRequest("Pictures are not fetched from addresses here: send the picture, or switch that on.")
    scheme, name, port, path = _read_address(address)
    number = _find_public(name, port)
    connection = http.client.HTTPConnection(name, port, timeout=SECONDS)
    try:
        connection.sock = _connect(scheme, name, number, port)
        connection.request("GET", path, headers={"Accept": "image/*", "User-Agent": "svd-for-forge"})
        with connection.getresponse() as answer:
            if answer.status != 200:
                raise BadPicture(f"The picture was not given: status {answer.status}. Send the picture itself.")
            return _read_bounded(answer)
    except (OSError, http.client.HTTPException) as error:
        raise BadPicture(f"The picture could not be fetched ({error}): send the picture itself.") from error
    finally:
        connection.close()


def _connect(scheme: str, name: str, number: str, port: int) -> socket.socket:
    """Connect to the number that was looked at; over TLS it must be whom the name stands for."""
    plain = socket.create_connection((number, port), SECONDS)
    if scheme == "http":
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def _read_address(address: Any) -> tuple[str, str, int, str]:
    """Part an address into scheme, name, port and path; raises BadRequest where it is none that is fetched."""
    refused = BadRequest(f"{quote(address)} is no address of a picture: give one that begins with https:// or http://.")
    if not isinstance(address, str) or not is_text(address) or not address.isascii() or not address.isprintable():
        raise refused
    try:
        parts = urlsplit(address)
        scheme, name, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError as error:
        raise refused from error
    if scheme not in PORTS or not name or parts.username or " " in address or len(address) > 2000:
        raise refused
    return scheme, name, port or PORTS[scheme], (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _find_public(name: str, port: int) -> str:
    """Look a name up; raises BadRequest unless every number that it stands for is a public one."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadRequest(f"{quote(name)} could not be looked up: send the picture itself.") from error
    numbers = [str(each[4][0]) for each in found]
    if not numbers or not all(is_public(number) for number in numbers):
        raise BadRequest(f"{quote(name)} is not on the public net, and nothing else is asked: send the picture itself.")
    return numbers[0]


def is_public(number: str) -> bool:
    """Tell whether an IP address is one of the public net: not this machine, its network, or any with a meaning of its
    own.
    """
    try:
        address = ipaddress.ip_address(number.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is not None:
        return is_public(str(inner))
    return address.is_global and not address.is_multicast


def _read_bounded(answer: http.client.HTTPResponse) -> bytes:
    content = bytearray()
    while piece := answer.read(PIECE):
        content += piece
        if len(content) > MOST_BYTES:
            raise BadPicture(f"The picture has more than {MOST_BYTES // 2**20} MB: make it smaller first.")
    return bytes(content)
