"""Rules for text from clients, and its quoted form for messages."""

import unicodedata

from ..errors import InvalidName


def check_text(text: str, noun: str, max_bytes: int) -> str:
    """Return `text` if it is printable and not too long. Otherwise raise `InvalidName`, which calls it `noun`.

    It must have 1 to `max_bytes` bytes of UTF-8, without lone surrogates and control characters.
    """
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
    """Return `text` for a message: in quotes, unprintable characters escaped, cut after `max_characters`."""
    shown = text if len(text) <= max_characters else text[:max_characters] + "…"
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown) + "'"
