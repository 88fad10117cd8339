"""Raw bodies that lie about themselves, and digests: refused, and nothing stays."""

import base64
import hashlib

import pytest
from flask.testing import FlaskClient

from tests.support.in_process import AUTHORIZATION, send
from tests.support.raw_http import Headers, assert_problem

PUT = "PUT /files/upload-direct/photos/new.bin"


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


ABC, XYZ = digest(b"abc"), digest(b"xyz")
CHUNKED = ("Transfer-Encoding", "chunked")
THREE = ("Content-Length", "3")

BROKEN = (400, "invalid_request")
MISMATCH = (400, "digest_mismatch")
TOO_LARGE = (413, "too_large")

RAW: dict[str, tuple[Headers, bytes, tuple[int, str]]] = {
    "length beyond every disk": ([("Content-Length", str(2**62))], b"abc", (507, "insufficient_storage")),
    "no length": ([], b"", (411, "length_required")),
    "a part of a file": ([("Content-Range", "bytes 0-2/10"), THREE], b"abc", BROKEN),
    "encoded": ([("Content-Encoding", "gzip"), THREE], b"abc", (415, "unsupported_media_type")),
    "other digest of the body": ([("Content-Digest", XYZ), THREE], b"abc", MISMATCH),
    "other digest of the file": ([("Repr-Digest", XYZ), THREE], b"abc", MISMATCH),
    "one of two digests": ([("Repr-Digest", ABC), ("Content-Digest", XYZ), THREE], b"abc", MISMATCH),
    "other digest of chunks": ([("Content-Digest", XYZ), CHUNKED], b"abc", MISMATCH),
    "digest without colons": ([("Content-Digest", "sha-256=abc"), THREE], b"abc", BROKEN),
    "empty digest": ([("Content-Digest", "sha-256=::"), THREE], b"abc", BROKEN),
    "short digest": ([("Content-Digest", "sha-256=:YWJj:"), THREE], b"abc", BROKEN),
    "digest that is no base64": ([("Repr-Digest", "sha-256=:*:"), THREE], b"abc", BROKEN),
    "long digest": ([("Repr-Digest", f"sha-256=:{'A' * 5000}:"), THREE], b"abc", BROKEN),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_body_is_refused(unchanged: FlaskClient, name: str) -> None:
    headers, body, refusal = RAW[name]
    assert_problem(send(unchanged, PUT, [AUTHORIZATION, *headers], body), *refusal)
