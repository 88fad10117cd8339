"""Text from clients: what is refused as a name, and what messages show of it."""

from storage_app.domain.text import quoted


def test_quoted_shows_no_control_characters_and_ends() -> None:
    assert quoted("a\r\n\x1b\ud800b") == r"'a\r\n\x1b\ud800b'"
    assert quoted("x" * 81) == "'" + "x" * 80 + "…'"
    assert quoted("x" * 80) == "'" + "x" * 80 + "'"
