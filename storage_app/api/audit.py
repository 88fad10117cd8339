"""The audit log: a line for each change, for each request that could make one and did not, and maybe for each read."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, has_request_context
from flask import g as flask_g

from ..domain.changes import Change
from ..domain.times import now
from ..logs import loggable
from . import nginx
from .blueprint import Access
from .context import bytes_in, bytes_out, current_request, g, user_agent
from .http.routing import route_of
from .schemas.responses import rfc3339

_READS = ("GET", "HEAD")
_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False)
_DONE = "done"


def init_app(app: Flask) -> None:
    """Register the hook that writes the line of a request that changed nothing."""
    app.after_request(_end)


def on_change(change: Change) -> None:
    """Write the line of a durable change, which the current request has made, or else a command."""
    of_request = has_request_context()
    about: dict[str, Any] = {
        "change": change.kind,
        "outcome": _DONE,
        "bucket_id": change.bucket.name,
        "file_id": change.key,
    }
    if change.source is not None:
        about["source"] = dict(zip(("bucket_id", "file_id"), change.source, strict=True))
    if of_request:
        g.has_changed = True
    _write((_request() if of_request else _command()) | about)


def _end(response: Response) -> Response:
    if _is_wanted(response):
        sent = bytes_out(current_request(), response)
        answered = {"outcome": g.code or _DONE, "status": response.status_code, "bytes_out": sent}
        _write(_request() | answered | _subject())
    return response


def _is_wanted(response: Response) -> bool:
    asked = current_request()
    if asked.url_rule is None or g.has_changed or (nginx.is_check(asked) and response.status_code < 400):
        return False
    view = getattr(current_app.view_functions[asked.url_rule.endpoint], "view_class", None)
    is_read = asked.method in _READS
    method = getattr(view, "get" if is_read else asked.method.lower(), None)
    access = getattr(method, "access", Access.PUBLIC)
    return access is not Access.PUBLIC and (not is_read or g.storage.settings.audit_reads)


def _request() -> dict[str, Any]:
    asked = current_request()
    principal = flask_g.get("principal")  # only if the view asked for it, and it is valid
    path = asked.view_args or {}
    token = path.get("token") or path.get("upload_id") or g.link_token
    return {
        "time": rfc3339(now()),
        "request_id": g.request_id,
        "method": asked.method,
        "route": route_of(asked),
        "principal": principal.kind.value if principal is not None else None,
        "sub": principal.sub if principal is not None else None,
        "link": link_id(token) if token else None,
        "client": asked.remote_addr,
        "user_agent": user_agent(asked.environ),
        "bytes_in": bytes_in(asked),
    }


def _command() -> dict[str, Any]:
    return {"time": rfc3339(now()), "principal": "operator", "sub": str(os.getuid())}


def link_id(token: str) -> str:
    """Return an id of the signed URL or upload that has this token or id. It tells them apart, and grants nothing."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _subject() -> dict[str, Any]:
    """Return the bucket and the file that the request names in its path or, as far as it can be read, in its body."""
    path, body = current_request().view_args or {}, _object(g.body)
    place = _object(body.get("destination")) or body
    named = {
        "bucket_id": path.get("bucket_id") or place.get("bucket_id") or body.get("name"),
        "file_id": path.get("file_id") or place.get("file_id") or body.get("filename"),
        "prefix": place.get("prefix"),
    }
    return {name: _shown(value) for name, value in named.items() if value is not None}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _shown(value: Any) -> str | None:
    return loggable(value) if isinstance(value, str) else None


def _write(line: Mapping[str, Any]) -> None:
    audit_log = g.storage.audit_log
    assert audit_log is not None, "the hooks are registered with the log"
    audit_log.append(_JSON.encode(line))
