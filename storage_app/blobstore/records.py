"""Records as JSON on the disk, which people can read with `jq` too.

People may also edit them, so reading trusts nothing. A record with a value that breaks a rule is as unreadable as one
that is not JSON.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..domain.text import is_storable, parse_json
from ..errors import InvalidRequest

FORMAT = 1

_FLAT = json.JSONEncoder(ensure_ascii=False, separators=(",\n  ", ": "))

# Returns the value that a record holds as a field needs it. Raises `ValueError` or `TypeError` if it is no such value.
Rule = Callable[[Any], Any]


class UnreadableRecord(ValueError):
    """The text is not a record in a format that this version reads. The message says why."""


def dump(record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON with an indentation of two spaces.

    With `indent`, Python's encoder runs in Python. If no value needs indentation, the faster encoder in C produces
    identical text.
    """
    values = {"format": FORMAT, **record}
    if any(isinstance(value, dict | list | tuple) and value for value in values.values()):
        content = json.dumps(values, ensure_ascii=False, indent=2)
    else:
        content = "{\n  " + _FLAT.encode(values)[1:-1] + "\n}"
    return content.encode() + b"\n"


def load(content: bytes, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the values of a record by the rules for them. Raises `UnreadableRecord`."""
    try:
        record = parse_json(content)
        version = record["format"]
        if version == FORMAT:
            return {name: rule(record[name]) for name, rule in rules.items()}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, InvalidRequest) as error:
        raise UnreadableRecord(f"it is not a complete record: {error!r}") from error
    raise UnreadableRecord(f"its format is {version!r}, and this version reads {FORMAT}")


def moment_text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")  # with zeros, so that the length is always the same


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    if not is_storable(value):
        raise ValueError(f"{value!r} contains NUL or a lone surrogate, which not every database takes")
    return value


def count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no count of bytes")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def json_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return value


def moment(value: Any) -> datetime:
    read = datetime.fromisoformat(text(value))
    if read.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return read.astimezone(UTC)


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(text(item) for item in value)


def matching(pattern: re.Pattern[str]) -> Rule:
    def rule(value: Any) -> str:
        if not pattern.fullmatch(text(value)):
            raise ValueError(f"{value!r} does not have the form {pattern.pattern}")
        return str(value)

    return rule


def optional(rule: Rule) -> Rule:
    return lambda value: None if value is None else rule(value)


UID = matching(re.compile(r"[a-z0-9-]{1,64}"))
