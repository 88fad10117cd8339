"""WSGI middleware: what each request needs of the connection that it came on, whichever worker of gunicorn runs it."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

from ..api.http.bodies import SILENCE_SECONDS
from .request_body import GunicornBody, SocketBody
from .slow_clients import SlowClientSocket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_DRAIN_SECONDS = 5
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_STEP_BYTES = 256 * 1024

# At most so many at once in a process: clients whose requests were refused must not hold the threads of the others.
_drains = threading.BoundedSemaphore(4)


class ConnectionRules:
    """Bounds silence, translates what reading a body raises, and reads on after a refusal."""

    silence_seconds: float = SILENCE_SECONDS

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # A client that sends or takes nothing for this long gives its thread back: gunicorn would wait for ever.
        SlowClientSocket.of(environ["gunicorn.socket"]).settimeout(self.silence_seconds)
        if not isinstance(environ["wsgi.input"], SocketBody):
            environ["wsgi.input"] = GunicornBody(environ["wsgi.input"])
        is_refused = False

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            nonlocal is_refused
            is_refused = status >= "400"
            return start_response(status, headers, *exc_info)

        answer = self._application(environ, start)
        return ClosingIterator(answer, partial(_drain, environ)) if is_refused else answer


def _drain(environ: "WSGIEnvironment") -> None:
    """Read on for a while after a refusal, so that a client which first sends everything gets to see the answer.

    Closing with bytes unread would reset the connection, and the answer with it (RFC 9112 section 9.6).
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
    with suppress(OSError):  # whatever becomes of the rest, it was refused
        environ["gunicorn.socket"].settimeout(_DRAIN_SECONDS)
        while left > 0 and time.monotonic() < deadline:
            read = len(environ["wsgi.input"].read(min(left, _DRAIN_STEP_BYTES)))
            if read == 0:
                return
            left -= read
