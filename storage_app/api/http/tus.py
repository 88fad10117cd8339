"""The headers of tus 1.0.0, in requests and in answers."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

from werkzeug.datastructures import Headers
from werkzeug.http import http_date

from ...domain.resumables import MAX_PARTS, MAX_UPLOAD_METADATA_BYTES, Checksum, Resumable
from ...errors import InvalidRequest, UnsupportedMediaType, UnsupportedTusVersion

VERSION = "1.0.0"
# By the names that hashlib has for them, the one that every server knows first ("Checksum").
CHECKSUMS = ("sha1", "sha256")
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "termination",
    "concatenation",
)
CONTENT_TYPE = "application/offset+octet-stream"

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_FINAL = "final;"
_PARTIAL = "partial"


def check_version(headers: Headers) -> None:
    """Raise `UnsupportedTusVersion` for a request by another version, or by none ("Tus-Resumable")."""
    if headers.get("Tus-Resumable", "").strip() != VERSION:
        raise UnsupportedTusVersion(
            f"Send 'Tus-Resumable: {VERSION}', the version of tus that this service speaks.",
            headers={"Tus-Version": VERSION},
        )


def check_content_type(headers: Headers) -> None:
    """Raise `UnsupportedMediaType` for a body of another type than that of a piece ("PATCH")."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise UnsupportedMediaType(f"Send the bytes with 'Content-Type: {CONTENT_TYPE}'.")


def number(headers: Headers, name: str) -> int | None:
    """Return the value of a header that is a number of bytes, None without it. Raises `InvalidRequest`."""
    value = headers.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value.strip()) or int(value) >= 2**63:
        raise InvalidRequest(f"{name} must be a number of bytes, such as 1024.")
    return int(value)


def new_length(headers: Headers) -> int | None:
    """Return the length of a new upload, None if it is deferred ("Creation"). Raises `InvalidRequest`."""
    length, deferred = number(headers, "Upload-Length"), headers.get("Upload-Defer-Length")
    if deferred is not None and deferred.strip() != "1":
        raise InvalidRequest("Upload-Defer-Length must be 1; leave it out if the length is known.")
    if (length is None) == (deferred is None):
        raise InvalidRequest("Send either Upload-Length or 'Upload-Defer-Length: 1'.")
    return length


def is_partial(headers: Headers) -> bool:
    """Return whether the new upload is a partial one ("Concatenation")."""
    return headers.get("Upload-Concat", "").strip() == _PARTIAL


def part_ids(headers: Headers) -> list[str] | None:
    """Return the ids of the uploads that a final one consists of, or None if it is no final one ("Concatenation").

    They are the last segments of URLs, which may be relative. Raises `InvalidRequest`.
    """
    value = headers.get("Upload-Concat", _PARTIAL).strip()
    if value == _PARTIAL:
        return None
    urls = value.removeprefix(_FINAL).split()
    if not value.startswith(_FINAL) or not urls:
        raise InvalidRequest("Upload-Concat must be 'partial', or 'final;' and the URLs of partial uploads.")
    if len(urls) > MAX_PARTS:
        raise InvalidRequest(f"Upload-Concat names {len(urls)} uploads; an upload can have {MAX_PARTS} parts.")
    if "Upload-Length" in headers or "Upload-Defer-Length" in headers:
        raise InvalidRequest("The length of a final upload is that of its parts; leave Upload-Length out.")
    return [url.partition("?")[0].rstrip("/").rpartition("/")[2] for url in urls]


def metadata(headers: Headers) -> Mapping[str, bytes]:
    """Return the pairs of `Upload-Metadata` ("Creation"). Raises `InvalidRequest`."""
    value = headers.get("Upload-Metadata", "")
    if len(value) > MAX_UPLOAD_METADATA_BYTES:
        raise InvalidRequest(f"Upload-Metadata has more than {MAX_UPLOAD_METADATA_BYTES} bytes; send less.")
    pairs: dict[str, bytes] = {}
    for pair in value.split(",") if value.strip() else ():
        key, _, encoded = pair.strip().partition(" ")
        if not key:
            raise InvalidRequest("Upload-Metadata must be pairs of a key and its value in Base64, with commas between.")
        if key in pairs:
            raise InvalidRequest(f"Upload-Metadata names {key[:80]!r} twice.")
        pairs[key] = _decoded(encoded, f"Upload-Metadata's {key[:80]!r}")
    return pairs


def checksum(headers: Headers) -> Checksum | None:
    """Return the checksum of the body, or None without one ("Checksum"). Raises `InvalidRequest`."""
    value = headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise InvalidRequest(f"Upload-Checksum must be by one of {', '.join(CHECKSUMS)}.")
    digest = _decoded(encoded, "Upload-Checksum")
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise InvalidRequest(f"Upload-Checksum is no digest of {algorithm}.")
    return Checksum(algorithm, digest)


def about(upload: Resumable, offset: int) -> dict[str, str]:
    """Return the headers of every answer about an upload."""
    return {"Upload-Offset": str(offset), "Upload-Expires": http_date(upload.expires_at)}


def described(upload: Resumable, offset: int) -> dict[str, str]:
    """Return the headers that answer a HEAD ("HEAD", "Creation", "Concatenation")."""
    length = {"Upload-Defer-Length": "1"} if upload.length is None else {"Upload-Length": str(upload.length)}
    sent = {"Upload-Metadata": upload.upload_metadata, "Upload-Concat": upload.upload_concat}
    return about(upload, offset) | length | {name: value for name, value in sent.items() if value is not None}


def capabilities(max_size: int | None) -> dict[str, str]:
    """Return the headers that answer OPTIONS ("OPTIONS")."""
    limit = {} if max_size is None else {"Tus-Max-Size": str(max_size)}
    return limit | {
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


def _decoded(encoded: str, name: str) -> bytes:
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{name} is not valid Base64.") from error
