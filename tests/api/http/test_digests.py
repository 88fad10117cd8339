"""Digests in headers are read as structured fields, and what cannot be read is refused."""

import base64
import hashlib
from contextlib import suppress

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from storage_app.api.http.digests import declared_digests, digest_field
from storage_app.errors import InvalidRequest


def field(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def request(*values: str, name: str = "Repr-Digest") -> Request:
    return Request(EnvironBuilder(headers=[(name, value) for value in values]).get_environ())


ABC, XYZ = field(b"abc"), field(b"xyz")


@pytest.mark.parametrize(
    ("values", "digests"),
    [
        ([], set()),
        ([""], set()),
        ([ABC], {b"abc"}),
        ([f"sha-512=:YWJj:, {ABC}"], {b"abc"}),
        ([f"{ABC}, md5=:YWJj:"], {b"abc"}),
        ([f" {ABC};q=1 ,\tmd5=:YWJj: "], {b"abc"}),
        (["sha-512=:YWJj:"], set()),
        (["not-sha-256=:YWJj:"], set()),
        (["crc32c=1, unixsum"], set()),
        # Section 4.2: what cannot be parsed is ignored.
        (["é"], set()),
        (["md5=YWJj=="], set()),
        # RFC 9651 section 4.2.2: of two members of one key, the last counts.
        ([f"{XYZ}, {ABC}"], {b"abc"}),
        ([XYZ, ABC], {b"abc"}),
        ([f'a=", {XYZ}", {ABC}'], {b"abc"}),
    ],
)
def test_digest_is_the_member_of_its_algorithm(values: list[str], digests: set[bytes]) -> None:
    for name in ("Content-Digest", "Repr-Digest"):
        found = declared_digests(request(*values, name=name))
        assert found == {hashlib.sha256(content).hexdigest() for content in digests}


@pytest.mark.parametrize(
    "value",
    [
        "sha-256=abc",
        "sha-256",
        "sha-256=?0",
        'sha-256="abc"',
        f"sha-256=({ABC.partition('=')[2]})",
        "sha-256=::",
        "sha-256=:YWJj:",
        "sha-256=:*:",
        ABC[:-1],
        f"{ABC},",
        f"{ABC}, sha-256=:YWJj:",
        ABC.upper(),
        f"é, {ABC}",
        "sha-256=:" + "A" * 5000 + ":",
    ],
)
def test_malformed_digest_is_refused(value: str) -> None:
    for name in ("Content-Digest", "Repr-Digest"):
        with pytest.raises(InvalidRequest, match=f"^{name} .*sha-256=:<base64 of the digest>:") as refused:
            declared_digests(request(value, name=name))
        assert len(refused.value.detail) < 200


def test_both_headers_count() -> None:
    both = [("Content-Digest", ABC), ("Repr-Digest", XYZ)]
    assert len(declared_digests(Request(EnvironBuilder(headers=both).get_environ()))) == 2


@given(st.binary(max_size=40))
def test_field_comes_back(content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    assert digest_field(sha256) == field(content)
    assert declared_digests(request(digest_field(sha256))) == {sha256}


@given(st.text(alphabet='sha-256=:;,()"?AZaz09+/*é \t', max_size=60))
def test_no_value_breaks_the_reading(value: str) -> None:
    with suppress(InvalidRequest):
        assert isinstance(declared_digests(request(value)), frozenset)
