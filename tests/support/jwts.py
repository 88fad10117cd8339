"""JSON Web Tokens by hand, so that they may hold what no library would write."""

import base64
import hmac
import json
import time
from typing import Any

KEY = "a-secret-key-for-tests-that-is-as-long-as-the-longest-algorithm-wants-it"
OTHER_KEY = KEY[::-1]


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def made(claims: Any, *, key: str = KEY, algorithm: str = "HS256", header: dict[str, Any] | None = None) -> str:
    """Sign `claims`, whatever they are, by `algorithm`, whatever it is; one we do not know signs with nothing.

    `header` has more members of the header.
    """
    whole = {"alg": algorithm, "typ": "JWT", **(header or {})}
    signed = f"{encoded(json.dumps(whole).encode())}.{encoded(json.dumps(claims).encode())}"
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}.get(algorithm)
    signature = b"" if digest is None else hmac.digest(key.encode(), signed.encode(), digest)
    return f"{signed}.{encoded(signature)}"


def claims(**changed: Any) -> dict[str, Any]:
    """Claims that are good for a minute; None takes one away."""
    good = {"sub": "alice", "exp": int(time.time()) + 60}
    return {name: value for name, value in (good | changed).items() if value is not None}
