"""A web UI that changes under us: each thing that we use of it is taken away in turn, in every stub host."""

from __future__ import annotations

import ast
import html
import importlib
import logging
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from torch import nn

from lib_svd import extension
from lib_svd.errors import SvdError
from lib_svd.hosts import detect, lacking
from lib_svd.hosts.lacking import DEVICE, HOST, MEMORY, PAGE, Need
from lib_svd.hosts.webui import WebuiHost
from lib_svd.progress import Progress, Stage
from tests.hosts.stub_hosts import FOLDERS

ROOT = Path(__file__).parents[2]
HOSTS = sorted((ROOT / "lib_svd" / "hosts").glob("*.py"))
MODULES = {"MANAGEMENT", "backend.memory_management", "ldm_patched.modules.model_management"}
ADAPTER = {"forge": "forge", "neo": "forge", "older_neo": "forge", "reforge": "ldm", "classic": "ldm", "a1111": "a1111"}
pytestmark = pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning")  # gradio's own


def list_names(use: str) -> list[str]:
    """What a use is of; several where one of them is enough."""
    return [re.sub(r"\(.*", "", each).strip() for each in use.split("|")]


def list_tables(stub: str) -> Iterator[tuple[Need, tuple[str, ...]]]:
    """All that is used in a host."""
    yield from HOST.items()
    yield from PAGE.items()
    yield Need.MEMORY, MEMORY[ADAPTER[stub]]
    yield from DEVICE.items() if stub == "a1111" else ()


def list_cases() -> Iterator[Any]:
    """A host, and a use. The stubs share all but their memory management, so the rest is taken in two of them."""
    shared = {use for table in (HOST, PAGE) for uses in table.values() for use in uses}
    for stub in FOLDERS:
        for use in dict.fromkeys(use for _, uses in list_tables(stub) for use in uses):
            is_there = stub != "a1111" or not use.startswith("modules_forge")
            if is_there and (use not in shared or stub in ("forge", "a1111")):
                yield pytest.param(stub, use, id=f"{stub}-{list_names(use)[0]}")


def list_needs(stub: str, use: str) -> set[Need]:
    return {need for need, uses in list_tables(stub) if use in uses}


def take(use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete what is used, in an object, its class or a module; of what may be either of two, the one that is there."""
    for name in list_names(use):
        place, _, last = name.rpartition(".")
        owner = pkgutil.resolve_name(place)
        if hasattr(owner, last):
            monkeypatch.delattr(owner if last in vars(owner) else type(owner), last)
            return
    raise LookupError(f"the stub has no {use}")


class Taken:
    """A web UI that has loaded the extension and built its page.

    Attributes:
        script: the class that it was given for txt2img and img2img.
    """

    script: type[Any] | None

    def __init__(self) -> None:
        from modules import script_callbacks, scripts, shared

        scripts.load_scripts()
        script_callbacks.before_ui_callback()
        script_callbacks.ui_settings_callback()
        with gr.Blocks():
            gallery = gr.Gallery(elem_id="txt2img_gallery")
            button = gr.Button(elem_id="txt2img_send_to_extras")
            line = gr.Textbox(elem_id="generation_info_txt2img")
            for component in (gallery, button, line):
                script_callbacks.after_component_callback(component)
        entries = script_callbacks.callback_map["callbacks_ui_tabs"]
        self.tabs = [tab for entry in entries for tab in entry.callback()]
        self.app = FastAPI()
        if hasattr(shared.cmd_opts, "api"):
            shared.cmd_opts.api = True
        script_callbacks.app_started_callback(None, self.app)
        (self.host,) = detect._kept
        assert isinstance(self.host, WebuiHost)

    def list_texts(self) -> list[str]:
        """What the tab says in HTML."""
        ((blocks, _, _),) = [tab for tab in self.tabs if tab[2] == "svd_clip"]
        return [html.unescape(block.value or "") for block in blocks.blocks.values() if isinstance(block, gr.HTML)]

    def list_elements(self) -> set[str]:
        ((blocks, _, _),) = [tab for tab in self.tabs if tab[2] == "svd_clip"]
        return {block.elem_id for block in blocks.blocks.values() if block.elem_id}

    def serve_routes(self) -> TestClient:
        return TestClient(self.app)


def submit_box(toprow: Any) -> None:
    """As the stub's own, without what hosts add to gradio."""
    with gr.Row(render=False) as toprow.submit_box:
        gr.Button(elem_id=f"{toprow.id_part}_skip")
        toprow.submit = gr.Button(elem_id=f"{toprow.id_part}_generate")


@pytest.fixture
def start(stub_host, tmp_path, monkeypatch) -> Callable[..., Taken]:
    """`start("forge", "modules.util.open_folder")`: a host without that."""

    def start_host(stub: str, *taken: str) -> Taken:
        monkeypatch.delenv("SVD_HOST", raising=False)
        monkeypatch.setattr("lib_svd.extension._kept", [])
        monkeypatch.setattr(detect, "_kept", [])
        stub_host(stub)
        for module in ("modules.api.models", "modules.infotext_utils"):  # a host has imported its own
            importlib.import_module(module)
        monkeypatch.setattr(importlib.import_module("modules.ui_toprow").Toprow, "create_submit_box", submit_box)
        plot = ROOT / "tests" / "hosts" / "webpage" / "builtin" / "scripts"
        (tmp_path / "extensions" / "plot" / "scripts").mkdir(parents=True)
        (tmp_path / "extensions" / "plot" / "scripts" / "xyz_grid.py").symlink_to(plot / "xyz_grid.py")
        (tmp_path / "extensions" / "svd").symlink_to(ROOT, target_is_directory=True)
        importlib.import_module("modules.extensions").list_extensions()

        def register() -> Any:  # as soon as the extension is loaded; before, the stub itself needs some of it
            for use in taken:
                take(use, monkeypatch)
            given.append(registered())
            return given[0]

        given: list[Any] = []
        registered = extension.register
        monkeypatch.setattr(extension, "register", register)
        host = Taken()
        host.script = given[0]
        return host

    return start_host


def moves_the_bar(host: Taken) -> bool:
    from modules import shared

    host.host.queue.report(Progress(Stage.SAMPLING, 3, 10))
    return getattr(shared.state, "textinfo", None) == "Sampling 3/10"


def is_stopped(host: Taken) -> bool:
    from modules import shared

    shared.state.interrupted = True
    stopped = host.host.queue.is_interrupted()
    shared.state.interrupted = False
    return stopped


def has_its_turn(host: Taken) -> bool:
    try:
        return bool(host.host.queue.run_exclusively("svd", lambda: True))
    except SvdError as error:
        return str(error) != host.host.lacks.write_sentence()


def has_axes(host: Taken) -> bool:
    from modules import scripts

    plots = [each.module for each in getattr(scripts, "scripts_data", ()) if each.path.endswith("xyz_grid.py")]
    return any(axis.label.startswith("[SVD]") for plot in plots for axis in plot.axis_options)


def is_set(host: Taken) -> bool:
    from modules import shared

    return "svd_review" in shared.opts.data_labels


def list_bound() -> set[str]:
    from modules import infotext_utils

    return {binding.tabname for binding in infotext_utils.registered_param_bindings}


def keeps_a_network(host: Taken) -> bool:
    """In either keeping it runs; whether that is the host's."""
    resident = host.host.memory.adopt(nn.Linear(2, 2).requires_grad_(False), torch.float32)
    with resident.bring_to_gpu(0) as network:
        assert network(torch.zeros(1, 2)).shape == (1, 2)
    return host.host.name != "a web UI, beside its models"


WORKS: dict[Need, Callable[[Taken], bool]] = {
    Need.BUTTONS: lambda host: not any("#txt2img_skip" in text for text in host.list_texts()),
    Need.PROGRESS: moves_the_bar,
    Need.STOP: is_stopped,
    Need.TURN: has_its_turn,
    Need.SENDING: lambda host: (
        {"svd_clip", "img2img"} <= list_bound() and "svd_clip_send_to_img2img" in host.list_elements()
    ),
    Need.OPENING: lambda host: "svd_clip_open_folder" in host.list_elements(),
    Need.SETTINGS: is_set,
    Need.ROUTES: lambda host: host.serve_routes().get("/svd/v1/models").status_code == 200,
    Need.SCRIPT: lambda host: host.script is not None,
    Need.AXES: has_axes,
    Need.MEMORY: keeps_a_network,
}
"""How to see that what needs something works; what is not here has no face of its own in a stub."""


@pytest.mark.parametrize(("stub", "use"), list_cases())
def test_what_is_taken_away_costs_what_needs_it_and_no_more(start, caplog, stub, use):
    with caplog.at_level(logging.WARNING, "svd"):
        host = start(stub, use)
    lost = list_needs(stub, use)
    sentence = host.host.lacks.write_sentence()
    assert [record.message for record in caplog.records] == [sentence]
    assert sentence.count(list_names(use)[0]) == 1
    assert all(need.value in sentence for need in lost)
    if Need.TAB not in lost:
        assert sum(sentence in text for text in host.list_texts()) == 1
        assert {"svd_clip_generate", "svd_clip_history"} <= host.list_elements()
    assert lacking.describe_host(host.host)["lacks"] == sentence
    needs_tab = {Need.BUTTONS, Need.SENDING, Need.OPENING} if Need.TAB in lost else set()
    works = {need: check(host) for need, check in WORKS.items() if need not in needs_tab}
    assert works == {need: need not in lost for need in works}


@pytest.mark.parametrize("stub", FOLDERS)
def test_where_nothing_is_lacking_nothing_is_said(start, caplog, stub):
    with caplog.at_level(logging.WARNING, "svd"):
        host = start(stub)
    assert caplog.messages == []
    assert host.host.lacks.write_sentence() == ""
    assert not any("web UI" in text for text in host.list_texts())
    assert lacking.describe_host(host.host)["lacks"] == "nothing"
    assert all(check(host) for check in WORKS.values())


def test_the_doctor_says_what_the_tab_says(start):
    host = start("forge", "modules.util.open_folder", "modules.ui_tempdir.register_tmp_file")
    told = host.serve_routes().get("/svd/v1/doctor").json()["web UI"]
    assert told["adapter"] == host.host.name
    assert told["lacks"] == host.host.lacks.write_sentence()
    assert "has no modules.util.open_folder (for Open folder)" in told["lacks"]
    assert "has no modules.ui_tempdir.register_tmp_file (for clips in folders" in told["lacks"]


def find_aliases(tree: ast.AST) -> dict[str, str]:
    """Names in a file that stand for something of a host."""
    found = {"management": "MANAGEMENT"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "modules",
            "modules_forge",
            "backend",
            "ldm_patched",
        ):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            whole = follow_chain(node.value, found)
            if whole:
                found[node.targets[0].id] = whole
    return found


def follow_chain(node: ast.expr, known: dict[str, str]) -> str:
    """`state.begin` as modules.shared.state.begin; "" where it is nothing of a host."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute):
        if node.attr == "management":
            return "MANAGEMENT"
        inner = follow_chain(node.value, known)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def list_used(path: Path) -> set[str]:
    """The longest names of a host's own that a file uses."""
    tree = ast.parse(path.read_text("utf-8"))
    known = find_aliases(tree)
    found = {whole for node in ast.walk(tree) if isinstance(node, ast.expr) and (whole := follow_chain(node, known))}
    found |= set(known.values())
    return {whole for whole in found if not any(other.startswith(f"{whole}.") for other in found)} - MODULES


@pytest.mark.parametrize("path", HOSTS, ids=lambda path: path.stem)
def test_all_that_is_used_is_in_the_tables(path):
    every = [use for table in (HOST, PAGE, DEVICE, MEMORY) for uses in table.values() for use in uses]
    known = {
        re.sub(r"^.*(memory|model)_management\.", "MANAGEMENT.", name) for use in every for name in list_names(use)
    }
    missing = [
        name
        for name in list_used(path)
        if not any(name == each or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in known)
    ]
    assert missing == []


def test_nothing_is_in_the_tables_that_is_not_used():
    text = "".join(path.read_text("utf-8") for path in HOSTS if path.stem != "lacking")
    every = [use for table in (HOST, PAGE, DEVICE, MEMORY) for uses in table.values() for use in uses]
    last = {name.rpartition(".")[2] for use in every for name in list_names(use)}
    assert [name for name in last if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("modules.util", "open_folder", lambda: None), "has another modules.util.open_folder (for Open folder)"),
        (
            ("modules.shared", "OptionInfo", lambda default, label: None),
            "has another modules.shared.OptionInfo (for our page of settings)",
        ),
    ],
)
def test_a_function_that_takes_other_arguments_is_as_good_as_none(stub_host, monkeypatch, change, said):
    stub_host("forge")
    module, name, instead = change
    monkeypatch.setattr(importlib.import_module(module), name, instead)
    lacks = lacking.Lacks()
    lacks.look(PAGE)
    assert said in lacks.write_sentence()


def test_what_fails_when_it_is_used_is_lost_from_then_on_and_the_log_has_one_line(caplog):
    lacks, called = lacking.Lacks(), []

    def work() -> str:
        called.append(1)
        raise KeyError("another key")

    lacks.tell()
    guarded = lacks.guard(Need.AXES, work, "none")
    with caplog.at_level(logging.WARNING, "svd"):
        assert [guarded(), guarded()] == ["none", "none"]
    assert called == [1]
    assert len(caplog.messages) == 1
    assert "answers KeyError: 'another key' (for axes in X/Y/Z plot)" in lacks.write_sentence()
