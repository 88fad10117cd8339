"""Fields take what JSON, a query or a form may say, and nothing that merely looks like it."""

from typing import Any

import marshmallow as ma
import pytest
from flask.testing import FlaskClient

from storage_app.api.schemas.fields import Checked, Count, Flag, JsonObject, Text, Whole
from storage_app.errors import InvalidName
from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [
        (Text(), "Größe 🐈", "Größe 🐈"),
        (Text(), "", ""),
        (Whole(), 7, 7),
        (Whole(), -1, -1),
        (Whole(), 1.0, 1),
        (Count(), "10", 10),
        (Count(), "007", 7),
        (Flag(), True, True),
        (Flag(), False, False),
        (JsonObject(), '{"a": [1, null]}', {"a": [1, None]}),
        (JsonObject(), " {} ", {}),
    ],
)
def test_value_is_taken(field: ma.fields.Field, value: Any, taken: object) -> None:
    found = field.deserialize(value)
    assert (type(found), found) == (type(taken), taken)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (Text(), ["a\0b", "\ud800", "a\udfff", 1, None, ["a"]]),
        (Whole(), [1.5, "1", True, False, None, [], float("1e400")]),
        (Count(), ["1_0", " 10", "10 ", "+1", "-1", "1.0", "٣", "²", "", 10]),
        (Flag(), [0, 1, "true", "yes", None, "", []]),
        (JsonObject(), ["[]", "null", '"a"', "{", "", '{"a": NaN}', "{} {}", '{"a": 1e999}']),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ma.fields.Field) else "",
)
def test_value_is_refused(field: ma.fields.Field, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ma.ValidationError):
            field.deserialize(value)


def test_rule_of_the_domain_speaks_in_its_own_words() -> None:
    def rule(value: str) -> str:
        if value == "wrong":
            raise InvalidName("It must not be wrong.")
        return value

    field = Text(validate=Checked(rule))
    assert field.deserialize("right") == "right"
    with pytest.raises(ma.ValidationError, match=r"^\['It must not be wrong\.'\]$"):
        field.deserialize("wrong")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"name": "abc", "quota": 1.5}', id="fraction"),
        pytest.param(b'{"name": "abc", "quota": "1"}', id="text for a number"),
        pytest.param(b'{"name": "abc", "is_public": "yes"}', id="text for a flag"),
        pytest.param(b'{"name": "abc", "description": "\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"name": "abc", "description": "\\u0000"}', id="NUL"),
    ],
)
def test_wrong_json_is_explained(unchanged: FlaskClient, body: bytes) -> None:
    problem = assert_problem(ask(unchanged, "POST /buckets", body, JSON), 422, "validation_failed")
    (name,) = problem["errors"]
    assert problem["detail"].startswith(f"'{name}' is not valid: ")
