"""The headers of tus 1.0.0 in the OpenAPI document.

Bodies are left out, because generators of clients do not know their type.
"""

from .http import tus
from .openapi_parts import Document, header, sent

VERSION = header("Tus-Resumable", f"`{tus.VERSION}`, the version of tus.")
_CHECKSUM = header("Upload-Checksum", "`sha1` or `sha256`, a space, and the digest of the body in Base64.")
_LENGTH = header("Upload-Length", "The length of the whole upload in bytes.")

CREATION = [
    VERSION,
    _LENGTH,
    header("Upload-Defer-Length", "`1` in place of Upload-Length, if the length is not known yet."),
    header("Upload-Metadata", "Pairs of a key, a space and a value in Base64, with commas between. At most 16 KiB."),
    header("Upload-Concat", "`partial` for a part of an upload. `final;` and the URLs of its parts for the whole."),
    _CHECKSUM,
]
APPEND = [
    VERSION,
    header("Upload-Offset", "How many bytes the upload has. The body follows them."),
    header("Upload-Length", "The length of the whole upload, once, if it was deferred."),
    _CHECKSUM,
]
OVERRIDE = [
    *APPEND,
    {
        **header("X-HTTP-Method-Override", "The method that is meant."),
        "required": True,
        "schema": {"type": "string", "enum": ["PATCH", "DELETE"]},
    },
]


def about() -> Document:
    """Describe the headers of an answer about an upload."""
    return {
        "Upload-Offset": sent("How many bytes the upload has."),
        "Upload-Expires": sent("When the upload ends, unless it is complete by then (RFC 9110 section 5.6.7)."),
        "Tus-Resumable": sent(f"`{tus.VERSION}`"),
    }


def created() -> Document:
    """Describe the headers of the answer to a creation."""
    return {"Location": sent("The upload, relative to this URL. It is the right to go on with it."), **about()}


def described() -> Document:
    """Describe the headers of the answer to a HEAD."""
    return {
        **about(),
        "Upload-Length": sent("The length of the whole upload, once it is known."),
        "Upload-Defer-Length": sent("`1`, as long as the length is not known."),
        "Upload-Metadata": sent("As at the creation."),
        "Upload-Concat": sent("As at the creation."),
    }
