"""Delivery: the response to a GET or HEAD of a file, sent from here or accelerated by nginx."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import IO, BinaryIO, cast
from urllib.parse import quote

from flask import Request, Response
from werkzeug.datastructures import ResponseCacheControl
from werkzeug.http import http_date, parse_cache_control_header, quote_header_value
from werkzeug.wsgi import wrap_file

from ...auth.signed_urls import Disposition
from ...domain.buckets import Bucket
from ...domain.files import File
from ...domain.text import quoted
from ...domain.times import now
from ...errors import DamagedFile
from ...host.blocking import detach
from ...host.clients import expect_answer
from ...media_types import is_inline_safe
from .byte_ranges import STEP_BYTES, Parts, Window
from .conditions import Outcome, evaluate, range_applies
from .digests import digest_field
from .ranges import ByteRange, parse_range, range_header
from .responses import ReadyResponse

# Nothing runs and nothing is fetched. Browsers style the page that they generate around an image or a video.
_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

# nginx evaluates Range itself. To other spellings, which we understand or ignore, it would answer 416.
_PLAIN_RANGE = re.compile(r"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})", re.ASCII)

# If nginx cannot open the file and asks again, it merges these headers of the first response into the second. Of
# Content-Type it keeps the charset.
_KEPT_BY_NGINX = frozenset({"Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Type"})

# Popular files are requested again soon.
_MAX_CACHED = 1024

# RFC 8187 section 3.2.1: the attr-chars that `quote` would escape.
_ATTR_CHARS = "!#$&+^`|"


def deliver(
    request: Request,
    file: File,
    *,
    disposition: Disposition,
    cache_control: str,
    open_blob: Callable[[], BinaryIO],
    filename: str | None = None,
    nginx_path: str | None = None,
) -> Response:
    """Answer a GET or HEAD of `file` with 200, 206 or 304.

    `open_blob` returns an unbuffered, seekable stream, and its errors pass through. It is called only if the bytes are
    sent from here, and the response closes the stream. With `nginx_path`, the response to a GET is empty and names the
    blob at that path to nginx. Raises `PreconditionFailed`, `RangeNotSatisfiable`, `DamagedFile`, and `Unavailable` if
    there are too many slow clients.
    """
    last_modified = file.last_modified
    headers = _headers(file, disposition, filename or file.filename, cache_control)
    if evaluate(request.headers, etag=headers["ETag"], last_modified=last_modified) is Outcome.NOT_MODIFIED:
        return Response(status=304, headers=headers)
    _add_representation(headers, file, last_modified)
    ranges = _ranges(request, file, last_modified)
    if request.method == "HEAD":
        headers["Content-Length"] = str(file.size)
        return Response(headers=headers)
    length = file.size if ranges is None else sum(span.length for span in ranges)
    if nginx_path is not None:
        return _accelerated(nginx_path, ranges, headers, length, is_decided=not _nginx_agrees(request, ranges))
    expect_answer(length)
    return _send(request, file, ranges, headers, _opened(open_blob, file), length)


def cache_control(file: File, bucket: Bucket, *, expires_at: datetime | None, now: datetime) -> str:
    """Return the `Cache-Control` for `file`. `expires_at` is the expiry of the signed URL, if the request has one."""
    chosen = file.cache_control or bucket.cache_control
    if expires_at is not None:
        return _until(chosen or "", remaining_seconds=max(0, int((expires_at - now).total_seconds())))
    return chosen or ("public, no-cache" if bucket.is_public else "private, no-cache")


def shared_seconds(chosen: str) -> int:
    """Return for how many seconds a shared cache may keep a response with the `Cache-Control` that an owner chose.

    In a shared cache `s-maxage` overrides `max-age` (RFC 9111 section 5.2.2.10). Without either, the result is 0.
    """
    directives = parse_cache_control_header(chosen.lower(), cls=ResponseCacheControl)
    if directives.no_store or any(name in directives for name in ("no-cache", "private")):
        return 0
    lifetime = directives.max_age if directives.s_maxage is None else directives.s_maxage
    return max(0, lifetime or 0)


@lru_cache(maxsize=_MAX_CACHED)
def content_disposition(disposition: Disposition, filename: str) -> str:
    """Return the header: the last segment of `filename`, in ASCII and as `filename*` (RFC 6266 section 4.3)."""
    segments = [segment for segment in filename.split("/") if segment not in ("", ".", "..")]
    name = "".join("_" if unicodedata.category(c) in ("Cc", "Cs") else c for c in (segments or ["download"])[-1])
    extended = quote(name, safe=_ATTR_CHARS)
    return f"{disposition}; filename={quote_header_value(_ascii(name), allow_token=False)}; filename*=UTF-8''{extended}"


def _headers(file: File, disposition: Disposition, filename: str, cache_control: str) -> dict[str, str]:
    """Return the headers that a 304 carries too.

    RFC 9110 section 15.4.5 demands `ETag` and `Cache-Control`, and allows others "for the purpose of guiding cache
    updates": a file can be renamed and keep its entity tag.
    """
    inline = disposition is Disposition.INLINE and is_inline_safe(file.content_type)
    shown = Disposition.INLINE if inline else Disposition.ATTACHMENT
    security_policy = _security_policy(file.content_type if inline else "")
    return {
        "ETag": file.etag,
        "Cache-Control": cache_control,
        "Content-Disposition": content_disposition(shown, filename),
        "Content-Security-Policy": security_policy,
        "X-Content-Type-Options": "nosniff",
    }


def _security_policy(content_type: str) -> str:
    """Return the Content-Security-Policy for `content_type`, as tested with Chromium.

    In a sandbox, audio and video do not load, because their origin is no longer ours, or do not start by themselves.
    Older browsers do not show a PDF in one.
    """
    if content_type.startswith(("audio/", "video/")):
        return f"{_NOTHING}; media-src 'self'"
    if content_type.startswith("application/pdf"):
        return f"{_NOTHING}; object-src 'self'"
    return f"{_NOTHING}; sandbox"


_http_date = lru_cache(maxsize=_MAX_CACHED)(http_date)


def _add_representation(headers: dict[str, str], file: File, last_modified: datetime) -> None:
    headers["Content-Type"] = file.content_type
    # RFC 9110 section 8.8.2.1: no later than `Date`, even if the clock was set back.
    headers["Last-Modified"] = _http_date(min(last_modified, now().replace(microsecond=0)))
    headers["Accept-Ranges"] = "bytes"
    # RFC 9530 section 3: the digest of the whole file, even if only a part is sent.
    headers["Repr-Digest"] = digest_field(file.sha256)


def _ranges(request: Request, file: File, last_modified: datetime) -> tuple[ByteRange, ...] | None:
    # RFC 9110 section 14.2: "A server MUST ignore a Range header field received with a request method [...] for which
    # range handling is not defined. For this specification, GET is the only method".
    header = request.headers.get("Range")
    if header is None or request.method != "GET":
        return None
    if not range_applies(request.headers, etag=file.etag, last_modified=last_modified, now=now()):
        return None
    return parse_range(header, file.size)


def _nginx_agrees(request: Request, ranges: tuple[ByteRange, ...] | None) -> bool:
    """Return whether nginx, which evaluates the headers of the request again, will decide as we did."""
    if "If-Match" in request.headers or "If-Unmodified-Since" in request.headers:
        return False
    header = request.headers.get("Range")
    if header is None:
        return True
    return ranges is not None and len(ranges) == 1 and _PLAIN_RANGE.fullmatch(header) is not None


def _accelerated(
    path: str, ranges: tuple[ByteRange, ...] | None, headers: dict[str, str], length: int, *, is_decided: bool
) -> Response:
    """Return a response that names the blob to nginx. deploy/nginx.conf reassembles its headers.

    If the request `is_decided`, nginx sends `ranges` and does not look at the client's headers again.
    """
    headers["X-Accel-Redirect"] = quote(f"/_decided/{path}" if is_decided else f"/_blobs/{path}")
    if is_decided and ranges is not None:
        headers["X-Accelerated-Range"] = range_header(ranges)
    if ranges is None:
        del headers["Accept-Ranges"]  # nginx adds its own to a whole file, but not to a range
    for name in _KEPT_BY_NGINX & headers.keys():
        headers[f"X-Accelerated-{name}"] = headers.pop(name)
    headers["Content-Length"] = "0"
    response = ReadyResponse(headers=headers)
    response.nginx_bytes = length
    return response


def _opened(open_blob: Callable[[], BinaryIO], file: File) -> BinaryIO:
    """Open the blob. Raise `DamagedFile` unless it has the size that the headers will declare."""
    blob = open_blob()
    if blob.seek(0, os.SEEK_END) != file.size:
        blob.close()
        raise DamagedFile(f"The bytes of file {quoted(file.key)} are not all there; ask the operator to look.")
    return blob


def _send(
    request: Request,
    file: File,
    ranges: tuple[ByteRange, ...] | None,
    headers: dict[str, str],
    blob: BinaryIO,
    length: int,
) -> Response:
    """Send the ranges of `blob`, of `length` bytes in all."""
    if ranges is not None and len(ranges) > 1:
        return _send_parts(file, ranges, headers, blob)
    span = ByteRange(0, file.size) if ranges is None else ranges[0]
    headers["Content-Length"] = str(length)
    if ranges is not None:
        headers["Content-Range"] = span.content_range(file.size)
    body: Iterable[bytes]
    if length <= STEP_BYTES:
        with blob:
            body = [Window(blob, span).read(length)]
    else:
        window = Window(blob, span)
        body = wrap_file(request.environ, cast(IO[bytes], window), STEP_BYTES)
    return ReadyResponse(body, status=200 if ranges is None else 206, headers=headers, direct_passthrough=True)


def _send_parts(file: File, ranges: tuple[ByteRange, ...], headers: dict[str, str], blob: BinaryIO) -> Response:
    # RFC 9110 section 15.3.7.2: with several parts, each has its `Content-Range`, and the header section has none.
    parts = Parts(blob, ranges, size=file.size, content_type=file.content_type)
    headers["Content-Type"] = parts.content_type
    headers["Content-Length"] = str(parts.length)
    detach()  # each part is read from the disk, and sent as fast as the client takes it
    response = Response(parts, status=206, headers=headers)
    response.call_on_close(blob.close)
    return response


def _until(chosen: str, *, remaining_seconds: int) -> str:
    """Return a `Cache-Control` like `chosen`, limited so that no cache uses the response after the remaining time.

    A signed URL is for one client, so shared caches must keep nothing. Without `must-revalidate`, a cache might use a
    stale response (RFC 9111 section 4.2.4).
    """
    directives = parse_cache_control_header(chosen.lower(), cls=ResponseCacheControl)
    if directives.no_store:
        return "no-store"
    lifetime = directives.s_maxage if directives.max_age is None else directives.max_age
    if lifetime is None or "no-cache" in directives:
        return "private, no-cache"
    return f"private, max-age={max(0, min(lifetime, remaining_seconds))}, must-revalidate"


def _ascii(name: str) -> str:
    """Return `name` without diacritics, and with `_` for each character that is still not ASCII.

    `%` is replaced too, because some clients decode it with two hexadecimal digits after it (RFC 6266 appendix D).
    """
    letters = (c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c != "%" else "_" for c in letters)
