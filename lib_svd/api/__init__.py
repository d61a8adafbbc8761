"""Clips over HTTP, for programs: `POST /svd/v1/animate` and `finish`, `GET /svd/v1/models` and `doctor`.

Progress and interrupt are the web UI's own: `/sdapi/v1/progress`, `/sdapi/v1/interrupt`.
"""

from lib_svd.api.routes import add_routes

__all__ = ["add_routes"]
