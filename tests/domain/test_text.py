"""Text from clients: what is refused as a name, and what messages show of it."""

import pytest

from storage_app.domain.text import check_text, counted, folded, quoted
from storage_app.errors import InvalidName


def test_quoted_shows_no_control_characters_and_ends() -> None:
    assert quoted("a\r\n\x1b\ud800b") == r"'a\r\n\x1b\ud800b'"
    assert quoted("x" * 81) == "'" + "x" * 80 + "…'"
    assert quoted("x" * 80) == "'" + "x" * 80 + "'"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Cat", "cAT", True),
        ("Straße", "STRASSE", True),
        ("οδός", "ΟΔΌΣ", True),
        ("é", "E\u0301", True),
        ("Å", "\u212b", True),
        ("é", "e", False),
        ("ı", "i", False),
    ],
)
def test_folded_texts_are_equal_if_only_the_case_differs(one: str, other: str, equal: bool) -> None:
    assert (folded(one) == folded(other)) is equal


def test_letter_is_not_in_the_folded_letter_with_an_accent() -> None:
    assert folded("e") not in folded("E\u0301")


@pytest.mark.parametrize("text", ["a", " ", "é" * 5, "\U0010ffff", "e\u0301", "\u200b", "\xa0"])
def test_text_is_accepted_and_unchanged(text: str) -> None:
    assert check_text(text, "a name", 10) == text


# A text that breaks several rules is told the first.
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "A name must not be empty."),
        ("\ud800\n" + "x" * 11, r"cannot be a name: it is not valid Unicode."),
        ("\n" + "x" * 11, "cannot be a name: it contains control characters."),
        ("\x9f", "cannot be a name: it contains control characters."),
        ("x" * 11, "cannot be a name: it is longer than 10 bytes of UTF-8."),
        ("é" * 5 + "x", "cannot be a name: it is longer than 10 bytes of UTF-8."),
    ],
)
def test_text_is_refused_with_the_first_rule_that_it_breaks(text: str, detail: str) -> None:
    with pytest.raises(InvalidName) as refused:
        check_text(text, "a name", 10)
    assert refused.value.detail.endswith(detail)


@pytest.mark.parametrize(("number", "shown"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_thing_is_counted_in_the_singular(number: int, shown: str) -> None:
    assert counted(number, "file") == shown
