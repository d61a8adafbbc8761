"""Which host is found, and what is said about it."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import types
from pathlib import Path

import pytest
import torch

from lib_svd.errors import BadRequest, SvdError
from lib_svd.hosts import detect
from lib_svd.hosts.detect import find_host, get_current_host
from lib_svd.hosts.whose import is_own

NAMES = {
    "forge": "Forge or Neo",
    "neo": "Forge or Neo",
    "reforge": "reForge or Classic",
    "classic": "reForge or Classic",
}


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(detect, "_kept", [])
    monkeypatch.delenv("SVD_HOST", raising=False)


@pytest.mark.parametrize(("stub", "name"), [*NAMES.items(), ("a1111", "A1111")])
def test_a_host_is_known_by_its_modules(stub_host, stub, name):
    stub_host(stub)
    assert find_host().name == name


def test_without_a_host_there_is_the_stand_alone_one():
    assert find_host().name == "stand-alone"


def bring(folder: Path, package: str, text: str = "") -> None:
    """An extension with a top-level package of that name, its folder first on the path, as hosts put it."""
    extension = folder / "extensions" / "sd_forge_port"
    inside = extension / package
    (inside / "modules").mkdir(parents=True)
    for name in ("__init__", "modules/__init__", "modules/model_management", "memory_management", "main_thread"):
        (inside / f"{name}.py").write_text(text)
    sys.path.insert(0, str(extension))  # the stub host's own list, which goes with it
    importlib.invalidate_caches()


@pytest.mark.parametrize("text", ["", "raise RuntimeError('not with this torch')"])
@pytest.mark.parametrize("package", ["ldm_patched", "backend", "modules_forge"])
@pytest.mark.parametrize(("stub", "name"), [*NAMES.items(), ("a1111", "A1111")])
def test_a_package_that_another_extension_brings_makes_no_other_host(stub_host, tmp_path, stub, name, package, text):
    stub_host(stub)
    if is_own(package):
        importlib.import_module(package)  # a host has imported its own before any extension
    bring(tmp_path, package, text)
    host = find_host()
    assert host.name == name
    assert host.queue.run_exclusively("svd", lambda: "done") == "done"


def test_an_extension_that_is_a_link_is_another_extension_too(stub_host, tmp_path):
    stub_host("a1111")
    for package in ("ldm_patched", "modules_forge"):
        bring(tmp_path / "elsewhere", package)
    (tmp_path / "extensions").mkdir()
    link = tmp_path / "extensions" / "sd_forge_port"
    link.symlink_to(tmp_path / "elsewhere" / "extensions" / link.name, target_is_directory=True)
    sys.path[0] = str(link)
    assert find_host().name == "A1111"


def test_a_stand_in_among_the_imported_modules_is_nobodys(stub_host, monkeypatch):
    stub_host("a1111")
    monkeypatch.setitem(sys.modules, "ldm_patched", types.SimpleNamespace())
    assert find_host().name == "A1111"


def test_a_host_of_other_memory_management_gets_our_own_on_the_device_that_it_names(stub_host, monkeypatch):
    stub_host("forge")
    monkeypatch.delattr("backend.memory_management.load_models_gpu")
    monkeypatch.setattr("modules.devices.get_optimal_device", lambda: torch.device("meta"))
    host = find_host()
    assert host.name == "a web UI, beside its models"
    assert host.memory.get_device() == torch.device("meta")
    assert {host.memory.choose_dtype(part) for part in ("unet", "decoder", "encoder")} == {torch.float16, torch.float32}
    assert "has no backend.memory_management.load_models_gpu" in host.lacks.write_sentence()


def test_one_line_says_which_host_it_is_and_in_what_it_computes(stub_host, caplog):
    gpu = stub_host("forge").gpu
    gpu.storage, gpu.compute, gpu.vae = torch.float8_e4m3fn, torch.float16, torch.bfloat16
    with caplog.at_level(logging.INFO, "svd"):
        find_host()
    assert caplog.messages == [
        "SVD runs in Forge or Neo on cpu: "
        "UNet in torch.float16 stored as torch.float8_e4m3fn, decoder in torch.bfloat16"
    ]


@pytest.mark.parametrize(
    ("stub", "named", "name"),
    [
        ("forge", "standalone", "stand-alone"),
        ("a1111", "standalone", "stand-alone"),
        ("a1111", "a1111", "A1111"),
    ],
)
def test_the_environment_names_another(stub_host, monkeypatch, stub, named, name):
    stub_host(stub)
    monkeypatch.setenv("SVD_HOST", named)
    assert find_host().name == name


def test_a_name_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("SVD_HOST", "comfy")
    with pytest.raises(BadRequest, match=r"^SVD_HOST must be one of forge, ldm, a1111, standalone, not 'comfy'\.$"):
        find_host()


def test_a_host_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("SVD_HOST", "ldm")
    with pytest.raises(SvdError, match=r"^SVD_HOST is ldm, but modules\.shared cannot be imported: .*\.$"):
        find_host()


def test_there_is_one_host_for_the_process(stub_host):
    stub_host("forge")
    found = []
    callers = [threading.Thread(target=lambda: found.append(get_current_host())) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len({id(host) for host in found}) == 1
    assert get_current_host() is found[0]


def test_what_cannot_be_found_is_tried_again(stub_host, monkeypatch):
    monkeypatch.setenv("SVD_HOST", "comfy")
    with pytest.raises(BadRequest):
        get_current_host()
    monkeypatch.delenv("SVD_HOST")
    assert get_current_host().name == "stand-alone"
