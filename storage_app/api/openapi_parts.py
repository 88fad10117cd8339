"""Parts of the OpenAPI document that no schema and no decorator provides."""

from typing import Any

import marshmallow as ma

from .schemas.requests import FileFormSchema

Document = dict[str, Any]


def header(name: str, description: str) -> Document:
    """Describe a header of a request."""
    return {"in": "header", "name": name, **sent(description)}


def sent(description: str) -> Document:
    """Describe a header of a response."""
    return {"description": description, "schema": {"type": "string"}}


WRITE_CONDITIONS = [
    header(
        "If-Match", "Change the file only if it has one of these ETags, or, with `*`, any (RFC 9110 section 13.1.1)."
    ),
    header("If-None-Match", "With `*`, write only if there is no such file (RFC 9110 section 13.1.2)."),
    header(
        "If-Unmodified-Since",
        "A date; 412 if the file has changed since. Ignored beside `If-Match` (RFC 9110 section 13.1.4).",
    ),
]

DIGESTS = [
    header("Content-Digest", "`sha-256=:<base64>:`; checked against the body (RFC 9530 section 2)."),
    header("Repr-Digest", "`sha-256=:<base64>:`; checked against the file (RFC 9530 section 3)."),
]

READ_CONDITIONS = [
    header("Range", "One or more ranges of bytes, such as `bytes=0-99` (RFC 9110 section 14.2)."),
    header("If-Range", "An ETag or a date. `Range` is ignored unless the file still has it."),
    header("If-None-Match", "ETags; 304 if the file has one of them."),
    header("If-Modified-Since", "A date; 304 if the file has not changed since."),
    header("If-Match", "ETags; 412 if the file has none of them."),
    header("If-Unmodified-Since", "A date; 412 if the file has changed since."),
]

# Generators know this type for bytes. A body or a file may have any other.
_BYTES: Document = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

RAW_BODY: Document = {
    "required": True,
    "description": "The bytes of the file. Any Content-Type is accepted, and becomes the file's.",
    "content": _BYTES,
}


def form_body(schema: type[ma.Schema]) -> Document:
    """Describe the body of a multipart form."""
    return {
        "required": True,
        "description": "A form. Fields that are not listed are ignored.",
        "content": {"multipart/form-data": {"schema": schema}},
    }


SIGNED_BODY: Document = {
    "required": True,
    "description": "The raw bytes of the file, or a form with a part `file`. The fields `file_id`, `metadata`, "
    "`cache_control` and `overwrite` are refused, because the URL decides them. Other fields are ignored.",
    "content": {**RAW_BODY["content"], **form_body(FileFormSchema)["content"]},
}


def link_header() -> Document:
    """Describe the header of a list that leads to the next page."""
    return {"Link": sent('The next page, as `<?cursor=…>; rel="next"`, relative to this URL; not on the last page.')}


def total_header() -> Document:
    """Describe the header of a list of files that tells how long the whole list is."""
    return {
        "X-Total-Count": {
            "description": "The number of files in the bucket; not if the query leaves out or folds any.",
            "schema": {"type": "integer"},
        }
    }


def location_header() -> Document:
    """Describe the header that names a new resource."""
    return {"Location": sent("The file, relative to this URL.")}


def written_headers() -> Document:
    """Describe the headers of a response to an upload."""
    return {"ETag": sent("The ETag of the file as it is now."), **location_header()}


def file_headers() -> Document:
    """Describe the headers of a response that carries a file."""
    return {
        "ETag": sent("The SHA-256 of the bytes, in quotes."),
        "Last-Modified": sent("When the file or its record last changed."),
        "Accept-Ranges": sent("`bytes`"),
        "Repr-Digest": sent("`sha-256=:<base64>:` (RFC 9530)."),
        "Content-Disposition": sent("`attachment` or `inline`, with the file name (RFC 6266)."),
        "Cache-Control": sent("The file's value, or the bucket's, or `no-cache`."),
    }


def archive_out() -> Document:
    """Describe the response to a download of an archive."""
    headers = {
        "Content-Length": sent("The length of the archive, which is known before it is made."),
        "Content-Disposition": sent("`attachment`, with the name of the folder or the bucket."),
    }
    # Generators of clients know no application/zip, and would leave the response out.
    return {"200": {"description": "The archive, as application/zip", "content": _BYTES, "headers": headers}}


def bytes_out() -> Document:
    """Describe the responses 200, 206 and 304 to a download."""
    ranged = {
        **file_headers(),
        "Content-Range": sent("The range sent, and the size of the file (RFC 9110 section 14.4)."),
    }
    return {
        "200": {"description": "The bytes, with the type of the file", "content": _BYTES, "headers": file_headers()},
        "206": {"description": "The ranges asked for", "content": _BYTES, "headers": ranged},
        "304": {"description": "The client has the file already", "headers": {"ETag": file_headers()["ETag"]}},
    }
