"""Buckets: which names they may have, and which content types they take."""

import pytest

from storage_app.domain.buckets import RESERVED_BUCKET_NAMES, check_bucket_name, new_uid
from storage_app.errors import InvalidName


@pytest.mark.parametrize(
    "name",
    ["abc", "a-b", "a.b.c", "123", "0-0", "my-bucket.v2", "a" * 63, "1.2.3", "1.2.3.4.5", "1.2.3.a", "a--b", "a.-b"],
)
def test_bucket_name_is_accepted(name: str) -> None:
    assert check_bucket_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("ab", "two characters"),
        ("a" * 64, "64 characters"),
        ("Photos", "upper case"),
        ("my_bucket", "underscore"),
        ("my bucket", "space"),
        ("a/b", "slash"),
        ("a\\b", "backslash"),
        ("a%2fb", "percent"),
        ("bücher", "a letter outside a-z"),
        ("١٢٣", "digits outside 0-9"),
        ("-abc", "begins with a hyphen"),
        ("abc-", "ends with a hyphen"),
        (".abc", "begins with a dot"),
        ("abc.", "ends with a dot"),
        (".system", "the service's own directory"),
        ("..", "parent"),
        ("abc\n", "line feed at the end"),
        ("abc\0", "null"),
        ("a\ud800c", "lone surrogate"),
    ],
)
def test_bucket_name_of_forbidden_form_is_refused(name: str, why: str) -> None:
    with pytest.raises(InvalidName, match="use 3 to 63 characters"):
        check_bucket_name(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a..b", "two dots in a row"),
        ("192.168.0.1", "IPv4 address"),
        ("0.0.0.0", "IPv4 address"),
        ("999.999.999.999", "IPv4 address"),
        ("01.02.03.04", "IPv4 address"),
        *((word, "routes") for word in ("upload", "list", "signed", "resumable", "archive", "openapi.json")),
    ],
)
def test_bucket_name_is_refused_with_the_rule_it_breaks(name: str, sentence: str) -> None:
    with pytest.raises(InvalidName, match=sentence) as refused:
        check_bucket_name(name)
    assert repr(name) in refused.value.detail


# What stands in the place of a bucket's name, or of the segment before it, in the routes of the contract.
@pytest.mark.parametrize(
    "word",
    [
        "upload", "upload-direct", "initiate-upload", "initiate-download", "signed", "list", "download", "view", "info",
        "metadata", "copy", "move", "delete", "archive", "presigned-url", "resumable", "storage", "buckets", "files",
        "health", "metrics", "docs", "openapi.json", "console",
    ],
)  # fmt: skip
def test_word_of_a_route_is_reserved(word: str) -> None:
    assert word in RESERVED_BUCKET_NAMES
    with pytest.raises(InvalidName):
        check_bucket_name(word)


def test_uids_are_128_random_bits() -> None:
    uids = {new_uid() for _ in range(100)}
    assert len(uids) == 100
    assert all(len(bytes.fromhex(uid)) == 16 for uid in uids)
