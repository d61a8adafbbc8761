"""A host's life: read the command line, load extensions, show the page, and all again at Reload UI."""

from __future__ import annotations

import faulthandler
import importlib
import signal
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from modules import paths_internal


def serve(data: Path, port: int, flags: list[str], models: Path | None, output: Path | None) -> None:
    """Never comes back, unless the state is told to stop."""
    faulthandler.register(signal.SIGUSR1)  # `kill -USR1`: what every thread is doing, into the log
    if models is not None:
        paths_internal.models_path = str(models)
    _read_flags(data, flags)
    from tests.hosts.webpage import assets, settings, shims

    shims.install()
    from modules import extensions, progress, script_callbacks, scripts, shared, ui

    settings.add_host_options(output)
    importlib.import_module("modules.api.models")  # GET options knows only what is there by now
    shared.opts.load(shared.config_filename)
    extensions.list_extensions()
    scripts.load_scripts()
    while True:
        script_callbacks.before_ui_callback()
        shared.demo = ui.create_ui()
        assets.put_into_pages()
        shared.demo.queue(64)  # gradio 4 still has one worker a function, gradio 3 has 64
        app, _, _ = shared.demo.launch(
            server_name="127.0.0.1",
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            show_api=False,
            allowed_paths=[str(data), *assets.list_folders()],
        )
        shared.demo.server.config.timeout_graceful_shutdown = 3  # the click on Reload UI is itself still being answered
        progress.setup_progress_api(app)
        ui.setup_ui_api(app)
        if shared.cmd_opts.api:
            from modules.api.api import Api
            from modules.call_queue import queue_lock

            Api(app, queue_lock)
        script_callbacks.app_started_callback(shared.demo, app)
        print(f"Ready: http://127.0.0.1:{port}", flush=True)
        command = None
        while command is None:
            command = shared.state.wait_for_server_command(timeout=5)
        shared.demo.close()
        if command == "stop":
            return
        time.sleep(0.5)
        script_callbacks.app_reload_callback()
        script_callbacks.script_unloaded_callback()
        scripts.load_scripts()


def _read_flags(data: Path, flags: list[str]) -> None:
    """The host's flags and those that extensions add by preload.py."""
    from modules import shared_cmd_options

    # the stub knows flags of some extensions already
    parser = ArgumentParser(parents=[shared_cmd_options.parser], add_help=False, conflict_handler="resolve")
    for script in sorted((data / "extensions").glob("*/preload.py")):
        loaded: dict[str, object] = {"__name__": "preload", "__file__": str(script)}
        exec(compile(script.read_text("utf-8"), str(script), "exec"), loaded)
        loaded["preload"](parser)
    known = parser.parse_args(flags)
    vars(shared_cmd_options.cmd_opts).update(vars(known))
    sys.argv[1:] = []
