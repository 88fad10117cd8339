"""JSON as RFC 8259 defines it, which is less than Python accepts."""

import json
import math
from typing import Any, NoReturn

from ..errors import InvalidJson


def parse(text: bytes | str) -> Any:
    """Return the value of `text`.

    Raises `InvalidJson` if it is not JSON in UTF-8, is nested too deeply, or has a number beyond a float's range.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()  # section 8.1 demands UTF-8; json.loads would guess
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
