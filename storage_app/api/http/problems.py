"""Error responses as `application/problem+json` (RFC 9457), including those of the framework."""

import json
import logging

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ...domain.text import quoted
from ...errors import InvalidRequest, MethodNotAllowed, NotFound, StorageError, TooLarge, UnsupportedMediaType

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def init_app(app: Flask) -> None:
    """Register the error handlers. No other code turns an error into a response."""
    app.register_error_handler(StorageError, _refuse)
    app.register_error_handler(HTTPException, from_framework)
    app.register_error_handler(Exception, _unexpected)


def answer(error: StorageError) -> Response:
    """Return the response for `error`, with its headers. Caches must not keep it, because it may soon be outdated."""
    document = error.problem(g.get("request_id", ""))
    g.code = error.code  # for the access log
    # JSON from a client can hold a lone surrogate. It goes back as its escape, `\ud800`.
    body = json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    response = Response(body, status=error.status, content_type=MEDIA_TYPE)
    response.headers.extend(error.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse(error: StorageError) -> Response:
    if error.status == 500:
        log.error("%s: %s", error.code, error.detail, exc_info=error.__cause__)
    elif error.status > 500:  # the operator needs the cause, such as a full disk, and no traceback
        log.warning("%s: %s (%r)", error.code, error.detail, error.__cause__)
    return answer(error)


def from_framework(error: HTTPException) -> Response:
    """Return the response for an error of the framework, such as a path without a route, with its headers."""
    response = answer(_translate(error))
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _translate(error: HTTPException) -> StorageError:
    match error.code:
        case 404:
            return NotFound(f"There is no route {quoted(request.path)}; GET /docs lists what there is.")
        case 405:
            allow = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
            return MethodNotAllowed(f"This route does not know the method {request.method}; it knows {allow}.")
        case 413:
            return TooLarge("The request body is larger than this route takes.")
        case 415:
            return UnsupportedMediaType("Send the body as application/json.")
        case code if code is not None and code < 500:
            return InvalidRequest(f"The request cannot be understood: {error.description}")
        case _:
            return StorageError("Something went wrong here; the operator finds it in the log by the request id.")


def _unexpected(error: Exception) -> Response:
    log.error("an unexpected error", exc_info=error)
    return answer(StorageError("Something went wrong here; the operator finds it in the log by the request id."))
