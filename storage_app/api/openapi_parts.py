"""Pieces of the OpenAPI document that no schema or decorator says by itself."""

from typing import Any

import marshmallow as ma

from .schemas.requests import FileFormSchema

Document = dict[str, Any]


def _header(name: str, description: str) -> Document:
    return {"in": "header", "name": name, **_sent(description)}


def _sent(description: str) -> Document:
    return {"description": description, "schema": {"type": "string"}}


WRITE_CONDITIONS = [
    _header("If-Match", "Only if the file there has one of these ETags, or `*`: any (RFC 9110 section 13.1.1)."),
    _header("If-None-Match", "`*`: only if there is no such file (RFC 9110 section 13.1.2)."),
]

DIGESTS = [
    _header("Content-Digest", "`sha-256=:<base64>:`; checked against the body (RFC 9530 section 2)."),
    _header("Repr-Digest", "`sha-256=:<base64>:`; checked against the file (RFC 9530 section 3)."),
]

READ_CONDITIONS = [
    _header("Range", "One or several ranges of bytes, such as `bytes=0-99` (RFC 9110 section 14.2)."),
    _header("If-Range", "An ETag or a date that the file must still have for the range to count."),
    _header("If-None-Match", "ETags; 304 when the file has one of them."),
    _header("If-Modified-Since", "A date; 304 when the file has not changed since."),
    _header("If-Match", "ETags; 412 when the file has none of them."),
    _header("If-Unmodified-Since", "A date; 412 when the file has changed since."),
]

RAW_BODY: Document = {
    "required": True,
    "description": "The bytes of the file, whatever the Content-Type, which becomes the file's.",
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
}


def form_body(schema: type[ma.Schema]) -> Document:
    """Describe a multipart form."""
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


SIGNED_BODY: Document = {
    "required": True,
    "description": "The file as it is, or a form with the one part `file`.",
    "content": {**RAW_BODY["content"], **form_body(FileFormSchema)["content"]},
}


def link_header() -> Document:
    return {"Link": _sent('The next page, as `<...>; rel="next"`; not on the last.')}


def location_header() -> Document:
    return {"Location": _sent("The path of what was made.")}


def written_headers() -> Document:
    return {"ETag": _sent("Of the bytes that are there now."), **location_header()}


def file_headers() -> Document:
    return {
        "ETag": _sent("The SHA-256 of the bytes, in quotes."),
        "Last-Modified": _sent("When the file or its record changed last."),
        "Accept-Ranges": _sent("`bytes`"),
        "Repr-Digest": _sent("`sha-256=:<base64>:` (RFC 9530)."),
        "Content-Disposition": _sent("attachment or inline, with the file name (RFC 6266)."),
        "Cache-Control": _sent("The file's, else the bucket's, else no-cache."),
    }


def bytes_out() -> Document:
    """Describe the answers that carry a file, whole or in part, or say that the client has it."""
    content: Document = {"*/*": {}}  # no schema says: bytes, as they are
    ranged = {**file_headers(), "Content-Range": _sent("Which bytes of how many (RFC 9110 section 14.4).")}
    return {
        "200": {"description": "The bytes", "content": content, "headers": file_headers()},
        "206": {"description": "The ranges asked for", "content": content, "headers": ranged},
        "304": {"description": "The client has the file already", "headers": {"ETag": file_headers()["ETag"]}},
    }
