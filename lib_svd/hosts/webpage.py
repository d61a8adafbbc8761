"""The page of a web UI: its buttons and queue for our tab, and our place among its tabs, settings and routes."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from lib_svd import door
from lib_svd.errors import Busy
from lib_svd.hosts.lacking import PAGE, Need, guard_need
from lib_svd.hosts.webui import WebuiHost
from lib_svd.line import Line
from lib_svd.options import DEFAULTS
from lib_svd.pages import Job, Queued, count_bytes

log = logging.getLogger("svd")

SOURCES = ("txt2img", "img2img", "extras")
"""Tabs with a gallery that pictures are sent from."""


class WebuiPage:
    """See `pages.Page`. What is asked of the host before its page is built is done when it is.

    Args:
        host: the web UI.
        plain_buttons: shows Generate and its companions by a tab's name, where the web UI has none to show.
    """

    def __init__(self, host: WebuiHost, plain_buttons: Callable[[str], Any]) -> None:
        self._host, self._plain_buttons = host, plain_buttons
        self._bindings: list[dict[str, Any]] = []
        self._line = Line("svd-tab")
        self.lacks = host.lacks
        self.lacks.look(PAGE)

    @property
    def problem(self) -> str:
        """What this version of the web UI lacks."""
        return self.lacks.write_sentence()

    @property
    def targets(self) -> Sequence[str]:
        """The tabs that every web UI has, if they can be reached."""
        return () if Need.SENDING in self.lacks else ("img2img", "extras")

    @property
    def opens_folders(self) -> bool:
        """Whether folders can be opened: not where the web UI hides its own folder buttons, as it does when it is
        shared.
        """
        return self._opens_folders()

    @guard_need(Need.OPENING, otherwise=False)
    def _opens_folders(self) -> bool:
        from modules import shared

        return not shared.cmd_opts.hide_ui_dir_config

    def add_generate_buttons(self, part: str) -> Any:
        """Show the host's own buttons, so that Esc, Interrupt and Skip work as everywhere."""
        return self._add_host_buttons(part) or self._plain_buttons(part)

    @guard_need(Need.BUTTONS)
    def _add_host_buttons(self, part: str) -> Any:
        from modules.ui_toprow import Toprow

        toprow = Toprow(is_compact=True, is_img2img=False, id_part=part)
        toprow.create_inline_toprow_image()
        return toprow.submit

    def queue_job(self, job: Job, extra_outputs: Sequence[Any]) -> Queued:
        """Let one of our jobs at a time wait for the host's queue: a thread each would leave none for its Interrupt."""

        def run_unless_left(task: str, *values: Any) -> Sequence[Any]:
            return job(*values) if self._line.begins(task) else [*extra_outputs, ""]

        in_turn = self._wrap_job(run_unless_left, list(extra_outputs)) or run_unless_left

        async def handle(task: str, *values: Any) -> Sequence[Any]:
            self._say_queued(task)
            try:
                with self._line.hold_place(count_bytes(values)):
                    return await self._line.take_turn(lambda: in_turn(task, *values), task)
            except Busy:
                self._say_left(task)  # else the page that follows it would wait for a sign of it
                raise

        return handle

    async def stop_job(self, task: str) -> bool:
        """Stop a job that waits for its turn; what runs is the host's to stop, as all that runs in its queue.

        While the page's order is still on its way, another one may run: its Interrupt is not to be pressed then.
        """
        has_left = self._line.leave(task)
        if has_left:
            self._say_left(task)
        return has_left or not self._runs(task)

    @guard_need(Need.QUEUED, otherwise=True)
    def _runs(self, task: str) -> bool:
        from modules import progress

        return bool(progress.current_task == task)

    @guard_need(Need.QUEUED)
    def _wrap_job(self, job: Job, extra_outputs: list[Any]) -> Job | None:
        """Wrap a job as the host does its own: it takes its queue's lock, shows progress by the task's id and adds how
        long it took.
        """
        from modules.call_queue import wrap_gradio_gpu_call

        def run_in_turn(task: str, *values: Any) -> Sequence[Any]:
            with self._host.queue.mark_queued():
                *others, html = job(task, *values)
            return [*others, str(html)]  # the host's own HTML comes after it, which markupsafe's type would escape

        return wrap_gradio_gpu_call(run_in_turn, extra_outputs=extra_outputs)  # type: ignore[no-any-return]

    @guard_need(Need.QUEUED)
    def _say_queued(self, task: str) -> None:
        from modules import progress

        progress.add_task_to_queue(task)

    @guard_need(Need.QUEUED)
    def _say_left(self, task: str) -> None:
        from modules import progress

        progress.pending_tasks.pop(task, None)
        progress.finish_task(task)

    def find_url(self, path: Path) -> str:
        """Say where the file is served, in its place; the host's page may serve it from now on, wherever it is."""
        self._let_serve(path.absolute())
        return f"file={quote(path.absolute().as_posix())}"

    @guard_need(Need.FILES)
    def _let_serve(self, path: Path) -> None:
        from modules import shared, ui_tempdir

        ui_tempdir.register_tmp_file(shared.demo, str(path))

    @guard_need(Need.SENDING)
    def receive(self, part: str, picture: Any, fields: Sequence[tuple[Any, Callable[[dict[str, str]], Any]]]) -> None:
        """Enter the tab among those that pictures can be sent to."""
        from modules.infotext_utils import PasteField, add_paste_fields

        add_paste_fields(part, picture, [PasteField(component, value) for component, value in fields])

    def send(self, button: Any, target: str, picture: Any) -> None:
        """Let a button send a picture. Bound when the whole tab has been built: a button for a tab that is not there
        stops the web UI.
        """
        self._bindings.append({"paste_button": button, "tabname": target, "source_image_component": picture})

    @guard_need(Need.OPENING)
    def open_folder(self, folder: Path) -> None:
        """Open a folder as the host's own folder buttons do."""
        from modules.util import open_folder

        open_folder(str(folder))

    @guard_need(Need.REMEMBERING)
    def remember(self, name: str, value: Any) -> None:
        """Keep a choice among the host's settings."""
        from modules import shared

        shared.opts.set(name, value)
        shared.opts.save(shared.config_filename)

    @guard_need(Need.TAB)
    def add_tab(self, build: Callable[[], Any], explain: Callable[[str], Any], label: str, part: str) -> None:
        """Add a tab to the page.

        Args:
            build: makes it; where that fails, the log says why, and the tab has nothing but a sentence.
            explain: makes a tab of a sentence.
            label: its name; another one where another tab is called so.
            part: its id.
        """
        from modules import script_callbacks

        def build_tabs() -> list[tuple[Any, str, str]]:
            sending, self._bindings = self._bindings, []
            try:
                blocks = build()
            except Exception as error:
                log.exception("The %s tab could not be built", label)
                self._bindings = []
                why = f"The {label} tab could not be built ({type(error).__name__}: {error}): the log has more."
                return [(explain(f"{why} {self.problem}".strip()), label, part)]
            self._bind([*sending, *self._bindings])
            self._bindings = []
            return [(blocks, label, part)]

        script_callbacks.on_ui_tabs(build_tabs)
        self._tell_apart(part)

    @guard_need(Need.LABEL)
    def _tell_apart(self, part: str) -> None:
        """Let our tab have another label where one of another extension, or of the host, has the same.

        Only the whole list tells, and only the host has it: extensions are asked in an order of the user's.
        """
        from modules import script_callbacks

        every = getattr(script_callbacks.ui_tabs_callback, "without_svd", script_callbacks.ui_tabs_callback)

        def ui_tabs_callback() -> list[Any]:
            tabs = every()
            told_apart: list[Any] = self.lacks.guard(Need.LABEL, _tell_tabs_apart, tabs)(tabs, part)
            return told_apart

        ui_tabs_callback.without_svd = every  # type: ignore[attr-defined]  # "Reload UI" comes here again
        script_callbacks.ui_tabs_callback = ui_tabs_callback

    @guard_need(Need.PATH)
    def leave_path(self, folder: Path) -> None:
        """Take our folder off Python's path when all scripts are loaded.

        Forge, reForge and Classic keep every extension's folder there, before their own and before installed packages,
        so that our `tests`, `training` and `benchmarks` would be found in place of others'. What is imported of
        `lib_svd` finds the rest by itself.
        """
        from modules import script_callbacks

        def leave() -> None:
            sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder.resolve()]

        script_callbacks.on_before_ui(leave)

    @guard_need(Need.SETTINGS)
    def add_settings(self, title: str, options: Mapping[str, Any]) -> None:
        """Add a section to the settings: each a `ui.options.Row`, by name."""
        from modules import script_callbacks, shared

        def settings() -> None:
            section = ("svd_for_forge", title)
            for name, (label, component, how) in options.items():
                shared.opts.add_option(name, shared.OptionInfo(DEFAULTS[name], label, component, how, section=section))

        script_callbacks.on_ui_settings(self.lacks.guard(Need.SETTINGS, settings))

    @guard_need(Need.SENDING)
    def add_send_buttons(self, make: Callable[[str, bool], Any], part: str) -> None:
        """Add buttons that send a picture to our tab, beside the host's own for its tabs.

        Args:
            make: given the button's id, and whether it stands in a row of small ones.
            part: our tab.
        """
        from modules import script_callbacks

        seen: dict[str, Any] = {}

        def after(component: Any, **named: Any) -> None:
            name = getattr(component, "elem_id", None) or ""
            if name in ("pnginfo_image", "pnginfo_generation_info") or name.endswith("_gallery"):
                seen[name] = component
            elif name in {f"{source}_send_to_extras" for source in SOURCES}:
                source = name.removesuffix("_send_to_extras")
                self.send(make(f"{source}_send_to_{part}", True), part, seen[f"{source}_gallery"])
            elif name == "extras_tab" and "pnginfo_generation_info" in seen:
                self.send(make(f"pnginfo_send_to_{part}", False), part, seen["pnginfo_image"])
                self._bindings[-1]["source_text_component"] = seen.pop("pnginfo_generation_info")

        script_callbacks.on_after_component(self.lacks.guard(Need.SENDING, after))

    @guard_need(Need.RESULTS)
    def add_results(self, make: Callable[[str, Any], None]) -> None:
        """Add a place under the galleries of txt2img and img2img for what the script made.

        Args:
            make: given the tab, and the component that holds a finished job's description as JSON.
        """
        from modules import script_callbacks

        def after(component: Any, **named: Any) -> None:
            name = getattr(component, "elem_id", None) or ""
            if name in ("generation_info_txt2img", "generation_info_img2img"):
                make(name.removeprefix("generation_info_"), component)

        script_callbacks.on_after_component(self.lacks.guard(Need.RESULTS, after))

    @guard_need(Need.ROUTES)
    def add_routes(self, add: Callable[[Any, list[Any]], None]) -> None:
        """Add routes beside the host's API, where that is on.

        Args:
            add: given the FastAPI app and the dependencies that guard the host's own routes.
        """
        from modules import script_callbacks, shared

        def started(demo: Any, app: Any) -> None:
            if shared.cmd_opts.api or shared.cmd_opts.nowebui:
                add(app, _list_guards(shared.cmd_opts))

        script_callbacks.on_app_started(self.lacks.guard(Need.ROUTES, started))

    @guard_need(Need.SENDING)
    def _bind(self, bindings: list[dict[str, Any]]) -> None:
        from modules.infotext_utils import ParamBinding, register_paste_params_button

        for binding in bindings:
            register_paste_params_button(ParamBinding(**binding))


def _tell_tabs_apart(tabs: list[Any], ours: str) -> list[Any]:
    """Give all tabs as (blocks, label, id), ours by another label where theirs has the same."""
    taken = {label.casefold() for _, label, part in tabs if part != ours}

    def name_tab(label: str, part: str) -> str:
        return f"{label} clip" if part == ours and label.casefold() in taken else label

    return [(blocks, name_tab(label, part), part) for blocks, label, part in tabs]


def _list_guards(given: Any) -> list[Any]:
    """Say who may call our routes, as FastAPI dependencies: no other site, and whom the host's own API lets in.

    Args:
        given: the host's command line.
    """

    async def refuse_strangers(request: Request) -> None:
        if why := door.explain_stranger(request.headers.raw, None, lambda origin: _is_welcome(origin, given)):
            raise HTTPException(door.FORBIDDEN, why)

    return [Depends(refuse_strangers), *([Depends(_ask_password(given.api_auth))] if given.api_auth else [])]


def _is_welcome(origin: str, given: Any) -> bool:
    """Tell whether the host's own API lets that other site in."""
    named, pattern = (getattr(given, name, None) for name in ("cors_allow_origins", "cors_allow_origins_regex"))
    return any(each in (origin, "*") for each in (named or "").split(",")) or bool(
        pattern and re.fullmatch(pattern, origin)
    )


def _ask_password(api_auth: str) -> Callable[..., Any]:
    """Ask for the same names and passwords as the host's API does, which guards nothing but its own routes."""
    known = dict(pair.split(":", 1) for pair in api_auth.split(","))

    async def guard(given: HTTPBasicCredentials = Depends(HTTPBasic())) -> None:  # noqa: B008 (how FastAPI wants it)
        password = known.get(given.username, "")
        if not password or not secrets.compare_digest(given.password.encode(), password.encode()):
            raise HTTPException(401, "Incorrect username or password", {"WWW-Authenticate": "Basic"})

    return guard
