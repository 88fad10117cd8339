"""Signed URLs: their tokens are created and verified here."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import jwt

from ..domain.principals import Replace, UploadRight
from ..domain.text import quoted
from ..domain.uploads import UNCONSTRAINED, UploadConstraints
from ..errors import InvalidSignedUrl

_MAX_CACHED = 1024
MAX_SIGNED_SECONDS = 7 * 24 * 3600

_SIGNED_URL_ALGORITHM = "HS256"
# The `info` of HKDF, which binds the derived key to this purpose (RFC 5869 section 3.2).
_SIGNED_URL_PURPOSE = b"signed-url/1"


class Disposition(StrEnum):
    """The disposition type, which asks a browser to save or to show the file (RFC 6266 section 4.2)."""

    ATTACHMENT = "attachment"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """The grant in an upload URL, with what it binds. `expires_at` is in seconds since the epoch."""

    bucket_uid: str
    key: str
    expires_at: int
    right: UploadRight
    overwrite: bool = False
    constraints: UploadConstraints = UNCONSTRAINED


@dataclass(frozen=True, slots=True)
class SignedDownload:
    """The grant in a download URL. `expires_at` is in seconds since the epoch."""

    bucket_uid: str
    key: str
    expires_at: int
    disposition: Disposition = Disposition.ATTACHMENT
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class SignedArchive:
    """The grant in the URL of an archive of the files that begin with `prefix`. `expires_at` is as in a download."""

    bucket_uid: str
    prefix: str
    expires_at: int
    filename: str | None = None


# The path of an archive's URL ends in this. The token carries the prefix.
ARCHIVE_NAME = "archive.zip"


class SignedUrls:
    """Creates and verifies the tokens in the paths of signed URLs.

    They are JWTs, signed with a key that is derived from SECRET_KEY for this purpose alone (HKDF-Expand, RFC 5869
    section 2.3). So such a token never passes as a login, nor a login as such a token.
    """

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), _SIGNED_URL_PURPOSE + b"\x01", "sha256")
        self._jws = jwt.PyJWS(algorithms=[_SIGNED_URL_ALGORITHM])
        # Players fetch a film in many requests. The claims of a token never change; its expiry is checked each time.
        self._read = lru_cache(maxsize=_MAX_CACHED)(self._read_anew)

    def sign(self, grant: SignedUpload | SignedDownload | SignedArchive) -> str:
        """Return a token that carries `grant`."""
        claims = _claims(grant)
        given = {name: value for name, value in claims.items() if value is not None}
        # jwt.encode would escape each character outside ASCII to six bytes, and the longest names would not fit a URL.
        payload = json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()
        return self._jws.encode(payload, self._key, algorithm=_SIGNED_URL_ALGORITHM)

    def upload(self, token: str, key: str, *, waited: float = 0) -> SignedUpload:
        """Verify an upload token for `key`, in a request that began `waited` seconds ago, and return its grant.

        Raises `InvalidSignedUrl` if the token is forged, had expired by then, or is for another method or file.
        """
        claims = self._verified(token, "put", key, waited)
        owner_id, create, replace = claims["by"]
        return SignedUpload(
            bucket_uid=claims["b"],
            key=key,
            expires_at=claims["exp"],
            right=UploadRight(owner_id, create, Replace(replace)),
            overwrite=claims["ow"],
            constraints=UploadConstraints(
                filename=claims.get("fn"),
                content_type=claims.get("ct"),
                size=claims.get("sz"),
                sha256=claims.get("sha"),
                metadata=claims.get("md"),
                notify=claims.get("nt"),
            ),
        )

    def download(self, token: str, key: str) -> SignedDownload:
        """Verify a download token for `key` and return its grant.

        Raises `InvalidSignedUrl` if the token is forged, has expired, or is for another method or file.
        """
        claims = self._verified(token, "get", key)
        return SignedDownload(
            bucket_uid=claims["b"],
            key=key,
            expires_at=claims["exp"],
            disposition=Disposition(claims["d"]),
            filename=claims.get("fn"),
        )

    def archive(self, token: str, name: str) -> SignedArchive | None:
        """Verify the token of a GET of `name`, and return its grant, or None if it is not for an archive.

        Raises `InvalidSignedUrl` if the token is forged, has expired, or if its archive has another name.
        """
        claims = self._read(token)
        if claims["a"] != "zip":
            return None
        if name != ARCHIVE_NAME:
            raise InvalidSignedUrl(f"The signed URL is for another file than {quoted(name)}.")
        _check_expiry(claims)
        return SignedArchive(
            bucket_uid=claims["b"], prefix=claims["p"], expires_at=claims["exp"], filename=claims.get("fn")
        )

    def _verified(self, token: str, action: str, key: str, waited: float = 0) -> Mapping[str, Any]:
        claims = self._read(token)
        if claims["a"] != action:
            raise InvalidSignedUrl("The signed URL is for another method; an upload is a PUT, a download a GET.")
        if claims["k"] != _key_hash(key):
            raise InvalidSignedUrl(f"The signed URL is for another file than {quoted(key)}.")
        _check_expiry(claims, waited)
        return claims

    def _read_anew(self, token: str) -> Mapping[str, Any]:
        try:
            payload = self._jws.decode(token, self._key, algorithms=[_SIGNED_URL_ALGORITHM])
        except jwt.InvalidTokenError as error:
            raise InvalidSignedUrl("The signed URL is not valid; ask for a new one.") from error
        claims: Mapping[str, Any] = json.loads(payload)
        return claims


def _check_expiry(claims: Mapping[str, Any], waited: float = 0) -> None:
    if claims["exp"] <= time.time() - waited:
        raise InvalidSignedUrl("The signed URL has expired; ask for a new one.")


def _claims(grant: SignedUpload | SignedDownload | SignedArchive) -> dict[str, Any]:
    if isinstance(grant, SignedArchive):
        return {"a": "zip", "b": grant.bucket_uid, "p": grant.prefix, "exp": grant.expires_at, "fn": grant.filename}
    return _upload_claims(grant) if isinstance(grant, SignedUpload) else _download_claims(grant)


def _upload_claims(grant: SignedUpload) -> dict[str, Any]:
    return {
        "a": "put",
        "b": grant.bucket_uid,
        "k": _key_hash(grant.key),
        "exp": grant.expires_at,
        "by": [grant.right.owner_id, grant.right.create, grant.right.replace],
        "ow": grant.overwrite,
        "fn": grant.constraints.filename,
        "ct": grant.constraints.content_type,
        "sz": grant.constraints.size,
        "sha": grant.constraints.sha256,
        "md": grant.constraints.metadata,
        "nt": grant.constraints.notify,
    }


def _download_claims(grant: SignedDownload) -> dict[str, Any]:
    return {
        "a": "get",
        "b": grant.bucket_uid,
        "k": _key_hash(grant.key),
        "exp": grant.expires_at,
        "d": grant.disposition,
        "fn": grant.filename,
    }


def _key_hash(key: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode().rstrip("=")
