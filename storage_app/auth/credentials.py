"""Credentials: login tokens (JWTs) that the backend issues, the ANON_KEY and the SERVICE_KEY."""

import hmac
import time
from functools import lru_cache
from typing import Any

import jwt

from ..domain.principals import ANONYMOUS, MAX_SUB_BYTES, NOBODY, SERVICE, Principal, PrincipalKind, is_sub
from ..errors import InvalidCredential

LEEWAY_SECONDS = 30
SERVICE_ROLE = "service_role"

_MAX_CACHED = 1024


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

        With both, `authorization` decides. A token must not have expired when the request began. Raises
        `InvalidCredential` if the header that decides is invalid (RFC 6750 section 3.1).
        """
        if authorization is not None:
            scheme, _, credential = authorization.strip().partition(" ")
            if scheme.lower() != "bearer" or not credential.strip():
                raise InvalidCredential("The Authorization header must be 'Bearer <token>'.")
            return self._bearer(credential.strip(), time.time() - waited)
        if api_key is not None:
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
        # OverflowError: an `exp` of Infinity, which Python's JSON parser accepts.
        except (jwt.InvalidTokenError, OverflowError) as error:
            raise InvalidCredential("The token is not a valid JSON Web Token.") from error

    def _holder_of_key(self, candidate: str) -> Principal | None:
        """Return the principal whose key is `candidate`, or None. The time taken reveals nothing of the keys."""
        sent, holder = candidate.encode(errors="replace"), None
        for key, whose in self._keys:
            if hmac.compare_digest(sent, key.encode()):
                holder = whose
        return holder
