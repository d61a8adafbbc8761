"""`python -m tests.hosts.smoke --host CHECKOUT`: every step, what was seen, screenshots."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from playwright.sync_api import sync_playwright

from lib_svd.testing import write_checkpoint
from tests.hosts.smoke.sd import write_sd_checkpoints
from tests.hosts.smoke.server import OFFLINE, ROOT, Server, install, list_flags
from tests.hosts.smoke.steps import STEPS
from tests.hosts.smoke.tried import Tried
from tests.hosts.smoke.upscaler import write_upscaler
from tests.needs import BROWSERS


def main() -> int:
    asked = _read_asked()
    asked.out.mkdir(parents=True, exist_ok=True)
    results = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        install(asked.host, asked.python, asked.beside) as said,
        sync_playwright() as playwright,
    ):
        print(f"install.py: {said or 'nothing is missing'}", flush=True)
        model = asked.svd or write_checkpoint(Path(temporary) / "svd" / "random.safetensors")
        sd = write_sd_checkpoints(Path(temporary) / "sd")
        flags = list_flags(asked.host, Path(temporary) / "sd", asked.models_dir)
        flags += ["--svd-dir", str(model.parent.absolute())]
        flags += ["--esrgan-models-path", str(write_upscaler(Path(temporary) / "esrgan").parent)]
        server = Server(asked.host, asked.python, asked.port, asked.out / "host.log", flags)
        try:
            print(f"{asked.host.name} started in {server.start():.0f} s", flush=True)
            server.call("/sdapi/v1/options", OFFLINE)
            browser = playwright.chromium.launch(executable_path=asked.chromium, args=["--no-sandbox"])
            tried = Tried(server, browser.new_page(viewport={"width": 1400, "height": 1100}), model, sd, asked)
            for step in [each for each in STEPS if not asked.only or any(word in each.__name__ for word in asked.only)]:
                results.append(_try_step(step, tried))
        finally:
            server.stop()
    (asked.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    failed = [result["step"] for result in results if not result["passed"]]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _try_step(step, tried: Tried) -> dict[str, object]:
    began = time.monotonic()
    try:
        seen, passed = step(tried), True
    except Exception as error:  # noqa: BLE001 (whatever a step finds is its result)
        traceback.print_exc()
        seen, passed = f"{type(error).__name__}: {error}", False
    name = step.__name__.replace("_", " ")
    tried.page.screenshot(path=tried.out / f"{step.__name__}.png")
    print(f"{'passed' if passed else 'FAILED'}  {name}: {seen}", flush=True)
    return {"step": name, "passed": passed, "seen": seen, "seconds": round(time.monotonic() - began, 1)}


def _read_asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.smoke", description=main.__doc__)
    parser.add_argument("--host", type=Path, required=True, help="a web UI's checkout")
    parser.add_argument("--python", type=Path, help="its interpreter; its own venv's if not given")
    parser.add_argument("--models-dir", type=Path, help="its models, if elsewhere")
    parser.add_argument("--svd", type=Path, help="an SVD checkpoint; one of random weights if not given")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="another extension's folder")
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "lighthouse.jpg")
    parser.add_argument("--out", type=Path, default=Path("smoke"), help="folder for results and screenshots")
    parser.add_argument("--only", action="append", default=[], help="steps whose name has this word alone")
    parser.add_argument("--port", type=int, default=7899)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    parser.add_argument("--chromium", default=browser, required=browser is None, help="the browser, if not on the PATH")
    asked = parser.parse_args()
    asked.host = asked.host.absolute()
    own = asked.host / "venv" / "bin" / "python"
    asked.python = asked.python or (own if own.is_file() else Path(sys.executable))
    return asked


if __name__ == "__main__":
    sys.exit(main())
