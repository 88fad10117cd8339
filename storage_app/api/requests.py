"""What every request has: an id, a decodable path, a bound on waiting, a principal, one line in the log."""

import logging
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes

from flask import Flask, Request, Response, current_app
from flask.globals import app_ctx, request_ctx
from gunicorn.http.errors import ParseException

from ..domain import Principal
from ..errors import BodyTimeout, InvalidRequest, NotFound
from ..logs import loggable
from ..socket_body import is_here
from ..storage import Services, Storage
from ..turns import turns

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("storage_app.access")

SILENCE_SECONDS = 60
_DRAIN_SECONDS = 5
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_STEP_BYTES = 256 * 1024

# So many at once in a process: whoever has no right to send must not hold the threads of who has.
_drains = threading.BoundedSemaphore(4)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def init_app(app: Flask) -> None:
    """Hook into every request of `app`."""
    app.before_request(_begin)
    app.after_request(_end)


def this_request() -> Request:
    """Return the request itself, for what looks at it often: the way through Flask's proxy takes longer than a look."""
    return request_ctx.request


def storage() -> Storage:
    return cast(Storage, current_app.extensions["storage"])


def services() -> Services:
    """Return what this request works with, the same until it ends."""
    own = app_ctx.g
    if "services" not in own:
        own.services = storage().services
    return cast(Services, own.services)


def authenticate(*, waited: float = 0) -> Principal:
    """Return who asks, by the headers of this request, which began `waited` seconds ago; raises `InvalidCredential`."""
    own, headers = app_ctx.g, this_request().headers
    if "principal" not in own:
        own.principal = storage().logins.principal(
            authorization=headers.get("Authorization"),
            api_key=headers.get("apikey", headers.get("X-API-Key")),
            waited=waited,
        )
    return cast(Principal, own.principal)


def timed_out() -> BodyTimeout:
    return BodyTimeout(f"No byte of the body came for {SILENCE_SECONDS} seconds; send it again.")


def send_full_packets(environ: "WSGIEnvironment") -> Callable[[], object]:
    """Have only full packets go from now on, and not whatever is there when the client takes some.

    Returns what is to be called at the end of the answer, and sends the rest.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None or connection.family == socket.AF_UNIX:
        return lambda: None
    set_option = partial(connection.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    set_option(0)
    return partial(set_option, 1)


def _begin() -> None:
    own, environ = app_ctx.g, this_request().environ
    own.began = time.perf_counter()
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    own.request_id = sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
    # A client that sends or takes nothing for this long gives its thread back: gunicorn would wait for ever.
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(SILENCE_SECONDS)
    _check_encoding(environ)
    if environ["PATH_INFO"].startswith("//"):
        raise NotFound(
            "No route begins with two slashes; GET /docs lists what there is."
        )  # the router would merge them


def _check_encoding(environ: "WSGIEnvironment") -> None:
    """Refuse a URL that is not UTF-8 before the framework replaces what it cannot read (RFC 3986 section 2.5)."""
    try:
        environ["PATH_INFO"].encode("latin-1").decode()
        unquote_to_bytes(environ.get("QUERY_STRING", "").encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The URL is not valid UTF-8; percent-encode its path and query as UTF-8.") from error


def _end(response: Response) -> Response:
    own, answered = app_ctx.g, this_request()
    response.headers["X-Request-ID"] = own.request_id
    if response.status_code >= 400:
        response.call_on_close(partial(_drain, answered.environ))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    method, path = answered.method, loggable(answered.path)
    log.log(
        own.get("log_level", logging.INFO),
        "%s %s %s",
        method,
        path,
        response.status_code,
        extra={
            "method": method,
            "path": path,
            "status": response.status_code,
            "bytes_in": answered.content_length,
            "milliseconds": round((time.perf_counter() - own.began) * 1000, 1),
            "client": answered.remote_addr,
        },
    )
    return response


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
    connection = environ.get("gunicorn.socket")
    with suppress(OSError, ParseException):  # whatever becomes of the rest, it was refused
        if connection is not None:
            connection.settimeout(_DRAIN_SECONDS)
        while left > 0 and time.monotonic() < deadline:
            with nullcontext() if is_here(environ["wsgi.input"]) else turns.paused():
                read = len(environ["wsgi.input"].read(min(left, _DRAIN_STEP_BYTES)))
            if read == 0:
                return
            left -= read
