"""What we use of a web UI, by what of ours needs it; and what of that this version of it lacks.

A web UI changes under us. What it lacks costs what needs it and nothing else: that is left out, or done in a plainer
way, and the tab, the log and `GET /svd/v1/doctor` say so in one sentence.
"""

from __future__ import annotations

import ast
import inspect
import logging
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import wraps
from typing import Any, TypeVar

log = logging.getLogger("svd")

C = TypeVar("C", bound=Callable[..., Any])


class Need(Enum):
    """What of ours needs something of the web UI; the words stand in a sentence."""

    TAB = "the tab"
    LABEL = "a name of its own beside another tab called SVD"
    BUTTONS = "its own Generate, Interrupt and Skip"
    QUEUED = "the bar of a clip made in the tab"
    PROGRESS = "the steps in the bar, and the preview"
    STOP = "Interrupt"
    TURN = "clips by the API"
    THREAD = "work on the web UI's own thread"
    FOLDERS = "the web UI's folders"
    OTHERS = "telling its own packages from other extensions'"
    FILES = "clips in folders outside of the web UI's own"
    SENDING = "sending pictures from tab to tab"
    OPENING = "Open folder"
    REMEMBERING = "choices that are remembered"
    SETTINGS = "our page of settings"
    ROUTES = "the API"
    SCRIPT = "Animate with SVD in txt2img and img2img"
    RESULTS = "clips under the galleries"
    AXES = "axes in X/Y/Z plot"
    PATH = "staying out of other extensions' way on Python's path"
    DEVICE = "the device that the web UI is told to use"
    UPSCALERS = "the web UI's own upscalers"
    MEMORY = "sharing memory with the web UI's models"


HOST = {
    Need.PROGRESS: (
        *("modules.shared.state.job_count", "modules.shared.state.sampling_step"),
        *("modules.shared.state.sampling_steps", "modules.shared.state.textinfo"),
        "modules.shared.state.assign_current_image(_)",
    ),
    Need.STOP: ("modules.shared.state.interrupted", "modules.shared.state.skipped"),
    Need.TURN: ("modules.call_queue.queue_lock", "modules.shared.state.begin(job=_)", "modules.shared.state.end()"),
    Need.THREAD: ("modules_forge.main_thread.loop", "modules_forge.main_thread.run_and_wait_result(_)"),
    Need.FOLDERS: ("modules.paths.models_path", "modules.paths.data_path"),
    Need.OTHERS: ("modules.paths.extensions_dir", "modules.paths.extensions_builtin_dir"),
    Need.UPSCALERS: ("modules.shared.sd_upscalers", "modules.upscaler.Upscaler.do_upscale(_, _, _)"),
}
"""What every adapter uses, as it is used: `f(_, name=_)` takes one argument by position and one by name, a name without
brackets must only be there, and of `a | b` one is enough."""

DEVICE = {Need.DEVICE: ("modules.devices.get_optimal_device()",)}
"""What is used in place of an adapter's memory management."""

PAGE = {
    Need.TAB: ("modules.script_callbacks.on_ui_tabs(_)",),
    Need.LABEL: ("modules.script_callbacks.ui_tabs_callback()",),
    Need.BUTTONS: (
        "modules.ui_toprow.Toprow(is_compact=_, is_img2img=_, id_part=_)",
        *("modules.ui_toprow.Toprow.create_inline_toprow_image(_)", "modules.ui_toprow.Toprow.submit"),
    ),
    Need.QUEUED: (
        "modules.call_queue.wrap_gradio_gpu_call(_, extra_outputs=_)",
        *("modules.progress.add_task_to_queue(_)", "modules.progress.finish_task(_)"),
        *("modules.progress.pending_tasks", "modules.progress.current_task"),
    ),
    Need.FILES: ("modules.ui_tempdir.register_tmp_file(_, _)", "modules.shared.demo"),
    Need.SENDING: (
        *("modules.infotext_utils.PasteField(_, _)", "modules.infotext_utils.add_paste_fields(_, _, _)"),
        "modules.infotext_utils.ParamBinding"
        "(paste_button=_, tabname=_, source_image_component=_, source_text_component=_)",
        "modules.infotext_utils.register_paste_params_button(_)",
        "modules.script_callbacks.on_after_component(_)",
    ),
    Need.OPENING: ("modules.util.open_folder(_)", "modules.shared.cmd_opts.hide_ui_dir_config"),
    Need.REMEMBERING: (
        *("modules.shared.opts.set(_, _)", "modules.shared.opts.save(_)", "modules.shared.config_filename"),
    ),
    Need.SETTINGS: (
        *("modules.script_callbacks.on_ui_settings(_)", "modules.shared.opts.add_option(_, _)"),
        "modules.shared.OptionInfo(_, _, _, _, section=_)",
    ),
    Need.ROUTES: (
        *("modules.script_callbacks.on_app_started(_)", "modules.shared.cmd_opts.api"),
        *("modules.shared.cmd_opts.nowebui", "modules.shared.cmd_opts.api_auth"),
    ),
    Need.SCRIPT: (
        *("modules.scripts.Script", "modules.scripts.AlwaysVisible", "modules.shared.state.nextjob()"),
        *("modules.shared.state.job_no", "modules.shared.state.job_count"),
        *("modules.shared.state.interrupted", "modules.shared.state.skipped"),
    ),
    Need.RESULTS: ("modules.script_callbacks.on_after_component(_)",),
    Need.AXES: ("modules.script_callbacks.on_before_ui(_)", "modules.scripts.scripts_data"),
    Need.PATH: ("modules.script_callbacks.on_before_ui(_)",),
}
"""What the page, the script and the plot use."""

_MANAGED = (
    *("get_torch_device()", "is_device_cpu(_)", "get_free_memory(_)", "minimum_inference_memory()"),
    *("current_loaded_models", "load_models_gpu(_)", "module_size(_)", "unload_all_models()", "soft_empty_cache()"),
    *("unet_offload_device()", "unet_dtype(_, model_params=_)", "OOM_EXCEPTION"),
)
MEMORY = {
    "forge": (
        *(f"backend.memory_management.{use}" for use in _MANAGED),
        "backend.memory_management.get_computation_dtype(_, parameters=_)"
        " | backend.memory_management.inference_cast(_, _)",
        "backend.memory_management.vae_dtype(_, allowed_dtypes=_)",
        *("backend.patcher.base.ModelPatcher(_, _, _)", "backend.args.dynamic_args"),
        "backend.operations.using_forge_operations(_, dtype=_, manual_cast_enabled=_)",
        "backend.operations.ForgeOperations",
    ),
    "ldm": (
        *(f"ldm_patched.modules.model_management.{use}" for use in _MANAGED),
        "ldm_patched.modules.model_management.unet_manual_cast(_, _)",
        "ldm_patched.modules.model_management.vae_dtype",
        "ldm_patched.modules.model_patcher.ModelPatcher(_, _, _)",
        *("ldm_patched.modules.ops.use_patched_ops(_)", "ldm_patched.modules.ops.manual_cast"),
    ),
    "a1111": (
        *("modules.devices.get_optimal_device()", "modules.devices.dtype", "modules.devices.dtype_vae"),
        *("modules.devices.torch_gc()", "modules.sd_models.model_data.sd_model", "modules.sd_models.model_data.lock"),
        *("modules.sd_models.send_model_to_cpu(_)", "modules.sd_models.send_model_to_device(_)"),
    ),
}
"""What `Need.MEMORY` is, by the name of an adapter."""


def describe_missing(uses: tuple[str, ...]) -> str:
    """Say what is not as it is used, such as "has no modules.util.open_folder"; "" if all is."""
    return next(filter(None, map(_explain_wrong, uses)), "")


class Lacks:
    """What the web UI lacks, by what needs it."""

    def __init__(self) -> None:
        self._found: dict[Need, str] = {}
        self._is_told = False

    def __contains__(self, need: Need) -> bool:
        return need in self._found

    def look(self, uses: Mapping[Need, tuple[str, ...]]) -> None:
        """Look anew whether everything is there that these need; `tell` says what is not."""
        self._is_told = False
        for need, used in uses.items():
            self._found.pop(need, None)
            if what := describe_missing(used):
                self.note(need, what)

    def note(self, need: Need, what: str) -> None:
        """Note that this need is not met; with a line for the log, unless `tell` will say it with the others."""
        self._found.setdefault(need, what)
        if self._is_told:
            log.warning(_write_sentence({need: what}))

    def tell(self) -> None:
        """Write one line to the log, if anything is lacking."""
        if self._found:
            log.warning(self.write_sentence())
        self._is_told = True

    def write_sentence(self) -> str:
        """Say what is lacking, what it costs, and what to do; "" if nothing is."""
        return _write_sentence(self._found) if self._found else ""

    def guard(self, need: Need, work: C, otherwise: Any = None) -> C:
        """Guard a function, which gives `otherwise` where the need is not met or turns out not to be: the one place for
        it.
        """

        @wraps(work)
        def run_guarded(*given: Any, **named: Any) -> Any:
            if need in self:
                return otherwise
            try:
                return work(*given, **named)
            except Exception as error:
                log.debug("%s failed", need.value, exc_info=True)
                self.note(need, f"answers {type(error).__name__}: {error}".rstrip(".: "))
                return otherwise

        return run_guarded  # type: ignore[return-value]


def guard_need(need: Need, otherwise: Any = None) -> Callable[[C], C]:
    """Guard a method of what has `lacks`, see `Lacks.guard`."""

    def guard(method: C) -> C:
        @wraps(method)
        def run_guarded(self: Any, *given: Any, **named: Any) -> Any:
            return self.lacks.guard(need, method, otherwise)(self, *given, **named)

        return run_guarded  # type: ignore[return-value]

    return guard


def describe_host(host: Any) -> dict[str, str]:
    """Say for `doctor` which web UI we are in, and what it lacks."""
    lacks = getattr(host, "lacks", None)
    return {"adapter": host.name, "lacks": (lacks and lacks.write_sentence()) or "nothing"}


def _write_sentence(found: Mapping[Need, str]) -> str:
    by_what: dict[str, list[str]] = {}
    for need, what in found.items():
        by_what.setdefault(what, []).append(need.value)
    lacks = "; ".join(f"{what} (for {' and '.join(needs)})" for what, needs in by_what.items())
    return (
        f"This version of the web UI {lacks}, and SVD goes without: update both of them, or report this where you got "
        "SVD from (Extensions > Installed has the address)."
    )


def _explain_wrong(use: str) -> str:
    """Say what is wrong with one use; "" where it or one of its alternatives is right."""
    reasons = [_find_reason(each) for each in _list_alternatives(ast.parse(use, mode="eval").body)]
    return "" if "" in reasons else reasons[0]


def _list_alternatives(use: ast.expr) -> Iterator[ast.expr]:
    if isinstance(use, ast.BinOp):
        yield from _list_alternatives(use.left)
        yield from _list_alternatives(use.right)
    else:
        yield use


def _find_reason(use: ast.expr) -> str:
    name = ast.unparse(use.func if isinstance(use, ast.Call) else use)
    try:
        found = pkgutil.resolve_name(name)
    except Exception:  # noqa: BLE001 (whatever a host's module does when it is imported)
        return f"has no {name}"
    if not isinstance(use, ast.Call):
        return ""
    try:
        given = [None] * len(use.args), {word.arg or "": None for word in use.keywords}
        inspect.signature(found).bind(*given[0], **given[1])
    except TypeError:
        return f"has another {name}"
    except ValueError:  # one that does not tell what it takes
        return ""
    return ""
