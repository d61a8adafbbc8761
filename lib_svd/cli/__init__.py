"""The command line: `python -m lib_svd animate`, `sweep`, `finish`, `review`, `serve` and the other commands below."""

from __future__ import annotations

import json
import sys

import click

from lib_svd.cli.animate import animate
from lib_svd.cli.batch import batch
from lib_svd.cli.check import check
from lib_svd.cli.deflicker import deflicker
from lib_svd.cli.doctor import doctor
from lib_svd.cli.finish import finish
from lib_svd.cli.history import history
from lib_svd.cli.info import info
from lib_svd.cli.inspect import inspect
from lib_svd.cli.options import PROGRAM
from lib_svd.cli.review import review
from lib_svd.cli.serve import serve
from lib_svd.cli.sweep import sweep
from lib_svd.cli.terminal import tell
from lib_svd.cli.tune import tune
from lib_svd.errors import BadInput, SvdError

REFUSED, STOPPED = 2, 130  # exit codes; 130 is 128 + SIGINT, as shells have it
MOST_SAID = 200  # characters


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=None, version=__import__("lib_svd").__version__, prog_name="lib_svd")
def cli() -> None:
    """Stable Video Diffusion: one still picture becomes a short clip."""


for command in (animate, batch, sweep, tune, finish, deflicker, review, check, history, info, inspect, doctor, serve):
    cli.add_command(command)


def main() -> None:
    """Run the command line; every error is one line, Ctrl-C exits with 130."""
    try:
        cli(prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as stop:
        tell(f"Stopped. {stop.__cause__ or stop}".rstrip(), err=True)  # click calls Ctrl-C Abort
        sys.exit(STOPPED)
    except SvdError as error:
        tell(f"Error: {error}", err=True)
        sys.exit(REFUSED if isinstance(error, BadInput) else 1)


def _show(error: click.ClickException) -> None:
    """Print an error in the use of the command line; one without any words is answered with help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later
        error.show()
        return
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    what = error.format_message().rstrip(".")
    what = what if len(what) <= MOST_SAID else f"{what[:MOST_SAID]}..."  # it quotes what was typed
    message = f"{what}: see {path} --help."
    if "--json" in sys.argv:
        tell(json.dumps({"error": type(error).__name__, "message": message}, ensure_ascii=False))
    tell(f"Error: {message}", err=True)
