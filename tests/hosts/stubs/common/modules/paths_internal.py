"""Where a host keeps things. The folder comes from the environment, so that a test or a page can choose it."""

from __future__ import annotations

import os
from pathlib import Path

cwd = str(Path.cwd())
data_path = os.environ.get("STUB_DATA_PATH", cwd)
script_path = data_path
models_path = str(Path(data_path) / "models")
extensions_dir = str(Path(data_path) / "extensions")
extensions_builtin_dir = str(Path(data_path) / "extensions-builtin")
default_output_dir = str(Path(data_path) / "outputs")
