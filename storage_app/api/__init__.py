"""The HTTP API. A view parses the request, calls one service method and shapes the response."""

from flask import Flask, Response, request
from flask_cors import CORS

from ..settings import Settings
from . import audit, context, nginx, openapi, server_timing
from .http import problems, routing
from .schemas.requests import MAX_SETTINGS_BYTES

EXPOSED_HEADERS = [
    "Location", "ETag", "Link", "Content-Range", "Accept-Ranges", "Content-Disposition", "Repr-Digest",
    "X-Request-ID", "X-Total-Count", "Retry-After", "Upload-Offset", "Upload-Length", "Upload-Defer-Length",
    "Upload-Expires", "Upload-Concat", "Upload-Metadata", "Tus-Resumable", "Tus-Version", "Tus-Extension",
    "Tus-Max-Size", "Tus-Checksum-Algorithm",
]  # fmt: skip
_EXPOSED = ", ".join(sorted(EXPOSED_HEADERS))


def init_app(app: Flask, settings: Settings) -> None:
    """Register routes, error handlers, hooks and CORS on `app`."""
    # For JSON. Uploads read their bodies themselves, and have their own limits.
    app.config["MAX_CONTENT_LENGTH"] = MAX_SETTINGS_BYTES
    routing.init_app(app)
    problems.init_app(app)
    context.init_app(app)
    if settings.server_timing:
        server_timing.init_app(app)
    if settings.audit_log:
        audit.init_app(app)
    nginx.init_app(app, settings)
    openapi.init_app(app, settings)
    if "*" not in settings.cors_origins:
        app.after_request(_vary_by_origin)
    # Hooks run from the last to the first, and Flask-Cors skips a response that has its headers already.
    CORS(
        app,
        origins=list(settings.cors_origins),
        methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers="*",
        expose_headers=EXPOSED_HEADERS,
        send_wildcard=True,
        supports_credentials=False,
        max_age=7200,
    )
    if "*" in settings.cors_origins:
        app.after_request(_allow_every_origin)


def _allow_every_origin(response: Response) -> Response:
    """Set the headers of Flask-Cors, except for a preflight: Flask-Cors would look up its rules for each request."""
    if request.method != "OPTIONS":
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    return response


def _vary_by_origin(response: Response) -> Response:
    """Tell caches that the headers depend on the origin (RFC 9110 section 12.5.5). Flask-Cors often does not."""
    response.vary.add("Origin")
    return response
