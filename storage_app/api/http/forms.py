"""Multipart forms (RFC 7578). Their file is passed on in pieces; fields are held in memory, up to a limit."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from flask import Request
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from ...domain.text import quoted
from ...domain.uploads import DeclaredBody, UploadRequest
from ...errors import DigestMismatch, InvalidName, InvalidRequest, TooLarge, UnsupportedMediaType
from .bodies import STEP_BYTES, RequestBody, Write, refuse_encoded
from .digests import declared_digests
from .dispositions import parse_disposition

FILE = "file"
# The limit on all parts besides the file, those that are ignored included.
MAX_FORM_BYTES = 1024 * 1024
MAX_FORM_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """A form without the bytes of its file. `filename` and `content_type` are those of the file's part, or None."""

    fields: MultiDict[str, str]
    filename: str | None
    content_type: str | None


class FormBody:
    """A form with one file. `interpret` adds the values of the form to the request for the upload.

    Fields other than those in `known` are ignored.
    """

    def __init__(
        self,
        request: Request,
        interpret: Callable[[Form, UploadRequest], UploadRequest],
        *,
        known: Collection[str],
        is_here: bool,
    ) -> None:
        self._request = request
        self._interpret = interpret
        self._known = known
        self._is_here = is_here

    def declare(self) -> DeclaredBody:
        """Return the least size that the file can have: all other parts may take MAX_FORM_BYTES at most.

        Raises `UnsupportedMediaType` if the body is not a form, or is encoded.
        """
        if not is_form(self._request):
            raise UnsupportedMediaType("Send a form as multipart/form-data, or the raw file to /files/upload-direct.")
        refuse_encoded(self._request)
        least_size = max(0, (self._request.content_length or 0) - MAX_FORM_BYTES)
        return DeclaredBody(least_size=least_size, is_here=self._is_here)

    def opened(self) -> AbstractContextManager[None]:
        return nullcontext()

    def send_to(self, write: Write) -> None:
        self._form = read_form(self._request, write, known=self._known)

    def complete(self, request: UploadRequest) -> UploadRequest:
        return self._interpret(self._form, request)


def is_form(request: Request) -> bool:
    return request.mimetype == "multipart/form-data"


def read_form(request: Request, write: Write, *, known: Collection[str]) -> Form:
    """Read a form, and pass its file to `write` piece by piece.

    The file is the only part with a filename, and is called `file`. If no part has a filename, which RFC 7578 section
    4.2 does not require, the part called `file` is the file. Fields other than those in `known` are ignored.

    Raises `TooLarge`, `InvalidRequest`, `InvalidName`, `DigestMismatch`, and what `RequestBody.read` and `write` raise.
    """
    body = RequestBody(request, hashed=bool(declared_digests(request)))
    # Werkzeug counts its reading buffer too.
    decoder = MultipartDecoder(_boundary(request), MAX_FORM_BYTES + STEP_BYTES, max_parts=MAX_FORM_PARTS)
    parts = _Parts(write, known)
    try:
        for event in _events(decoder, body):
            parts.take(event)
    except RequestEntityTooLarge as error:
        raise TooLarge(
            f"The form has more than {MAX_FORM_PARTS} parts, or headers and fields of more than {MAX_FORM_BYTES} bytes."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidName("The filename, or another header of a part, is not UTF-8; send it in UTF-8.") from error
    except ValueError as error:
        raise InvalidRequest(_broken(decoder)) from error
    _check_digests(request, body)
    return parts.form()


class _Parts:
    """Sorts the parts of a form: the file, the known fields, and the rest, which is ignored but counted."""

    def __init__(self, write: Write, known: Collection[str]) -> None:
        self._write = write
        self._known = known
        self._fields: MultiDict[str, bytearray] = MultiDict()
        self._texts: list[tuple[bytearray, str | None]] = []
        self._held_bytes = 0
        self._has_file = False
        self._filename: str | None = None
        self._content_type: str | None = None
        self._take_data: Callable[[bytes], object] = self._hold

    def take(self, event: Event) -> None:
        """Take the next event of the decoder. Raises `RequestEntityTooLarge` if the other parts are too large."""
        if isinstance(event, Field | File):
            self._take_data = self._begin(event.headers)
        elif isinstance(event, Data):
            self._take_data(event.data)

    def form(self) -> Form:
        """Return the form, all of which has been taken. A part `file` without a filename is passed on by now."""
        if not self._has_file:
            if not self._texts:
                raise InvalidRequest("The form must have a part called 'file'.")
            if len(self._texts) > 1:
                raise InvalidRequest("The form has several parts called 'file'; send one file at a time.")
            self._text_is_file()
        return Form(_decoded(self._fields), self._filename, self._content_type)

    def _begin(self, headers: Headers) -> Callable[[bytes], object]:
        """Return the function that takes the data of the part with these `headers`."""
        self._count(sum(len(name) + len(value) for name, value in headers))
        part = parse_disposition(headers["Content-Disposition"])
        if part.name is None:
            raise InvalidRequest("A part of the form has no name; each part needs one.")
        if part.filename:
            return self._begin_file(part.name, part.filename, headers.get("Content-Type"))
        if part.name == FILE:
            if part.filename is not None:  # a browser's way to say that no file was chosen (HTML Standard)
                raise InvalidName("The part 'file' has an empty filename; choose a file.")
            self._texts.append((bytearray(), headers.get("Content-Type")))
            return self._take_text
        if part.name not in self._known or part.filename is not None:
            return self._hold
        value = bytearray()
        self._fields.add(part.name, value)
        return lambda data: value.extend(self._hold(data))

    def _begin_file(self, name: str, filename: str, content_type: str | None) -> Write:
        if name != FILE:
            raise InvalidRequest(f"The form has a file in {quoted(name)}; send one file, in a part called 'file'.")
        self._be_file(filename, content_type)
        return self._write

    def _be_file(self, filename: str | None, content_type: str | None) -> None:
        if self._has_file:
            raise InvalidRequest("The form has two files; send one at a time.")
        self._has_file, self._filename, self._content_type = True, filename, content_type

    def _hold(self, data: bytes) -> bytes:
        self._count(len(data))
        return data

    def _count(self, size: int) -> None:
        self._held_bytes += size
        if self._held_bytes > MAX_FORM_BYTES:
            raise RequestEntityTooLarge

    def _take_text(self, data: bytes) -> None:
        """Hold data of a part `file` without a filename: it may be text beside the file, as FilePond sends it.

        If it does not fit into a form, it is the file.
        """
        if not self._has_file and len(self._texts) == 1 and self._held_bytes + len(data) > MAX_FORM_BYTES:
            self._held_bytes -= len(self._texts[0][0])
            self._text_is_file()
            self._take_data = self._write
            self._write(data)
        else:
            self._texts[-1][0].extend(self._hold(data))

    def _text_is_file(self) -> None:
        text, content_type = self._texts[0]
        self._be_file(None, content_type)
        self._write(bytes(text))


def _events(decoder: MultipartDecoder, body: RequestBody) -> Iterator[Event]:
    """Decode the body to its end. Raises `ValueError` if it is no form."""
    data = None
    while data != b"":
        data = body.read()
        decoder.receive_data(data or None)
        while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
            yield event


def _broken(decoder: MultipartDecoder) -> str:
    """Return a sentence about a form that `decoder` cannot read: at its end, or in the head of a part."""
    if decoder.complete:
        return "The form ends without its closing boundary; send all of it, and the boundary in its Content-Type."
    return "A part of the form has no Content-Disposition; each part needs one."


def _decoded(fields: MultiDict[str, bytearray]) -> MultiDict[str, str]:
    """Return the fields decoded as UTF-8, the encoding of every form (RFC 7578 section 5.1.2)."""
    try:
        return MultiDict((name, value.decode()) for name, value in fields.items(multi=True))
    except UnicodeDecodeError as error:
        raise InvalidRequest("A field of the form is not valid UTF-8.") from error


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("Content-Type"))
    boundary = options.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise InvalidRequest("The Content-Type of the form has no boundary.")
    return boundary.encode()


def _check_digests(request: Request, body: RequestBody) -> None:
    """Check the digests that the headers of a form declare. They are digests of the form, not of the file in it."""
    if declared := declared_digests(request):
        while body.read():
            pass
        if declared != {body.sha256}:
            raise DigestMismatch(f"The SHA-256 of the body received is {body.sha256}, not what was declared.")
