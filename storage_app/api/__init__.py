"""HTTP: reads headers, picks a status, knows nginx. A view parses, calls one service method and shapes the answer."""

from flask import Flask
from flask_cors import CORS

from ..settings import Settings
from . import docs, problems, requests, routing
from .blueprint import MAX_JSON_BYTES

EXPOSED_HEADERS = [
    "Location", "ETag", "Link", "Content-Range", "Accept-Ranges", "Content-Disposition", "Repr-Digest",
    "X-Request-ID", "Retry-After",
]  # fmt: skip


def init_app(app: Flask, settings: Settings) -> None:
    """Register routes, error answers, hooks and CORS on `app`."""
    # For JSON; uploads read their bodies themselves, and have their own limits.
    app.config["MAX_CONTENT_LENGTH"] = MAX_JSON_BYTES
    routing.init_app(app)
    problems.init_app(app)
    requests.init_app(app)
    docs.init_app(app)
    CORS(
        app,
        origins=list(settings.cors_origins),
        methods=["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
        allow_headers="*",
        expose_headers=EXPOSED_HEADERS,
        send_wildcard=True,
        supports_credentials=False,
        max_age=7200,
    )
