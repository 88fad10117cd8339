"""Files: which keys, filenames, metadata and conditions are accepted."""

import pytest

from storage_app.domain.files import (
    WriteConditions,
    check_cache_control,
    check_filename,
    check_key,
    check_metadata,
)
from storage_app.errors import InvalidName, InvalidRequest, PreconditionFailed
from tests.support.core import a_file


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
