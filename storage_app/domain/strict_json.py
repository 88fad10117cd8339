"""JSON as RFC 8259 has it, which is less than Python reads."""

import json
import math
from typing import Any, NoReturn

from ..errors import InvalidJson


def parse(text: bytes | str) -> Any:
    """Return what `text` says; raise `InvalidJson` for what is not JSON, or nested too deeply."""
    try:
        if isinstance(text, bytes):
            text = text.decode()  # section 8.1: UTF-8, where Python would guess
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"The JSON cannot be read: {error}.") from error


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is larger than any number that can be kept")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
