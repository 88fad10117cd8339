"""Credentials in, signed URL tokens in and out."""

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

from .domain import ANONYMOUS, NOBODY, Principal, PrincipalKind, Replace, UploadRight, quoted
from .errors import InvalidCredential, InvalidSignedUrl

LEEWAY_SECONDS = 30
MAX_SUB_BYTES = 255
SERVICE_ROLE = "service_role"
_MAX_REMEMBERED = 1024
MAX_SIGNED_SECONDS = 7 * 24 * 3600

# Tokens of signed URLs say so in their header, and are signed with a key of their own besides.
_SIGNED_URL_ALGORITHM = "HS256"
_SIGNED_URL_PURPOSE = b"signed-url/1"


class Disposition(StrEnum):
    """How a browser is asked to treat the bytes (RFC 6266 section 4.2)."""

    ATTACHMENT = "attachment"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """What one upload URL allows. None = not bound. `expires_at` is in seconds since the epoch."""

    bucket_uid: str
    key: str
    expires_at: int
    right: UploadRight
    overwrite: bool = False
    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SignedDownload:
    """What one download URL allows. `expires_at` is in seconds since the epoch."""

    bucket_uid: str
    key: str
    expires_at: int
    disposition: Disposition = Disposition.ATTACHMENT
    filename: str | None = None


class Logins:
    """The tokens that this service shares with the backend, and the anonymous key."""

    def __init__(self, secret_key: str, algorithm: str, anon_key: str | None) -> None:
        self._secret_key = secret_key
        self._algorithm = algorithm
        self._anon_key = anon_key
        # A client sends one token with many requests. Times are checked to the second anyway.
        self._bearer_in = lru_cache(maxsize=_MAX_REMEMBERED)(self._bearer_in_second)

    def principal(self, *, authorization: str | None, api_key: str | None, waited: float = 0) -> Principal:
        """Return who sent these headers `waited` seconds ago; with both, the Bearer decides.

        Raises `InvalidCredential` when one is present and wrong (RFC 6750 section 3.1).
        """
        if authorization is not None:
            scheme, _, credential = authorization.strip().partition(" ")
            if scheme.lower() != "bearer" or not credential.strip():
                raise InvalidCredential("The Authorization header must be 'Bearer <token>'.")
            return self._bearer(credential.strip(), time.time() - waited)
        if api_key is not None:
            if not self._is_anon_key(api_key.strip()):
                raise InvalidCredential("The API key is not this service's ANON_KEY.")
            return ANONYMOUS
        return NOBODY

    def issue(self, sub: str, *, role: str | None = None, expires_in: int = 3600) -> str:
        """Make a login token as the backend does. `expires_in` is in seconds."""
        issued_at = int(time.time())
        claims: dict[str, Any] = {"sub": sub, "iat": issued_at, "exp": issued_at + expires_in}
        if role is not None:
            claims["role"] = role
        return jwt.encode(claims, self._secret_key, algorithm=self._algorithm)

    def _bearer(self, credential: str, at: float) -> Principal:
        return ANONYMOUS if self._is_anon_key(credential) else self._bearer_in(credential, int(at))

    def _bearer_in_second(self, credential: str, second: int) -> Principal:
        claims = self._verified(credential, max(0, int(time.time()) - second))
        sub = claims["sub"]
        if not sub or not sub.isprintable() or len(sub.encode()) > MAX_SUB_BYTES:
            raise InvalidCredential(
                f"The token's 'sub' claim must be 1 to {MAX_SUB_BYTES} bytes of printable characters."
            )
        is_service = claims.get("role") == SERVICE_ROLE
        return Principal(PrincipalKind.SERVICE if is_service else PrincipalKind.USER, sub)

    def _verified(self, credential: str, waited: int) -> dict[str, Any]:
        try:
            return jwt.decode(
                credential,
                self._secret_key,
                algorithms=[self._algorithm],
                leeway=LEEWAY_SECONDS + waited,
                options={"require": ["sub", "exp"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidCredential("The token has expired; get a new one from the backend.") from error
        except jwt.MissingRequiredClaimError as error:
            raise InvalidCredential(f"The token has no '{error.claim}' claim; 'sub' and 'exp' are required.") from error
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
            raise InvalidCredential(
                f"The token is not signed with this service's SECRET_KEY and {self._algorithm}."
            ) from error
        # OverflowError: an `exp` of Infinity, which JSON as Python reads it can carry.
        except (jwt.InvalidTokenError, OverflowError) as error:
            raise InvalidCredential("The token is not a valid JSON Web Token.") from error

    def _is_anon_key(self, candidate: str) -> bool:
        if self._anon_key is None:
            return False
        return hmac.compare_digest(candidate.encode(errors="replace"), self._anon_key.encode())


class SignedUrls:
    """The tokens that stand in the path of a signed URL.

    They are JWTs under a key derived from SECRET_KEY for this purpose alone (HKDF's expand step, RFC 5869 section 2.3),
    so that one can never serve as a login, and a login never as one.
    """

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), _SIGNED_URL_PURPOSE + b"\x01", "sha256")
        self._jws = jwt.PyJWS(algorithms=[_SIGNED_URL_ALGORITHM])
        # A film is fetched with many requests. What a token says never changes; its time is looked at each time.
        self._read = lru_cache(maxsize=_MAX_REMEMBERED)(self._read_anew)

    def sign(self, grant: SignedUpload | SignedDownload) -> str:
        """Return the token for `grant`."""
        claims = _upload_claims(grant) if isinstance(grant, SignedUpload) else _download_claims(grant)
        given = {name: value for name, value in claims.items() if value is not None}
        # jwt.encode would write every letter outside ASCII as six bytes, and the longest names would not fit a URL.
        payload = json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()
        return self._jws.encode(payload, self._key, algorithm=_SIGNED_URL_ALGORITHM)

    def upload(self, token: str, key: str, *, waited: float = 0) -> SignedUpload:
        """Read an upload token for `key`, sent `waited` seconds ago.

        Raises `InvalidSignedUrl` when it is wrong, had expired or is for something else.
        """
        claims = self._verified(token, "put", key, waited)
        owner_id, create, replace = claims["by"]
        return SignedUpload(
            bucket_uid=claims["b"],
            key=key,
            expires_at=claims["exp"],
            right=UploadRight(owner_id, create, Replace(replace)),
            overwrite=claims["ow"],
            filename=claims.get("fn"),
            content_type=claims.get("ct"),
            size=claims.get("sz"),
            sha256=claims.get("sha"),
            metadata=claims.get("md"),
        )

    def download(self, token: str, key: str) -> SignedDownload:
        """Read a download token for `key`; raise `InvalidSignedUrl` when it is wrong, expired or for something else."""
        claims = self._verified(token, "get", key)
        return SignedDownload(
            bucket_uid=claims["b"],
            key=key,
            expires_at=claims["exp"],
            disposition=Disposition(claims["d"]),
            filename=claims.get("fn"),
        )

    def _verified(self, token: str, action: str, key: str, waited: float = 0) -> Mapping[str, Any]:
        claims = self._read(token)
        if claims["a"] != action:
            raise InvalidSignedUrl("The signed URL is for another method; an upload is a PUT, a download a GET.")
        if claims["k"] != _key_hash(key):
            raise InvalidSignedUrl(f"The signed URL is for another file than {quoted(key)}.")
        if claims["exp"] <= time.time() - waited:
            raise InvalidSignedUrl("The signed URL has expired; ask for a new one.")
        return claims

    def _read_anew(self, token: str) -> Mapping[str, Any]:
        try:
            payload = self._jws.decode(token, self._key, algorithms=[_SIGNED_URL_ALGORITHM])
        except jwt.InvalidTokenError as error:
            raise InvalidSignedUrl("The signed URL is not valid; ask for a new one.") from error
        claims: Mapping[str, Any] = json.loads(payload)
        return claims


def _upload_claims(grant: SignedUpload) -> dict[str, Any]:
    return {
        "a": "put",
        "b": grant.bucket_uid,
        "k": _key_hash(grant.key),
        "exp": grant.expires_at,
        "by": [grant.right.owner_id, grant.right.create, grant.right.replace],
        "ow": grant.overwrite,
        "fn": grant.filename,
        "ct": grant.content_type,
        "sz": grant.size,
        "sha": grant.sha256,
        "md": grant.metadata,
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
