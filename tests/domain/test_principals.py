"""Ids of users."""

import pytest

from storage_app.domain.principals import is_sub


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alice@example.com", True),
        ("a b", True),
        ("x" * 255, True),
        ("é" * 127, True),
        ("", False),
        ("x" * 256, False),
        ("é" * 128, False),
        ("a\nb", False),
        ("\ud800", False),
    ],
)
def test_id_of_a_user_is_short_and_printable(text: str, expected: bool) -> None:
    assert is_sub(text) is expected
