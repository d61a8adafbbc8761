"""Send odd requests to the API: python -m benchmarks.fuzz.api --count 10000

Every answer must be one that a program can understand: no status 500, no exception, a sentence where something is
refused. All but the sampling is real; one order in a hundred is carried out too, with the demo. Half of the requests go
to `animate`, the others to all other routes, those of jobs above all, by the ids of jobs that are there or were.

It works in a folder of its own, and as nobody where it is started by root, so that whatever gets through harms nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from PIL import Image

from lib_svd import api
from lib_svd.door import Door
from lib_svd.errors import Interrupted
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import KINDS, JobQueue
from lib_svd.settings import SETTINGS
from lib_svd.studio import Studio

NOBODY = 65534
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 25, 64, 0.5, -0.0, 1e308, 1e-320, 2**31, 2**32, 2**63, 2**64, 10**30, 10**400),
    *("", " ", "0", "1", "-1", "nan", "inf", "auto", "best", "draft", "euler", "lcm", "crop", "#000000", "#00000g"),
    *(
        "\0",
        "\n",
        "\x1b[2J",
        "\ud800",
        "\udfff",
        "é",
        "日本",
        "\u202e",
        "x" * 300,
        "x" * 5000,
        "a/" * 3000,
        "~",
        "~nobody/a",
    ),
    *(
        "..",
        "../" * 20 + "etc/passwd",
        "/etc/passwd",
        "/",
        "//host/share",
        "C:\\a",
        "file:///etc/passwd",
        "demo",
        "DEMO",
    ),
    *("con", "demo.safetensors", "./demo", "%00", "{}", "=1+1", "<b>", "';--", "SVD frames: 3"),
    *([], [1], [[]], ["demo"], {}, {"a": 1}, [None] * 50, {"b": {"c": []}}, float("nan"), float("inf"), -float("inf")),
)
NAMES = (*SETTINGS, *sorted(set().union(*(kind.fields for kind in KINDS.values()))), "picture", "video", "kind")
ROUTES = {  # how often, beside the others
    "POST /animate": 50,
    "POST /jobs": 20,
    "POST /finish": 5,
    "POST /check": 5,
    "POST /memory-plan": 5,
    "POST /jobs/{id}/move": 3,
    "POST /jobs/{id}/cancel": 2,
    **dict.fromkeys(("GET /jobs", "GET /jobs/{id}", "GET /jobs/{id}/clip", "GET /jobs/{id}/frames"), 1),
    **dict.fromkeys(("GET /jobs/{id}/events", "DELETE /jobs/{id}", "GET /review?clip={id}", "GET /models"), 1),
    **dict.fromkeys(("GET /doctor", "GET /animate", "PUT /jobs", "GET /..", "GET /%00"), 0.4),
}
EXPECTED = (200, 202, 403, 404, 405, 409, 422, 429)  # HTTP status


def make_picture(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    Image.frombytes("RGB", (96, 64), rng.randbytes(3 * 96 * 64)).save(stream, "PNG")
    return stream.getvalue()


def damage(rng: random.Random, content: bytes) -> bytes:
    """Some bytes changed, taken out or doubled."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(max(1, len(changed)))
        changed[at : at + rng.choice((0, 1, 1, 4))] = rng.choice(
            (b"", rng.randbytes(1), rng.randbytes(4), changed[at : at + 9])
        )
    return bytes(changed)


def order(rng: random.Random, png: bytes) -> dict[str, Any]:
    """An order that could be, with some settings that could not."""
    made: dict[str, Any] = {"picture": base64.b64encode(png).decode(), "checkpoint": "demo", "num_frames": 2}
    made |= {"num_steps": 1, "width": 64, "height": 64}
    if rng.random() < 0.1:
        made |= {"kind": rng.choice(list(KINDS)), "sweep": "motion", "values": rng.choice(([60, 70], "1-2", [[]], ""))}
    for name in rng.sample(sorted(made), rng.choice((*[0] * 12, 1, 3))):
        del made[name]
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        made[rng.choice(NAMES) if rng.random() < 0.95 else str(rng.choice(ODD))] = rng.choice(ODD)
    if rng.random() < 0.1:
        made["picture"] = base64.b64encode(damage(rng, png)).decode()
    return made


def make_body(rng: random.Random, png: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.03:
        return json.dumps(rng.choice(ODD)).encode()
    if kind < 0.06:
        return rng.choice(
            (b"", b"[" * rng.choice((10, 900, 100_000)), b'{"seed": ' + b"9" * 100_000 + b"}", rng.randbytes(50))
        )
    whole = json.dumps(order(rng, png)).encode()
    return damage(rng, whole) if kind < 0.15 else whole


ODD_HEADERS = {
    "Origin": ("null", "", "http://[", "http://example.org", "http://localhost"),
    "Host": ("", "[", "localhost:x", "example.org", "127.0.0.1"),
    "Sec-Fetch-Site": ("none", "cross-site", "é"),
}


def make_headers(rng: random.Random) -> dict[str, bytes]:
    given = {"Content-Type": rng.choice(("application/json", "text/plain", "", "multipart/form-data; boundary=x", "é"))}
    given |= {name: rng.choice(values) for name, values in ODD_HEADERS.items() if rng.random() < 0.05}
    return {name: value.encode("latin-1") for name, value in given.items()}


async def try_answers(count: int, seed: int, folder: Path) -> Counter[str]:
    """How often each answer came; raises AssertionError where one is not as it should be."""
    rng = random.Random(seed)
    png = make_picture(rng)
    studio = Studio(make_standalone_host("cpu", model_dirs=(folder / "models",), output_dir=folder / "clips"))
    carry_out = studio.animate

    def spoil_now_and_then(made: Any) -> Any:
        if rng.random() < 0.01 and made.request.num_frames < 4 and made.request.num_steps < 3:
            return carry_out(made)
        raise Interrupted("Stopped.")

    studio.animate = spoil_now_and_then  # type: ignore[method-assign]
    app = FastAPI()
    api.add_routes(app, studio, JobQueue(studio), [])
    found: Counter[str] = Counter()
    ids: list[str] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=Door(app)), base_url="http://localhost") as client:
        for number in range(count):
            sent, given = make_body(rng, png), make_headers(rng)
            method, path = choose_route(rng, ids)
            answer = await client.request(method, f"/svd/v1{path}", content=sent, headers=given)
            said = answer.json() if answer.headers["content-type"] == "application/json" else {}
            about = f"request {number} of seed {seed}: {method} {path} {sent!r} {given}"
            about += f" gave {answer.status_code} {str(said)[:300]}"
            assert answer.status_code in EXPECTED, about
            is_told = answer.status_code in (200, 202, 404) or said["message"].endswith(".")
            assert is_told, about
            ids += [said["id"]] if answer.status_code == 202 else []
            error = said["error"] if answer.status_code >= 400 and "error" in said else ""
            found[f"{answer.status_code} {error}".strip()] += 1
    return found


def choose_route(rng: random.Random, ids: list[str]) -> tuple[str, str]:
    """Choose a route, and a job of those that were added lately, or one that cannot be."""
    method, _, path = rng.choices(list(ROUTES), list(ROUTES.values()))[0].partition(" ")
    odd = quote(str(rng.choice(ODD))[:100].encode("utf-8", "surrogatepass"), safe="")
    return method, path.replace("{id}", rng.choice(ids[-20:]) if ids and rng.random() < 0.8 else odd)


def give_up_rights(name: str) -> None:
    """Go on as nobody, whose folder that is; all modules are loaded before, as nobody may not read them."""
    with tempfile.TemporaryDirectory() as apart:
        studio = Studio(make_standalone_host("cpu", output_dir=Path(apart)))
        made = {
            "picture": base64.b64encode(make_picture(random.Random(0))).decode(),
            "checkpoint": "demo",
            "num_steps": 1,
        }
        queue = JobQueue(studio)
        queue.open()
        content = base64.b64decode(made.pop("picture"))
        ended = queue.await_end(queue.add("animate", made, content).id).result(600)
        queue.close()
        assert not ended.message, ended.message
    os.chown(name, NOBODY, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def main() -> None:
    """Print a JSON row: the seed, and how often each answer came."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="svd-fuzz-") as name:
        if hasattr(os, "setuid") and os.getuid() == 0:
            give_up_rights(name)
        os.environ["HOME"] = name
        began = time.monotonic()
        found = asyncio.run(try_answers(given.count, given.seed, Path(name)))
        seconds = round(time.monotonic() - began)
    print(json.dumps({"door": "api", "count": given.count, "seed": given.seed, "seconds": seconds, "answers": found}))


if __name__ == "__main__":
    sys.exit(main())
