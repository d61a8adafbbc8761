"""The page."""

from __future__ import annotations

from modules.ui_common import create_output_panel, plaintext_to_html, refresh_symbol

__all__ = ["create_output_panel", "plaintext_to_html", "refresh_symbol"]

paste_symbol = "↙️"
restore_progress_symbol = "🌀"


def create_ui():
    from tests.hosts.webpage import tabs

    return tabs.build_page()


def setup_ui_api(app):
    app.add_api_route("/internal/ping", lambda: {}, methods=["GET"])
