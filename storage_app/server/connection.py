"""WSGI middleware with the rules for connections, whichever gunicorn worker runs the request."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

from ..api.http.bodies import SILENCE_SECONDS
from ..errors import Unavailable
from .places import places
from .request_body import GunicornBody, SocketBody
from .slow_clients import SlowClientSocket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_DRAIN_SECONDS = 5
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_STEP_BYTES = 256 * 1024

# A limit for each process, so that clients whose requests were refused do not occupy all of its threads.
_drains = threading.BoundedSemaphore(4)


class ConnectionRules:
    """Cuts silent clients off, translates the errors of reading a body, and drains the body after a refusal."""

    silence_seconds: float = SILENCE_SECONDS

    def __init__(self, application: "WSGIApplication", *, lingers: bool = False) -> None:
        """With `lingers`, the worker waits by itself for a client that still sends to close (`lingering`)."""
        self._application = application
        self._lingers = lingers

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # gunicorn would wait forever for a client that neither sends nor takes anything.
        connection = SlowClientSocket.of(environ["gunicorn.socket"])
        connection.settimeout(self.silence_seconds)
        places.begin(connection)  # `Lifecycle.post_request` ends it
        if not isinstance(environ["wsgi.input"], SocketBody):
            environ["wsgi.input"] = GunicornBody(environ["wsgi.input"])
        body = environ["wsgi.input"]
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue" and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
            body.invite = partial(connection.sendall, b"HTTP/1.1 100 Continue\r\n\r\n")
        is_refused = False

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            nonlocal is_refused
            is_refused = status >= "400"
            if is_refused and (self._lingers or body.invite):  # a client that was not invited may send no body
                body.invite = None
                body.refuse()
            return start_response(status, headers, *exc_info)

        answer = self._application(environ, start)
        is_drained = is_refused and not self._lingers
        return ClosingIterator(answer, partial(_drain, environ)) if is_drained else answer


def _drain(environ: "WSGIEnvironment") -> None:
    """Read on for a while after a refusal, so that a client that first sends everything sees the answer.

    A close with unread bytes would reset the connection, and the client might lose the answer (RFC 9112 section 9.6).
    """
    if not _drains.acquire(blocking=False):
        return
    try:
        _read_on(environ)
    finally:
        _drains.release()


def _read_on(environ: "WSGIEnvironment") -> None:
    deadline = time.monotonic() + _DRAIN_SECONDS
    left = _DRAIN_BYTES
    with suppress(OSError, Unavailable):  # the request was refused, so the rest does not matter
        environ["gunicorn.socket"].settimeout(_DRAIN_SECONDS)
        while left > 0 and time.monotonic() < deadline:
            read = len(environ["wsgi.input"].read(min(left, _DRAIN_STEP_BYTES)))
            if read == 0:
                return
            left -= read
