"""The nouns: which names, metadata and conditions are accepted."""

import pytest

from storage_app.blobstore.names import new_generation
from storage_app.domain.buckets import RESERVED_BUCKET_NAMES, check_bucket_name, new_uid
from storage_app.domain.files import (
    WriteConditions,
    check_cache_control,
    check_filename,
    check_key,
    check_metadata,
)
from storage_app.domain.text import quoted
from storage_app.errors import InvalidName, InvalidRequest, PreconditionFailed
from tests.support.core import a_bucket, a_file


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


@pytest.mark.parametrize(
    "key",
    [
        "a", "2026/07/cat.jpg", "a/b/c", "a b", " ", "...", ".hidden", "a/..b/c..", "with\\backslash", "C:", "con",
        "%2e%2e", "?#&=", "кошка.jpg", "猫/写真.png", "قطة", "👩‍👩‍👧", "e\u0301", "\u00e9", "\U0010ffff",
        "-" * 1024, "é" * 512, "a/" * 511 + "ab",
    ],
)  # fmt: skip
def test_key_is_accepted_and_unchanged(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "must not be empty"),
        ("/", "begin or end"),
        ("/a", "begin or end"),
        ("a/", "begin or end"),
        ("//", "begin or end"),
        ("a//b", "empty"),
        (".", "segment"),
        ("..", "segment"),
        ("./a", "segment"),
        ("../a", "segment"),
        ("a/./b", "segment"),
        ("a/../b", "segment"),
        ("a/.", "segment"),
        ("a/..", "segment"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("a\r\nb", "control characters"),
        ("a\tb", "control characters"),
        ("\x1b[2J", "control characters"),
        ("a\x7f", "control characters"),
        ("a\x85b", "control characters"),
        ("\ud800", "not valid Unicode"),
        ("a\udfffb", "not valid Unicode"),
        ("\udc80\udcff", "not valid Unicode"),
        ("a" * 1025, "longer than 1024 bytes"),
        ("é" * 512 + "a", "longer than 1024 bytes"),
    ],
)
def test_key_is_refused_with_the_rule_it_breaks(key: str, sentence: str) -> None:
    with pytest.raises(InvalidName, match=sentence):
        check_key(key)


@pytest.mark.parametrize("filename", ["cat.jpg", "a/b", "/", "..", 'say "hi".txt', "猫.png", "a" * 255, "é" * 127])
def test_filename_is_accepted(filename: str) -> None:
    assert check_filename(filename) == filename


@pytest.mark.parametrize(
    ("filename", "sentence"),
    [
        ("", "empty"),
        ("a" * 256, "longer than 255 bytes"),
        ("é" * 128, "longer than 255 bytes"),
        ("a\r\nSet-Cookie: b", "control characters"),
        ("a\0", "control characters"),
        ("\udcff", "not valid Unicode"),
    ],
)
def test_filename_is_refused(filename: str, sentence: str) -> None:
    with pytest.raises(InvalidName, match=sentence):
        check_filename(filename)


@pytest.mark.parametrize("value", ["no-store", "public, max-age=31536000, immutable", "a" * 255])
def test_cache_control_is_accepted(value: str) -> None:
    assert check_cache_control(value) == value


@pytest.mark.parametrize("value", ["", " ", " no-store", "a\r\nX: b", "no-store\n", "é", "a\0", "a\x7f", "a" * 256])
def test_cache_control_that_is_no_header_value_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest):
        check_cache_control(value)


def metadata_of(size: int) -> dict[str, str]:
    return {"k": "v" * (size - len('{"k":""}'))}


def test_metadata_of_16_kib_is_accepted() -> None:
    assert check_metadata(metadata_of(16 * 1024)) == metadata_of(16 * 1024)


@pytest.mark.parametrize(
    ("metadata", "limit", "sentence"),
    [
        (metadata_of(16 * 1024 + 1), 16 * 1024, "takes 16385 bytes as JSON; the limit is 16384"),
        (metadata_of(2049), 2048, "takes 2049 bytes"),
        ({"k": "é" * 1024}, 2048, "takes 2056 bytes"),
        ({"k": "\ud800"}, 2048, "not valid Unicode"),
        ({"\udfff": 1}, 2048, "not valid Unicode"),
    ],
)
def test_metadata_is_refused(metadata: dict[str, object], limit: int, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        check_metadata(metadata, limit)


def test_metadata_nested_too_deeply_is_refused() -> None:
    nested: dict[str, object] = {}
    for _ in range(100_000):
        nested = {"k": nested}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        check_metadata(nested)


@pytest.mark.parametrize(
    ("patterns", "content_type", "accepted"),
    [
        (None, "anything/at-all", True),
        ((), "image/png", False),
        (("image/png",), "image/png", True),
        (("image/png",), "IMAGE/PNG", True),
        (("image/png",), "image/png; charset=utf-8", True),
        (("image/png",), "image/png ;q=1", True),
        (("image/png",), "image/pngx", False),
        (("image/png",), "image/jpeg", False),
        (("image/*",), "image/jpeg", True),
        (("image/*",), "image/svg+xml; x=y", True),
        (("image/*",), "imagery/jpeg", False),
        (("image/*",), "text/plain; a=image/png", False),
        (("*/*",), "application/pdf", True),
        (("image/*", "application/pdf"), "application/pdf", True),
        (("image/*", "application/pdf"), "application/json", False),
    ],
)
def test_content_type_pattern(patterns: tuple[str, ...] | None, content_type: str, accepted: bool) -> None:
    assert a_bucket(allowed_content_types=patterns).accepts(content_type) is accepted


HERE = a_file()
TAG = HERE.etag


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "existing", "holds"),
    [
        (None, None, None, True),
        (None, None, HERE, True),
        ({TAG}, None, HERE, True),
        ({'"other"', TAG}, None, HERE, True),
        ({'"other"'}, None, HERE, False),
        ({TAG}, None, None, False),
        ({"*"}, None, HERE, True),
        ({"*"}, None, None, False),
        (set(), None, HERE, False),
        ({f"W/{TAG}"}, None, HERE, False),
        (None, {"*"}, HERE, False),
        (None, {"*"}, None, True),
        (None, {TAG}, HERE, False),
        (None, {'"other"'}, HERE, True),
        (None, {TAG}, None, True),
        ({TAG}, {"*"}, HERE, False),
        ({TAG}, {'"other"'}, HERE, True),
    ],
)
def test_conditions(if_match: set | None, if_none_match: set | None, existing: object, holds: bool) -> None:
    conditions = WriteConditions(
        None if if_match is None else frozenset(if_match), None if if_none_match is None else frozenset(if_none_match)
    )
    file = HERE if existing is not None else None
    if holds:
        conditions.check(file)
    else:
        with pytest.raises(PreconditionFailed, match="does not hold"):
            conditions.check(file)


def test_etag_is_strong_and_of_the_content() -> None:
    assert a_file(sha256="ab" * 32).etag == f'"{"ab" * 32}"'


def test_quoted_shows_no_control_characters_and_ends() -> None:
    assert quoted("a\r\n\x1b\ud800b") == r"'a\r\n\x1b\ud800b'"
    assert quoted("x" * 81) == "'" + "x" * 80 + "…'"
    assert quoted("x" * 80) == "'" + "x" * 80 + "'"


def test_uids_are_128_random_bits() -> None:
    uids = {new_uid() for _ in range(100)}
    assert len(uids) == 100
    assert all(len(bytes.fromhex(uid)) == 16 for uid in uids)


def test_generations_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (0, 1, 1_800_000_000_000, 1_800_000_000_001, 2**48 - 1):
        monkeypatch.setattr("storage_app.blobstore.names.time.time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(new_generation())
    assert made == sorted(made)
    assert {len(generation) for generation in made} == {20}
