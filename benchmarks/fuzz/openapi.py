"""Have schemathesis send what OpenAPI allows, and what it does not: python -m benchmarks.fuzz.openapi --program PATH/st

A server of its own is started for it: the stand-alone page's, or the Forge-like one of the tests. schemathesis is no
part of this project's environment: install it into another one. It ends with 1 at a status 500, an answer in another
shape than the schema says, anything taken that it forbids, and anything refused that it allows, but for what no schema
can tell (openapi_hooks.py).
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from lib_svd.testing import METADATA, write_checkpoint

HERE = Path(__file__).parents[2]
MODEL, FOLDER = "narrow.safetensors", "holiday"
SMALL = {"svd.num_frames": "2", "svd.width": "64", "svd.height": "64", "svd.num_steps": "1"}
SECONDS_TO_START = 120
EXTENSION = ("--extension", str(HERE))


def main() -> None:
    """Run it, and print a JSON row: how many cases there were, and how often each status came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="st", help="schemathesis, in an environment of its own")
    parser.add_argument("--server", choices=("serve", "forge"), default="serve")
    parser.add_argument("--examples", type=int, default=200, help="of each route, beside those of its bounds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="svd-fuzz-") as name:
        folder = Path(name)
        with serve(options.server, folder) as address:
            code = _run(options.program, address, folder, options.examples, options.seed)
        rows = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    statuses = collections.Counter(str(row["status"]) for row in rows)
    about = {"door": "openapi", "server": options.server, "seed": options.seed, "cases": len(rows)}
    print(json.dumps({**about, "seconds": round(time.monotonic() - began), "answers": dict(sorted(statuses.items()))}))
    sys.exit(code)


@contextmanager
def serve(server: str, folder: Path) -> Iterator[str]:
    """Start a server with a narrow model, and give its address; what it said is on stderr at the end."""
    port = str(find_port())
    models = folder / "models" / "svd"
    for pictures in ("clips", "outputs/txt2img-images", "outputs/txt2img"):  # where one of the servers may read them
        _write_picture(folder / pictures / FOLDER / "picture.png")
    write_checkpoint(models / MODEL, metadata={**METADATA, **SMALL})
    command = {
        "serve": ["lib_svd", "serve", "--port", port, "--models", str(models), "--out", str(folder / "clips")],
        "forge": ["tests.hosts.webpage", "--port", port, "--api", "--host", "forge", "--data", str(folder), *EXTENSION],
    }[server]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_DATA_HOME": str(folder / "data")}
    with (folder / "server.txt").open("w") as said:
        running = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=HERE, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        await_answer(address, running)
        yield address
    finally:
        running.terminate()
        running.wait()
        print((folder / "server.txt").read_text("utf-8")[-5000:], file=sys.stderr)


def find_port() -> int:
    """Find a port of this machine that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
    return found


def await_answer(address: str, running: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers; ends the program where it does not."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and running.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/svd/v1/jobs", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The server did not start: what it said stands above.")


def _run(program: str, address: str, folder: Path, examples: int, seed: int) -> int:
    """Run schemathesis; gives its exit code, 0 where it found nothing."""
    picture = folder / "picture.png"
    _write_picture(picture)
    words = ["run", f"{address}/openapi.json", "--include-path-regex", "^/svd/v1", "--no-color", "--seed", str(seed)]
    words += ["--max-examples", str(examples), "--continue-on-failure", "--request-timeout", "60"]
    # One of our own stands in its place: it knows why an order that the schema allows may be refused.
    words += ["--exclude-checks", "positive_data_acceptance", "--generation-database", "none"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "SCHEMATHESIS_HOOKS": "benchmarks.fuzz.openapi_hooks",
        "SVD_FUZZ_PICTURE": str(picture),
        "SVD_FUZZ_FOLDER": FOLDER,
        "SVD_FUZZ_MODEL": MODEL,
        "SVD_FUZZ_LOG": str(folder / "log.jsonl"),
    }
    return subprocess.run([program, *words], cwd=folder, env=environment, stdout=sys.stderr, check=False).returncode


def _write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(path)


if __name__ == "__main__":
    main()
