"""Credentials: login tokens (JWTs) that the backend issues, the ANON_KEY and the SERVICE_KEY."""

import hmac
import json
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jwt
from jwt.exceptions import InvalidSubjectError
from jwt.utils import base64url_decode

from ..domain.principals import ANONYMOUS, MAX_SUB_BYTES, NOBODY, SERVICE, Principal, PrincipalKind, is_sub
from ..errors import InvalidCredential

LEEWAY_SECONDS = 30
SERVICE_ROLE = "service_role"

_MAX_CACHED = 1024
_WRONG_SUB = f"The token's 'sub' claim must be text: 1 to {MAX_SUB_BYTES} bytes of printable characters."


class Logins:
    """Checks credentials. The backend signs login tokens with the SECRET_KEY that it shares with this service."""

    def __init__(self, secret_key: str, algorithm: str, anon_key: str | None, service_key: str | None = None) -> None:
        self._secret_key = secret_key
        self._algorithm = algorithm
        self._keys = [(key, whose) for key, whose in ((anon_key, ANONYMOUS), (service_key, SERVICE)) if key is not None]
        # Clients send one token with many requests. Expiry is checked to the second, so a result holds that long.
        self._bearer_in = lru_cache(maxsize=_MAX_CACHED)(self._bearer_in_second)

    def principal(self, *, authorization: str | None, api_key: str | None, waited: float = 0) -> Principal:
        """Return the principal of a request that began `waited` seconds ago with these headers.

        An empty header counts as none. With both, `authorization` decides. A token must not have expired when the
        request began. Raises `InvalidCredential` if the header that decides is invalid (RFC 6750 section 3.1).
        """
        if authorization is not None and authorization.strip():
            scheme, _, credential = authorization.strip().partition(" ")
            if scheme.lower() != "bearer" or not credential.strip():
                raise InvalidCredential("The Authorization header must be 'Bearer <token>'.")
            return self._bearer(credential.strip(), time.time() - waited)
        if api_key is not None and api_key.strip():
            holder = self._holder_of_key(api_key.strip())
            if holder is None:
                raise InvalidCredential("The API key is neither this service's ANON_KEY nor its SERVICE_KEY.")
            return holder
        return NOBODY

    def issue(self, sub: str, *, role: str | None = None, expires_in: int = 3600) -> str:
        """Return a login token such as the backend issues, valid for `expires_in` seconds."""
        issued_at = int(time.time())
        claims: dict[str, Any] = {"sub": sub, "iat": issued_at, "exp": issued_at + expires_in}
        if role is not None:
            claims["role"] = role
        return jwt.encode(claims, self._secret_key, algorithm=self._algorithm)

    def _bearer(self, credential: str, at: float) -> Principal:
        return self._holder_of_key(credential) or self._bearer_in(credential, int(at))

    def _bearer_in_second(self, credential: str, second: int) -> Principal:
        claims = self._verified(credential, max(0, int(time.time()) - second))
        sub = claims["sub"]
        if not is_sub(sub):
            raise InvalidCredential(_WRONG_SUB)
        is_service = claims.get("role") == SERVICE_ROLE
        if sub == SERVICE.sub and not is_service:
            raise InvalidCredential(f"The 'sub' claim {sub!r} is that of the SERVICE_KEY; give the user another id.")
        return Principal(PrincipalKind.SERVICE if is_service else PrincipalKind.USER, sub)

    def _verified(self, credential: str, waited: int) -> dict[str, Any]:
        try:
            return jwt.decode(
                credential,
                self._secret_key,
                algorithms=[self._algorithm],
                leeway=LEEWAY_SECONDS + waited,
                # RFC 7519 section 4.1.6 lets nobody refuse a token for its `iat`, and `jti` means nothing here.
                options={"require": ["sub", "exp"], "verify_aud": False, "verify_iat": False, "verify_jti": False},
            )
        # OverflowError: an `exp` of Infinity, which Python's JSON parser accepts.
        except (jwt.InvalidTokenError, OverflowError) as error:
            raise InvalidCredential(_explanation(error, credential, self._algorithm)) from error

    def _holder_of_key(self, candidate: str) -> Principal | None:
        """Return the principal whose key is `candidate`, or None. The time taken reveals nothing of the keys."""
        sent, holder = candidate.encode(errors="replace"), None
        for key, whose in self._keys:
            if hmac.compare_digest(sent, key.encode()):
                holder = whose
        return holder


def _explanation(error: Exception, credential: str, algorithm: str) -> str:
    """Return a sentence that says why PyJWT refuses `credential`, and what to compare."""
    match error:
        case jwt.ExpiredSignatureError():
            return f"The token has expired: {_clocks(credential, 'exp')}; get a new one from the backend."
        case jwt.ImmatureSignatureError():
            return f"The token is not valid yet: {_clocks(credential, 'nbf')}; compare the clocks of the two hosts."
        case jwt.MissingRequiredClaimError():
            return f"The token has no '{error.claim}' claim; 'sub' and 'exp' are required."
        case InvalidSubjectError():
            return _WRONG_SUB
        case jwt.InvalidSignatureError() | jwt.InvalidAlgorithmError():
            return f"The token is not signed with this service's SECRET_KEY and {algorithm}."
        case _:
            return _malformation(credential)


def _malformation(credential: str) -> str:
    header, claims = _segment(credential, 0), _segment(credential, 1)
    if not isinstance(header.get("kid", ""), str):
        return "The header of the token has a 'kid' that is not text (RFC 7515 section 4.1.4)."
    if "crit" in header:
        return "The header of the token demands extensions in 'crit' that this service does not have."
    for name in ("exp", "nbf"):
        if name in claims and _seconds(claims[name]) is None:
            return f"The token's '{name}' claim must be a number: seconds since 1970."
    return "The token is not a valid JSON Web Token."


def _clocks(credential: str, claim: str) -> str:
    """Return the moment of `claim`, which the backend wrote by its clock, and the time by ours."""
    return f"its '{claim}' is {_moment(_segment(credential, 1).get(claim))}, and it is {_moment(time.time())} here"


def _moment(value: Any) -> str:
    try:
        return datetime.fromtimestamp(_seconds(value) or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "beyond the year 9999"


def _seconds(value: Any) -> int | None:
    """Return `value` as PyJWT reads a time, or None if it is none."""
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _segment(credential: str, number: int) -> dict[str, Any]:
    """Return the JSON object of a segment of a token, or an empty one."""
    try:
        found = json.loads(base64url_decode(credential.split(".")[number]))
    except (ValueError, RecursionError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
