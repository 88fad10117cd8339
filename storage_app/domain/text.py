"""Rules for text from clients and in sidecars, JSON among it, and the quoted form of text for messages."""

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NoReturn

from ..errors import InvalidJson, InvalidName


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


def is_storable(text: str) -> bool:
    """Return whether every store and database can keep `text`: it has no NUL, and no lone surrogates."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def folded(text: str) -> str:
    """Return `text` in the form in which texts that differ only in case are equal.

    It is that of a canonical caseless match (Unicode Standard, section 3.13, D145), but composed, so that no letter is
    found in the same letter with an accent.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def parse_json(text: bytes | str) -> Any:
    """Return the value of `text`, which is JSON as RFC 8259 defines it. Python accepts more.

    Raises `InvalidJson` if it is not JSON in UTF-8, is nested too deeply, or has a number beyond a float's range.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()  # section 8.1 demands UTF-8; json.loads would guess
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
    except ValueError as error:
        raise InvalidJson(f"The JSON cannot be read: {error}.") from error
    except RecursionError as error:
        raise InvalidJson("The JSON cannot be read: it is nested too deeply.") from error


class JsonObject(Mapping[str, Any]):
    """A JSON object that is kept as text, which must be valid, and is parsed when a member is first asked for.

    Most reads never ask, and parsing 16 KiB takes longer than the rest of a download.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _members(self) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self.text)
        return members

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"JsonObject({self.text!r})"


def quoted(text: str, max_characters: int = 80) -> str:
    """Return `text` for a message: in quotes, unprintable characters escaped, cut after `max_characters`."""
    shown = shortened(text, max_characters)
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown) + "'"


def counted(number: int, noun: str) -> str:
    """Return `number` with `noun`, which is given in the singular: `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shortened(text: str, max_characters: int) -> str:
    return text if len(text) <= max_characters else text[:max_characters] + "…"


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:
        raise ValueError(f"a number has {len(digits)} digits, which are too many") from error


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is larger than any number that can be kept")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
