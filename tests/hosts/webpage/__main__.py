"""Start the page: `python -m tests.hosts.webpage --host forge --extension . --data /tmp/webui --port 7890`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.hosts.stub_hosts import FOLDERS, STUBS

GRADIO = {"forge": "4.40.0", "reforge": "3.41.2"}
ROOT = str(Path(__file__).parents[3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", choices=GRADIO, required=True)
    parser.add_argument("--extension", type=Path, action="append", default=[], help="may be given several times")
    parser.add_argument("--data", type=Path, required=True, help="models, outputs, settings; made when missing")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--output", type=Path, help="folder for pictures")
    given, flags = parser.parse_known_args()  # what is left is for the host: --api, flags of extensions
    data = given.data.absolute()
    models, output = (path.absolute() if path else None for path in (given.models_dir, given.output))
    _take_in(data, [path.absolute() for path in given.extension])
    _become(given.host, data)
    from tests.hosts.webpage import server

    server.serve(data, given.port, flags, models, output)


def _take_in(data: Path, extensions: list[Path]) -> None:
    """Put extensions where a host looks for them."""
    builtin = Path(__file__).parent / "builtin"
    for folder, path in [("extensions-builtin", builtin), *(("extensions", path) for path in extensions)]:
        (data / folder).mkdir(parents=True, exist_ok=True)
        link = data / folder / path.name
        if not link.is_symlink():
            link.symlink_to(path, target_is_directory=True)


def _become(host: str, data: Path) -> None:
    """This process is the host from here on: its folder, its modules, and not this project's packages."""
    os.environ.update(
        STUB_DATA_PATH=str(data),
        GRADIO_TEMP_DIR=str(data / "tmp"),
        GRADIO_ANALYTICS_ENABLED="False",
        HF_HUB_OFFLINE="1",
        no_proxy="127.0.0.1,localhost",
        NO_PROXY="127.0.0.1,localhost",
    )
    (data / "tmp").mkdir(parents=True, exist_ok=True)
    os.chdir(data)
    foreign = [path for path in sys.path if path and Path(path).resolve() != Path(ROOT).resolve()]
    sys.path[:] = [*(str(STUBS / part) for part in FOLDERS[host]), *foreign]
    import gradio

    if gradio.__version__ != GRADIO[host]:
        sys.exit(f"{host} has gradio {GRADIO[host]}, this Python {gradio.__version__}: {sys.executable}")


main()
