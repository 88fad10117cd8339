"""Request bodies, raw or as a multipart form. They are read in pieces, never as a whole."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from flask import Request
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from ...domain.uploads import DeclaredBody, FileAttributes, UploadRequest
from ...errors import (
    BodyTimeout,
    DigestMismatch,
    InvalidRequest,
    LengthRequired,
    TooLarge,
    TruncatedBody,
    UnsupportedMediaType,
)

# A client that sends nothing for this long is cut off. The server bounds each read.
SILENCE_SECONDS = 60
# The size of a read from a client that sends faster than we read. Large, because each read wakes other threads.
STEP_BYTES = 1024 * 1024
# The size of a read from other clients. Small, because its memory is held during the wait.
_FIRST_STEP_BYTES = 128 * 1024
# The limit on memory for the fields and headers of a form.
MAX_FORM_BYTES = 1024 * 1024
MAX_FORM_PARTS = 16

_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]*):\s*(?=[,;]|$)")
_HAS_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=")


# A function that receives the bytes of a body, piece by piece.
Write = Callable[[bytes], int]


class RequestBody:
    """The body of a request as a stream. Unlike the server's, it raises an error if the body was cut short.

    `length` is the declared number of bytes, None for a chunked body. With `hashed`, `sha256` is the digest of all
    bytes read. Raises `InvalidRequest` for a transfer coding other than chunked.
    """

    def __init__(self, request: Request, *, hashed: bool = False) -> None:
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
        self._step = STEP_BYTES if len(data) == left else _FIRST_STEP_BYTES
        if self._hash is not None:
            self._hash.update(data)
        return data

    def _received(self, size: int) -> bytes:
        try:
            data = cast(bytes, self._stream.read(size))
        except TimeoutError as error:
            raise BodyTimeout(f"No byte of the body came for {SILENCE_SECONDS} seconds; send it again.") from error
        except OSError as error:  # reset, or broken chunks
            raise _truncated() from error
        if not data and self.length is not None:
            raise _truncated()
        return data

    def copy_to(self, write: Write) -> None:
        """Pass the rest of the body to `write`. Raises as `read` does."""
        while data := self.read():
            write(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all bytes read so far, in hex."""
        assert self._hash is not None, "the body was opened without hashing"
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form without the bytes of its file part. `filename` and `content_type` are those of that part."""

    fields: MultiDict[str, str]
    filename: str
    content_type: str | None


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


class FormBody:
    """A multipart form with one file. `interpret` adds the values of the form to the request for the upload."""

    def __init__(
        self, request: Request, interpret: Callable[[Form, UploadRequest], UploadRequest], *, is_here: bool
    ) -> None:
        self._request = request
        self._interpret = interpret
        self._is_here = is_here

    def declare(self) -> DeclaredBody:
        """Return the least size that the file can have: all other parts may take MAX_FORM_BYTES at most.

        Raises `UnsupportedMediaType` if the body is not a form.
        """
        if not is_form(self._request):
            raise UnsupportedMediaType("Send a form as multipart/form-data, or the raw file to /files/upload-direct.")
        least_size = max(0, (self._request.content_length or 0) - MAX_FORM_BYTES)
        return DeclaredBody(least_size=least_size, is_here=self._is_here)

    def opened(self) -> AbstractContextManager[None]:
        return nullcontext()

    def send_to(self, write: Write) -> None:
        self._form = read_form(self._request, write)

    def complete(self, request: UploadRequest) -> UploadRequest:
        return self._interpret(self._form, request)


def raw_attributes(request: Request) -> FileAttributes:
    """Return the attributes of the file from the headers of a PUT.

    Raises `InvalidRequest` or `UnsupportedMediaType` if the body would not be the whole file as it is.
    """
    attributes = FileAttributes(content_type=request.content_type, sha256=declared_digests(request))
    if "Content-Range" in request.headers:
        # RFC 9110 section 14.5: a server without support for partial PUT must not take the part for the whole file.
        raise InvalidRequest("A PUT with Content-Range is not supported; send the whole file.")
    if request.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise UnsupportedMediaType("A body with Content-Encoding is not supported; send the file as it is.")
    return attributes


def read_form(request: Request, write: Write) -> Form:
    """Read a multipart form, and pass its file part to `write` piece by piece.

    That part must be called `file`, and must be the only one with a filename (RFC 7578 section 4.2). Raises `TooLarge`,
    `InvalidRequest`, `DigestMismatch`, and what `RequestBody.read` and `write` raise.
    """
    body = RequestBody(request, hashed=bool(declared_digests(request)))
    sink = _FileSink(write)
    parser = _FormParser(
        stream_factory=sink.open,
        max_form_memory_size=MAX_FORM_BYTES + STEP_BYTES,  # Werkzeug counts its reading buffer too
        max_form_parts=MAX_FORM_PARTS,
        buffer_size=STEP_BYTES,
    )
    try:
        fields, files = parser.parse(cast(BinaryIO, body), _boundary(request), body.length)
    except RequestEntityTooLarge as error:
        raise TooLarge(
            f"The form has more than {MAX_FORM_PARTS} parts, or headers and fields of more than {MAX_FORM_BYTES} bytes."
        ) from error
    except ValueError as error:
        raise InvalidRequest("The multipart form is broken, or cut short; send it again.") from error
    _check_digests(request, body)
    if sink.filename is None or list(files) != ["file"]:
        raise InvalidRequest("The form must have a part called 'file', with a filename.")
    return Form(_decoded(fields), sink.filename, sink.content_type)


def is_form(request: Request) -> bool:
    return request.mimetype == "multipart/form-data"


def declared_digests(request: Request) -> frozenset[str]:
    """Return the SHA-256 digests (hex) that `Content-Digest` and `Repr-Digest` declare (RFC 9530 sections 2 and 3).

    Digests by other algorithms are ignored. Raises `InvalidRequest` if one is malformed.
    """
    digests = set()
    for name in ("Content-Digest", "Repr-Digest"):
        value = request.headers.get(name)
        if value is not None and _HAS_DIGEST.search(value):
            digests.add(_decoded_digest(name, value))
    return frozenset(digests)


def _decoded_digest(name: str, value: str) -> str:
    match = _DIGEST.search(value)
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise InvalidRequest(f"{name} must be 'sha-256=:<base64 of the digest>:'.")
    return digest.hex()


def _check_digests(request: Request, body: RequestBody) -> None:
    """Check the digests that the headers of a form declare. They are digests of the form, not of the file in it."""
    if declared := declared_digests(request):
        while body.read():
            pass
        if declared != {body.sha256}:
            raise DigestMismatch(f"The SHA-256 of the body received is {body.sha256}, not what was declared.")


def _decoded(fields: MultiDict[str, str]) -> MultiDict[str, str]:
    """Return the fields decoded as UTF-8, the encoding of every form (RFC 7578 section 5.1.2)."""
    try:
        return MultiDict((name, value.encode("iso-8859-1").decode()) for name, value in fields.items(multi=True))
    except UnicodeDecodeError as error:
        raise InvalidRequest("A field of the form is not valid UTF-8.") from error


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("Content-Type"))
    boundary = options.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise InvalidRequest("The Content-Type of the form has no boundary.")
    return boundary.encode()


def _declared_length(request: Request) -> int | None:
    # RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length.
    return None if "HTTP_TRANSFER_ENCODING" in request.environ else request.content_length


def _truncated() -> TruncatedBody:
    return TruncatedBody("The body ended before its declared length, or its chunks are broken; send it again.")


class _FormParser(MultiPartParser):
    """Werkzeug's parser, which does not replace invalid UTF-8 in fields here: `_decoded` refuses it."""

    def get_part_charset(self, headers: Headers) -> str:
        return "iso-8859-1"  # in which every byte is a character


class _FileSink:
    """The file object to which Werkzeug writes the only file part of a form."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.filename: str | None = None
        self.content_type: str | None = None

    def open(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None,
        content_length: int | None = None,
    ) -> Any:
        if self.filename is not None:
            raise InvalidRequest("The form has two parts with a filename; send one file at a time.")
        self.filename = filename or ""
        self.content_type = content_type
        return self

    def seek(self, offset: int) -> None:
        """Do nothing. Werkzeug rewinds the file, but nobody reads it back."""
