"""Which program are we in? Told by what can be imported, never by a name or a version."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from lib_svd.errors import BadRequest, SvdError
from lib_svd.hosts.lacking import MEMORY, describe_missing
from lib_svd.hosts.whose import is_own
from lib_svd.ports import Host

log = logging.getLogger("svd")


@dataclass(frozen=True)
class Adapter:
    """How to know a host, and how to make its adapter."""

    features: tuple[str, ...]  # modules of its own, which those below it in the table lack
    make: Callable[[], Host]


def _make_forge() -> Host:
    from lib_svd.hosts.forge import ForgeMemory
    from lib_svd.hosts.webui import make_webui_host

    return make_webui_host("Forge or Neo", ForgeMemory())


def _make_ldm() -> Host:
    from lib_svd.hosts.ldm import LdmMemory
    from lib_svd.hosts.webui import make_webui_host

    return make_webui_host("reForge or Classic", LdmMemory())


def _make_a1111() -> Host:
    from lib_svd.hosts.a1111 import A1111Memory
    from lib_svd.hosts.beside import make_beside_host

    return make_beside_host("A1111", A1111Memory)


def _make_beside(why: str) -> Host:
    from lib_svd.hosts.beside import make_beside_host

    return make_beside_host("a web UI, beside its models", why=why)


def _make_standalone() -> Host:
    from lib_svd.hosts.standalone import make_standalone_host

    return make_standalone_host()


WEBUI = ("modules.shared", "modules.script_callbacks")
FORGE = (*WEBUI, "modules_forge")
ADAPTERS = {
    "forge": Adapter((*FORGE, "backend.memory_management"), _make_forge),
    "ldm": Adapter((*FORGE, "ldm_patched.modules.model_management"), _make_ldm),
    "a1111": Adapter((*WEBUI, "modules.sd_models"), _make_a1111),
    "standalone": Adapter((), _make_standalone),
}
"""By the name that SVD_HOST takes; the first whose modules are there is meant."""

_lock = threading.Lock()
_kept: list[Host] = []


def get_current_host() -> Host:
    """Give the one host of this process. It outlives the web UI's "Reload UI", which runs scripts again but not
    packages.

    Raises:
        SvdError: see `find_host`.
    """
    with _lock:
        if not _kept:
            _kept.append(find_host())
        return _kept[0]


def find_host() -> Host:
    """Make an adapter to the program around us, or to the one that the environment variable SVD_HOST names.

    Raises:
        BadRequest: SVD_HOST names none.
        SvdError: SVD_HOST names one that is not around us.
    """
    name = os.environ.get("SVD_HOST", "") or next(name for name, it in ADAPTERS.items() if not _list_missing(it))
    if name not in ADAPTERS:
        raise BadRequest(f"SVD_HOST must be one of {', '.join(ADAPTERS)}, not {name!r}.")
    if missing := _list_missing(ADAPTERS[name]):
        raise SvdError(f"SVD_HOST is {name}, but {missing[0]} cannot be imported: unset SVD_HOST, or start that host.")
    host, computes = _make_adapter(name)
    log.info("SVD runs in %s on %s: UNet in %s stored as %s, decoder in %s", host.name, *computes)
    return host


def _make_adapter(name: str) -> tuple[Host, tuple[object, ...]]:
    """Make an adapter, and log where and in what it computes.

    Where this version of a web UI has not the memory management that its adapter uses, our networks are kept beside its
    models: slower where both do not fit, and right all the same.
    """
    why = describe_missing(MEMORY.get(name, ()))
    if not why:
        try:
            host = ADAPTERS[name].make()
            return host, _describe_computing(host)
        except SvdError:
            raise
        except Exception as error:
            if name not in MEMORY:
                raise
            log.debug("%s has another memory management", name, exc_info=True)
            why = f"answers {type(error).__name__}: {error}".rstrip(".: ")
    host = _make_beside(why)
    return host, _describe_computing(host)


def _describe_computing(host: Host) -> tuple[object, ...]:
    memory = host.memory
    return (
        memory.get_device(),
        memory.choose_dtype("unet"),
        memory.choose_storage("unet"),
        memory.choose_dtype("decoder"),
    )


def _list_missing(adapter: Adapter) -> list[str]:
    return [module for module in adapter.features if not is_own(module)]
