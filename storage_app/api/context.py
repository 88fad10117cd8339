"""The context of each request: its id, its principal, the services, and its line in the access log."""

import logging
import re
import secrets
import time
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes

from flask import Flask, Request, Response, current_app, request
from flask import g as flask_g
from flask.ctx import _AppCtxGlobals

from ..domain.principals import Principal
from ..errors import InvalidRequest, NotFound
from ..logs import Answered, loggable
from ..metrics import Metrics
from ..metrics.counters import Counters
from ..node import Services, Storage
from .http.bodies import RECEIVED
from .http.routing import route_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("storage_app.access")

# RFC 3986 section 3.2.2, with an optional port.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::[0-9]*)?", re.ASCII)
_USER_AGENT_CHARACTERS = 200
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Context(_AppCtxGlobals):
    """The values of one request, which the views find in `g`. Each property is looked up once."""

    began: float  # on the clock of `time.perf_counter`
    request_id: str
    is_aside = False  # whether nginx asks on its own, beside the request of a client
    code: str | None = None  # of a refusal
    body: Any = None  # the JSON of the request, once it is read
    link_token: str | None = None  # of the signed URL that this request has made
    has_changed = False  # whether this request has changed anything
    waited = 0.0  # for how many seconds the client's request had lasted when it reached this service

    @cached_property
    def storage(self) -> Storage:
        """The store of this process, which may not be open yet."""
        return cast(Storage, current_app.extensions["storage"])

    @cached_property
    def services(self) -> Services:
        """The services, which stay the same for the whole request. Raises `Unavailable` if the store is not ready."""
        return self.storage.services

    @cached_property
    def principal(self) -> Principal:
        """The principal of this request. Raises `InvalidCredential` if the headers carry an invalid one."""
        headers = request.headers
        return self.storage.logins.principal(
            authorization=headers.get("Authorization"),
            api_key=headers.get("apikey") or headers.get("X-API-Key"),
            waited=self.waited,
        )


g = cast(Context, flask_g)


def init_app(app: Flask) -> None:
    """Register the hooks that run before and after every request of `app`, and the class of its `g`."""
    app.app_ctx_globals_class = Context
    app.before_request(_begin)
    metrics: Metrics = app.extensions["metrics"]
    app.after_request(partial(_end, metrics.counters))


def current_request() -> Request:
    """Return the request itself, to read many of its values. The proxy `flask.request` looks it up for each one."""
    return cast(Request, request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001  # as Flask's documentation does


def _begin() -> None:
    environ = request.environ
    g.began = time.perf_counter()
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
    _check_host(environ)
    _check_encoding(environ)
    if environ["PATH_INFO"].startswith("//"):
        raise NotFound(
            "No route begins with two slashes; GET /docs lists what there is."
        )  # the router would merge them


def _check_host(environ: "WSGIEnvironment") -> None:
    """Refuse a request without a valid `Host`, which HTTP/1.0 does not demand (RFC 9112 section 3.2)."""
    host = environ.get("HTTP_HOST")
    if host is None and environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
        raise InvalidRequest("The request has no Host header; send the name of this server in it.")
    if host is not None and not _HOST.fullmatch(host):
        raise InvalidRequest("The Host header is not a host name or address; send the name of this server in it.")


def _check_encoding(environ: "WSGIEnvironment") -> None:
    """Refuse a URL that is not UTF-8 (RFC 3986 section 2.5), before the framework replaces its invalid bytes."""
    try:
        environ["PATH_INFO"].encode("latin-1").decode()
        unquote_to_bytes(environ.get("QUERY_STRING", "").encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The URL is not valid UTF-8; percent-encode its path and query as UTF-8.") from error


def _end(counters: Counters, response: Response) -> Response:
    # The objects themselves: each look through a proxy would take as long as a count.
    context, asked = cast(Context, flask_g._get_current_object()), current_request()  # noqa: SLF001
    response.headers["X-Request-ID"] = context.request_id
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    seconds, received, sent = time.perf_counter() - context.began, bytes_in(asked), bytes_out(asked, response)
    if not context.is_aside:
        counters.answered(
            route_of(asked), asked.method, response.status_code, seconds=seconds, received=received, sent=sent or 0
        )
    level = logging.DEBUG if context.is_aside else logging.INFO
    if log.isEnabledFor(level):
        fields = _line(context, asked, response.status_code, received, sent, seconds)
        log.handle(Answered(level, context.request_id, fields))
    return response


def _line(
    context: Context, asked: Request, status: int, received: int, sent: int | None, seconds: float
) -> dict[str, Any]:
    """Return the fields of the request's line in the access log."""
    principal = context.get("principal")  # only if the view asked for it
    return {
        "method": asked.method,
        "path": loggable(asked.path),
        "route": route_of(asked),
        "status": status,
        "code": context.code,
        "principal": principal.kind.value if principal is not None else None,
        "sub": principal.sub if principal is not None else None,
        "bucket": _bucket(context, asked),
        "bytes_in": received,
        "bytes_out": sent,
        "milliseconds": round(seconds * 1000, 1),
        "client": asked.remote_addr,
        "user_agent": user_agent(asked.environ),
    }


def bytes_in(asked: Request) -> int:
    """Return how many bytes of the body of a request were received, by nginx if that has spooled it."""
    received: int = asked.environ.get(RECEIVED, 0)
    return received


def bytes_out(asked: Request, response: Response) -> int | None:
    """Return the length of the body that the client is sent, from here or by nginx, or None if it is not known."""
    if asked.method == "HEAD":
        return 0
    return getattr(response, "nginx_bytes", 0) or response.content_length


def _bucket(context: Context, asked: Request) -> str | None:
    """Return the name of the bucket in the path or, if it has none, in the JSON of the request."""
    name = (asked.view_args or {}).get("bucket_id")
    if name is None and isinstance(context.body, dict):
        name = context.body.get("bucket_id") or context.body.get("name")
    return loggable(name) if isinstance(name, str) else None


def user_agent(environ: "WSGIEnvironment") -> str | None:
    """Return the beginning of the User-Agent, fit for a log."""
    sent: str | None = environ.get("HTTP_USER_AGENT")
    return loggable(sent)[:_USER_AGENT_CHARACTERS] if sent else None
