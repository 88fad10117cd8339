"""JSON as RFC 8259 has it, which is less than Python reads."""

import json
from typing import Any, NoReturn

from ..errors import InvalidJson


def parse(text: bytes | str) -> Any:
    """Return what `text` says; raise `InvalidJson` for what is not JSON, or nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"The JSON cannot be read: {error}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
