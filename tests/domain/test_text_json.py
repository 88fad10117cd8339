"""Strict JSON: what RFC 8259 allows is read, and what Python alone would accept is refused."""

from typing import Any

import pytest

from storage_app.domain.text import JsonObject, parse_json
from storage_app.errors import InvalidJson


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"k": [1, null, true, "\xc3\xa9"]}', {"k": [1, None, True, "é"]}),
        ('"é"', "é"),
        ("1e308", 1e308),
        ("-0.5", -0.5),
        ("12345678901234567890", 12345678901234567890),
        (" \t\r\n7\n", 7),
        ("[[[[[[[[]]]]]]]]", [[[[[[[[]]]]]]]]),
    ],
)
def test_json_is_read(text: bytes | str, value: Any) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("{", "cut"),
        ("{'k': 1}", "quotes of Python"),
        ('{"k": 1,}', "comma at the end"),
        ("1 2", "two values"),
        ("\ufeff1", "byte order mark"),
        ('"a\nb"', "line feed in a string"),
        ("NaN", "no number of JSON"),
        ("[-Infinity]", "no number of JSON"),
        ('{"k": Infinity}', "no number of JSON"),
        ("1e309", "beyond a float"),
        ("-1e309", "beyond a float"),
        ("9" * 5000, "more digits than Python converts"),
        ("[" * 100_000, "nested too deeply"),
        (b'"\xff"', "not UTF-8"),
        ('"é"'.encode("utf-16"), "not UTF-8"),
        ('"é"'.encode("latin-1"), "not UTF-8"),
    ],
)
def test_text_that_is_no_json_is_refused(text: bytes | str, why: str) -> None:
    with pytest.raises(InvalidJson, match="cannot be read"):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("NaN", "NaN is no JSON value"),
        ("1e999", "1e999 is larger than any number that can be kept"),
        ("9" * 5000, r"read: a number has 5000 digits, which are too many\.$"),
        ("[" * 100_000, r"read: it is nested too deeply\.$"),
    ],
)
def test_refusal_says_what_was_met(text: str, sentence: str) -> None:
    with pytest.raises(InvalidJson, match=sentence):
        parse_json(text)


def test_object_is_parsed_when_a_member_is_asked_for() -> None:
    broken = JsonObject('{"a": ')
    assert broken.text == '{"a": '
    with pytest.raises(ValueError, match="Expecting value"):
        dict(broken)


def test_object_is_the_mapping_that_its_text_says() -> None:
    kept = JsonObject('{"b": [1], "a": null}')
    assert kept == {"a": None, "b": [1]} == dict(kept)
    assert kept != {"b": [1]}
    assert (kept["b"], list(kept), len(kept), bool(JsonObject("{}"))) == ([1], ["b", "a"], 2, False)
    with pytest.raises(KeyError):
        kept["c"]
