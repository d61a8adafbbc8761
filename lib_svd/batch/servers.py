"""A list of servers: an address a line, and how to come in where a server asks for a password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lib_svd.errors import BadRequest
from lib_svd.strangers import decode_text

EXAMPLE = "http://127.0.0.1:7870"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A web UI with this extension, or `serve`."""

    address: str  # without name and password, so that it can be shown
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def read_servers(path: Path, environment: Mapping[str, str]) -> list[Server]:
    """Read a list of servers. A line is an address, and behind it, where the server asks for them, the name of a
    variable of the environment that holds `name:password`; or both stand in the address. `#` begins a comment.

    Args:
        path: the file; of UTF-8, or what editors make of it.
        environment: variables by name.

    Raises:
        BadRequest: it cannot be read, or a line is wrong; what stands there is not said, since it may be a password.
    """
    try:
        lines = decode_text(path.read_bytes()).splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BadRequest(f"{path} cannot be read as a list of servers ({why}): name a text file.") from error
    found: dict[str, Server] = {}
    for number, words in _split(lines):
        where = f"{path.name}, line {number}"
        server = _read(words, environment, where)
        if server.address in found:
            raise BadRequest(f"{where}: {server.address} is there twice: take one out.")
        found[server.address] = server
    if not found:
        raise BadRequest(f"{path} names no server: write one address a line, such as {EXAMPLE}.")
    return [*found.values()]


def _split(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Give the number of each line that says something, and its words."""
    for number, line in enumerate(lines, 1):
        words = line.split()
        comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if words[:comment]:
            yield number, words[:comment]


def _read(words: list[str], environment: Mapping[str, str], where: str) -> Server:
    """Read a line's words; raises BadRequest."""
    parts = _read_address(words[0])
    if parts is None or len(words) > 2:
        advice = f"write an address such as {EXAMPLE}, and behind it at most the variable with name:password"
        raise BadRequest(f"{where}: this is no server: {advice}.")
    host = parts.netloc.rpartition("@")[2]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if len(words) > 1:
        given = environment.get(words[1])
        if given is None:
            raise BadRequest(f"{where}: the environment has no variable of that name: set it to name:password.")
        user, _, password = given.partition(":")
    if (user or "@" in parts.netloc or len(words) > 1) and not (user and password):
        raise BadRequest(f"{where}: name and password belong together: write them as name:password.")
    address = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
    return Server(address=address, user=user, password=password)


def _read_address(word: str) -> SplitResult | None:
    """Read an address; None: it is none."""
    try:
        parts = urlsplit(word)
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_one and not parts.query and not parts.fragment else None
