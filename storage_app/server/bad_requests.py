"""Answers to requests that gunicorn refuses before the application sees them, because they are not valid HTTP."""

import json
import logging
import re
import secrets
from http import HTTPStatus
from typing import Any

from gunicorn import util

from ..api import EXPOSED_HEADERS
from ..errors import InvalidRequest, StorageError, phrase
from ..host import measures
from ..logs import loggable

log = logging.getLogger(__name__)

_SHOWN = 200  # characters of gunicorn's message, which quotes the request
# gunicorn's message about a version other than HTTP/1, to which it gives 400.
_WRONG_VERSION = re.compile(r"Invalid HTTP Version .*\(\d+, \d+\)")
# gunicorn's message in another one that says no more.
_NESTED = re.compile(r"Invalid [A-Za-z ]+ '(Invalid .*)'", re.DOTALL)


def answer_as_the_application() -> None:
    """Make gunicorn send problem documents (RFC 9457) instead of HTML."""
    util.write_error = _refuse


def _refuse(sock: Any, status_int: int, _reason: str, mesg: str) -> None:
    status = HTTPStatus(status_int)
    request_id = secrets.token_hex(16)
    said = loggable(_NESTED.sub(r"\1", mesg))[:_SHOWN].rstrip(".")
    error: StorageError
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        error = StorageError("Something went wrong here; the operator finds it in the log by the request id.")
        log.error("gunicorn could not handle a request: %s", said or "see above", extra={"request_id": request_id})
    else:
        error = InvalidRequest(f"The request cannot be understood: {said}.")
        if _WRONG_VERSION.match(mesg):
            status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED  # RFC 9110 section 15.6.6
            error = InvalidRequest("The request is not HTTP/1.0 or HTTP/1.1; send it as one of these.")
        log.info(
            "refused with %d: %s", status, _unquoted(mesg), extra={"request_id": request_id, "client": _peer(sock)}
        )
    _send(sock, error, request_id, status)


def refuse(sock: Any, error: StorageError) -> None:
    """Send the answer to a request that the application never sees."""
    request_id = secrets.token_hex(16)
    status = HTTPStatus(error.status)
    log.warning("refused with %d: %s", status, error.detail, extra={"request_id": request_id, "client": _peer(sock)})
    _send(sock, error, request_id, status)


def _send(sock: Any, error: StorageError, request_id: str, status: HTTPStatus) -> None:
    measures.count(measures.Event.EARLY_REFUSAL, f"{status // 100}xx")
    body = json.dumps(error.problem(request_id, status)).encode() + b"\n"
    head = [
        f"HTTP/1.1 {status.value} {phrase(status)}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        # The origin was not read, and the refusal reveals nothing that another origin must not see.
        "Access-Control-Allow-Origin: *",
        f"Access-Control-Expose-Headers: {', '.join(EXPOSED_HEADERS)}",
        f"X-Request-ID: {request_id}",
        *(f"{name}: {value}" for name, value in error.headers.items()),
    ]
    util.write_nonblock(sock, "\r\n".join([*head, "", ""]).encode() + body)


def _unquoted(message: str) -> str:
    """Return gunicorn's message without what it quotes of the request, which may be a credential."""
    return re.split("['\"]", message, maxsplit=1)[0].rstrip(" :b") or "the request is malformed"


def _peer(sock: Any) -> str | None:
    try:
        return str(sock.getpeername()[0])
    except (OSError, IndexError):  # it has disconnected, or has no address
        return None
