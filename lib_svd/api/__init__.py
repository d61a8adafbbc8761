"""Clips over HTTP, for programs: `/svd/v1/jobs`, what to ask before, and `POST /svd/v1/animate`, the short way.

Interrupt is the web UI's own too: `/sdapi/v1/interrupt`.
"""

from lib_svd.api.routes import add_routes

__all__ = ["add_routes"]
