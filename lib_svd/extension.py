"""Everything that a web UI is shown of us, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib_svd.clip import SavedClip
from lib_svd.errors import SvdError
from lib_svd.hosts.detect import get_current_host
from lib_svd.hosts.webpage import WebuiPage
from lib_svd.hosts.webui import WebuiHost
from lib_svd.studio import Studio

_kept: list[tuple[WebuiHost, Studio]] = []  # one at most: the loaded model outlives "Reload UI"


def register() -> type[Any] | None:
    """Tell the web UI of the tab, the settings and the API; the class of the script is for it to find in a module.

    Each part is left out by itself where this version of the web UI lacks what it needs, see `hosts.lacking`.

    Raises:
        SvdError: this is no web UI that we know.
    """
    from lib_svd import api
    from lib_svd.hook import Hook
    from lib_svd.hosts.script import make_script_class
    from lib_svd.hosts.xyz import add_axes
    from lib_svd.ui import accordion, clips, options, plain, send_to, tab

    def show(saved: SavedClip) -> str:
        clip, plays = saved.clip, clips.describe_playing(host.options)
        return clips.render_clip(page.find_url(saved.video), clip.size, clip.infotext, saved.notes, plays=plays)

    host, studio = _find_host_and_studio()
    page = WebuiPage(host, plain.make_buttons)
    hook = Hook(studio, show)
    page.add_settings(tab.LABEL, options.ROWS)
    page.add_tab(lambda: tab.build(studio, page), plain.show_sentence, tab.LABEL, tab.PART)
    page.add_send_buttons(send_to.show_button, tab.PART)
    page.add_results(lambda part, description: send_to.show_results(part, description, hook.render))
    page.add_routes(lambda app, guards: api.add_routes(app, studio, guards))
    page.leave_path(Path(__file__).parents[1])
    add_axes(accordion.AXES, host.lacks)
    script = make_script_class(host, hook, lambda part: accordion.build(studio, part, page))
    host.lacks.tell()
    return script


def _find_host_and_studio() -> tuple[WebuiHost, Studio]:
    if not _kept:
        host = get_current_host()
        if not isinstance(host, WebuiHost):
            raise SvdError("scripts/svd.py is for web UIs; without one run: python -m lib_svd serve.")
        _kept.append((host, Studio(host)))
    return _kept[0]
