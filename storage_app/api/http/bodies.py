"""Request bodies as streams, the raw body of a PUT, and declared digests."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from flask import Request

from ...domain.uploads import DeclaredBody, FileAttributes, UploadRequest
from ...errors import (
    BodyTimeout,
    InvalidRequest,
    LengthRequired,
    TruncatedBody,
    UnsupportedMediaType,
)
from ...host.clients import expect_body_within
from .digests import declared_digests

# A client that sends nothing for this long is cut off. The server bounds each read.
SILENCE_SECONDS = 60
# The size of a read from a client that sends faster than we read. Large, because each read wakes other threads.
STEP_BYTES = 1024 * 1024
# The size of a read from other clients. Small, because its memory is held during the wait.
_FIRST_STEP_BYTES = 128 * 1024


# The environment of a request holds the number of bytes of its body that were received under this name.
RECEIVED = "storage_app.received"

# A function that receives the bytes of a body, piece by piece.
Write = Callable[[bytes], int]


class RequestBody:
    """The body of a request as a stream. Unlike the server's, it raises an error if the body was cut short.

    `length` is the declared number of bytes, None for a chunked body. With `hashed`, `sha256` is the digest of all
    bytes read. With `seconds`, a client that needs longer for the whole body is cut off. Raises `InvalidRequest` for a
    transfer coding other than chunked.
    """

    def __init__(self, request: Request, *, hashed: bool = False, seconds: float | None = None) -> None:
        self._seconds = seconds
        if seconds is not None:
            expect_body_within(seconds)
        self._environ = request.environ
        self._stream = request.environ["wsgi.input"]
        self._taken = 0
        self._step = _FIRST_STEP_BYTES
        self._hash = hashlib.sha256() if hashed else None
        self.length = _declared_length(request)
        codings = request.headers.get("Transfer-Encoding", "chunked")
        if codings.strip().lower() != "chunked":
            raise InvalidRequest("The body has a Transfer-Encoding besides chunked; send it without.")

    def read(self, size: int = STEP_BYTES) -> bytes:
        """Return up to `size` bytes, none at the end. Raises `TruncatedBody` and `BodyTimeout`."""
        left = min(size, self._step if self.length is None else min(self._step, self.length - self._taken))
        if left == 0:
            return b""
        data = self._received(left)
        self._taken += len(data)
        self._environ[RECEIVED] = self._taken
        self._step = STEP_BYTES if len(data) == left else _FIRST_STEP_BYTES
        if self._hash is not None:
            self._hash.update(data)
        return data

    def _received(self, size: int) -> bytes:
        try:
            data = cast(bytes, self._stream.read(size))
        except TimeoutError as error:
            raise self._too_late() from error
        except OSError as error:  # reset, or broken chunks
            raise _truncated() from error
        if not data and self.length is not None:
            raise _truncated()
        return data

    def _too_late(self) -> BodyTimeout:
        if self._seconds is not None:
            return BodyTimeout(f"The body did not come within {self._seconds} seconds; send it again.")
        return BodyTimeout(f"No byte of the body came for {SILENCE_SECONDS} seconds; send it again.")

    def copy_to(self, write: Write) -> None:
        """Pass the rest of the body to `write`. Raises as `read` does."""
        while data := self.read():
            write(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all bytes read so far, in hex."""
        assert self._hash is not None, "the body was opened without hashing"
        return self._hash.hexdigest()


class RawBody:
    """The body of a PUT, which is the file itself. With `is_here`, a gateway has already waited for all of it."""

    def __init__(self, request: Request, *, is_here: bool) -> None:
        self._request = request
        self._is_here = is_here

    def declare(self) -> DeclaredBody:
        """Return the declared length and attributes.

        Raises `LengthRequired` if the body has neither a length nor chunks (RFC 9110 section 8.6), and what
        `raw_attributes` and `RequestBody` raise.
        """
        attributes = raw_attributes(self._request)
        self._body = RequestBody(self._request)
        if self._body.length is None and "HTTP_TRANSFER_ENCODING" not in self._request.environ:
            raise LengthRequired("Send Content-Length, or the body in chunks.")
        return DeclaredBody(size=self._body.length, is_here=self._is_here, attributes=attributes)

    def opened(self) -> AbstractContextManager[None]:
        return nullcontext()

    def send_to(self, write: Write) -> None:
        self._body.copy_to(write)

    def complete(self, request: UploadRequest) -> UploadRequest:
        return request


def raw_attributes(request: Request) -> FileAttributes:
    """Return the attributes of the file from the headers of a PUT.

    Raises `InvalidRequest` or `UnsupportedMediaType` if the body would not be the whole file as it is.
    """
    attributes = FileAttributes(content_type=request.content_type, sha256=declared_digests(request))
    if "Content-Range" in request.headers:
        # RFC 9110 section 14.5: a server without support for partial PUT must not take the part for the whole file.
        raise InvalidRequest("A PUT with Content-Range is not supported; send the whole file.")
    refuse_encoded(request)
    return attributes


def refuse_encoded(request: Request) -> None:
    """Raise `UnsupportedMediaType` if the body is compressed or encoded otherwise (RFC 9110 section 15.5.16)."""
    codings = request.headers.get("Content-Encoding", "").lower().split(",")
    if any(coding.strip() not in ("", "identity") for coding in codings):
        raise UnsupportedMediaType(
            "A body with Content-Encoding is not supported; send it as it is.", headers={"Accept-Encoding": "identity"}
        )


def _declared_length(request: Request) -> int | None:
    # RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length.
    return None if "HTTP_TRANSFER_ENCODING" in request.environ else request.content_length


def _truncated() -> TruncatedBody:
    return TruncatedBody("The body ended before its declared length, or its chunks are broken; send it again.")
