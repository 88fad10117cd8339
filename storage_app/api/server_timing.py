"""`Server-Timing` (https://www.w3.org/TR/server-timing/): where the time of a request went, for whoever sent it."""

import time

from flask import Flask, Response

from ..host import parts
from .context import g


def init_app(app: Flask) -> None:
    """Let `app` time each request."""
    app.before_request(parts.begin)
    app.after_request(_end)


def _end(response: Response) -> Response:
    """Add the milliseconds in the index, in the store, and in all until the answer begins."""
    seconds = parts.end() | {"total": time.perf_counter() - g.began}
    shown = (f"{name};dur={1000 * spent:.2f}" for name, spent in seconds.items())
    response.headers["Server-Timing"] = ", ".join(shown)
    return response
