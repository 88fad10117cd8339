"""Rules for text that a client sends, and how it is shown in a sentence."""

import unicodedata

from ..errors import InvalidName


def check_text(text: str, noun: str, max_bytes: int) -> str:
    if not text:
        raise InvalidName(f"{noun.capitalize()} must not be empty.")
    # Cs: lone surrogates, which UTF-8 cannot carry (RFC 3629 section 3). Cc: control characters.
    categories = {unicodedata.category(character) for character in text}
    if "Cs" in categories:
        raise InvalidName(f"{quoted(text)} cannot be {noun}: it is not valid Unicode.")
    if "Cc" in categories:
        raise InvalidName(f"{quoted(text)} cannot be {noun}: it contains control characters.")
    if len(text.encode()) > max_bytes:
        raise InvalidName(f"{quoted(text)} cannot be {noun}: it is longer than {max_bytes} bytes of UTF-8.")
    return text


def quoted(text: str, max_characters: int = 80) -> str:
    """Show `text` in a sentence: quoted, control characters escaped, shortened."""
    shown = text if len(text) <= max_characters else text[:max_characters] + "…"
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown) + "'"
