"""The protocol between nginx and this service: how nginx authenticates, and which of its headers we trust.

nginx reads a body of less than 100,000 bytes to its end before it passes the request on.

Before nginx spools the larger body of a raw upload, it asks without the body whether the service would take it. The
service answers `X-Upload-Check: verdict` with 204 or 403, because nginx's `auth_request` understands no other refusal.
After a 403 nginx passes the upload on unspooled, and the service receives it as without nginx, or refuses it as usual.

With 204 the service has reserved the space of the body, under the id that nginx sends with each request about it:

    X-Upload-ID       the id of the client's request, made by nginx

The reservation ends with the upload, or when nginx sends `X-Upload-Check: over`, because the client has gone, or after
a time.

If nginx has waited for the body, it sends

    X-Upload-Seconds  how long the client's request has lasted, in seconds

and if it has spooled the body, it also sends

    X-Spool-File      the path of the spooled body, empty for an empty body
    X-Upload-Length   the Content-Length that the client sent

We trust these headers only beside the right `X-Offload-Secret`, which only nginx knows.
"""

import hmac
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from flask import Flask, Request, Response, request

from ..domain.uploads import DeclaredBody, UploadRequest
from ..errors import TruncatedBody, Unavailable
from ..host.files import translated
from ..host.spool import Spool
from ..settings import Settings
from .context import g
from .http.bodies import RECEIVED, RawBody, Write, raw_attributes

_READ_BACK_BYTES = 1024 * 1024


def init_app(app: Flask, settings: Settings) -> None:
    """Let `app` recognize nginx's requests, and answer its questions. Does nothing without a secret."""
    if settings.offload_secret is not None:
        app.before_request(_begin)
        app.after_request(_only_a_verdict)


def is_nginx(req: Request) -> bool:
    """Return whether the request carries the secret that nginx shares with this service."""
    sent = req.headers.get("X-Offload-Secret")
    if sent is None:
        return False
    secret = g.storage.settings.offload_secret
    return secret is not None and hmac.compare_digest(sent.encode(errors="replace"), secret.encode())


def sends_downloads(req: Request) -> bool:
    """Return whether the request comes from nginx, and DOWNLOAD_OFFLOAD lets nginx send the bytes of the answer."""
    return g.storage.settings.download_offload == "nginx" and is_nginx(req)


def is_check(req: Request) -> bool:
    """Return whether nginx only asks if it should spool the body."""
    return _value(req, "X-Upload-Check") == "verdict"


def verdict(may_spool: bool) -> Response:
    """Return the answer to nginx, which asks if it should spool the body."""
    return Response(status=204 if may_spool else 403)


def upload_id(req: Request) -> str | None:
    """Return the id that all requests of nginx about one upload have, None if it does not spool the upload."""
    return _value(req, "X-Upload-ID")


def raw_body(req: Request, spool: Spool) -> "SpooledBody | RawBody":
    """Return the raw body of an upload: one that nginx has spooled or is about to spool, or that of the request."""
    if _value(req, "X-Upload-Length") is None:
        return RawBody(req, is_here=has_whole_body(req))
    return SpooledBody(req, spool)


def has_whole_body(req: Request) -> bool:
    """Return whether nginx has waited for the body, so that reading it does not block."""
    return _value(req, "X-Upload-Seconds") is not None


def _seconds_waited(req: Request) -> float:
    """Return how many seconds ago the client's request began. Its credential must have been valid then."""
    try:
        seconds = float(_value(req, "X-Upload-Seconds") or 0)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


class SpooledBody:
    """The raw body of an upload, in a file that nginx has spooled, as a `services.uploads.Body`."""

    def __init__(self, request: Request, spool: Spool) -> None:
        self._request = request
        self._spool = spool
        self._size = int(_value(request, "X-Upload-Length") or 0)
        if not is_check(request):
            request.environ[RECEIVED] = self._size

    def declare(self) -> DeclaredBody:
        attributes = raw_attributes(self._request)
        return DeclaredBody(size=self._size, is_here=True, is_stored=not is_check(self._request), attributes=attributes)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO | None]:
        """Open the spooled file. nginx writes none for an empty body. Raises `TruncatedBody` if its size differs."""
        self._file: BinaryIO | None = None
        path = _value(self._request, "X-Spool-File")
        if path is None and self._size == 0:
            yield None
            return
        with self._spool.opened(path or "") as self._file:
            if self._file.seek(0, os.SEEK_END) != self._size:
                raise TruncatedBody("The body ended before its declared length; send it again.")
            yield self._file

    def send_to(self, write: Write) -> None:
        if self._file is not None:
            try:
                self._file.seek(0)
                while data := self._file.read(_READ_BACK_BYTES):
                    write(data)
            except OSError as error:
                raise translated(error) from error

    def complete(self, request: UploadRequest) -> UploadRequest:
        return request


def _value(req: Request, name: str) -> str | None:
    value = req.headers.get(name)
    return value if value and is_nginx(req) else None


def _begin() -> Response | None:
    if not is_nginx(request):
        return None
    g.waited = _seconds_waited(request)
    if _value(request, "X-Upload-Check") == "over":
        return _end()
    if "X-Upload-Length" not in request.headers:
        return None
    if g.storage.settings.upload_offload != "nginx":  # or every upload would arrive without its body
        raise Unavailable("nginx spools the bodies of uploads, but UPLOAD_OFFLOAD is off here: set it to nginx.")
    if _asks_for_verdict(request):
        g.is_aside = True  # one upload is one request
    return None


def _end() -> Response:
    """End the reservation of a client that has gone before its body was complete."""
    g.is_aside = True
    name = upload_id(request)
    if name is not None:
        g.storage.services.reservations.end(name)
    return Response(status=204)


def _only_a_verdict(response: Response) -> Response:
    # nginx takes any 2xx as a yes.
    if response.status_code != 204 and _asks_for_verdict(request) and is_nginx(request):
        return Response(status=403)
    return response


def _asks_for_verdict(req: Request) -> bool:
    return req.headers.get("X-Upload-Check") == "verdict"
