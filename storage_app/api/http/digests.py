"""Digests in headers: `Content-Digest` and `Repr-Digest` (RFC 9530), which are structured fields (RFC 9651)."""

import hashlib
from functools import lru_cache
from typing import Any, cast

import http_sf
from flask import Request

from ...errors import InvalidRequest

# Popular files are requested again soon.
_MAX_CACHED = 1024


def declared_digests(request: Request) -> frozenset[str]:
    """Return the SHA-256 digests (hex) that `Content-Digest` and `Repr-Digest` declare (RFC 9530 sections 2 and 3).

    Digests by other algorithms are ignored, and so are headers that cannot be parsed (RFC 9651 section 4.2), unless
    they name SHA-256: then the client wants the body to be checked. Raises `InvalidRequest` if it cannot be.
    """
    names = [name for name in ("Content-Digest", "Repr-Digest") if name in request.headers]
    digests = (_sha256(name, request.headers[name]) for name in names)
    return frozenset(digest for digest in digests if digest is not None)


@lru_cache(maxsize=_MAX_CACHED)
def digest_field(sha256: str) -> str:
    """Return the header that declares the digest `sha256`, which is in hex."""
    return http_sf.ser({"sha-256": bytes.fromhex(sha256)})


def _sha256(name: str, value: str) -> str | None:
    """Return the digest by SHA-256 in hex, or None if there is none. Of two, the last counts (RFC 9651 section 4.2)."""
    try:
        # A value, or a list of them, and its parameters, by key.
        members = cast(dict[str, tuple[Any, Any]], http_sf.parse(value.encode("latin-1"), tltype="dictionary"))
    except http_sf.StructuredFieldError as error:
        if "sha-256" not in value.lower():
            return None
        raise InvalidRequest(
            f"{name} is not a dictionary of digests (RFC 9651); send 'sha-256=:<base64 of the digest>:'."
        ) from error
    match members.get("sha-256"):
        case None:
            return None
        case (bytes() as digest, _) if len(digest) == hashlib.sha256().digest_size:
            return digest.hex()
        case _:
            raise InvalidRequest(f"{name} must be 'sha-256=:<base64 of the digest>:'.")
