"""The command line of a host, as the flags that an extension may look at."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from modules.paths_internal import data_path

parser = ArgumentParser()
parser.add_argument("--ckpt-dir", default=None)
parser.add_argument("--svd-dir", action="append", default=None)
parser.add_argument("--ui-settings-file", default=str(Path(data_path) / "config.json"))
parser.add_argument("--nowebui", action="store_true")
parser.add_argument("--api", action="store_true")
parser.add_argument("--api-auth", default=None)
parser.add_argument("--freeze-settings", action="store_true")
parser.add_argument("--hide-ui-dir-config", action="store_true")

cmd_opts = parser.parse_args([])
