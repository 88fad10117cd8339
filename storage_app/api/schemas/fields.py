"""Fields that are stricter than marshmallow's own, and the domain's rules as validators."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...domain.text import is_storable, parse_json
from ...errors import InvalidJson, InvalidRequest
from ...media_types.names import normalize


class Checked(validate.Validator):
    """A rule of the domain, which raises `InvalidRequest`, as a marshmallow validator."""

    def __init__(self, rule: Any) -> None:
        self._rule = rule

    def __call__(self, value: Any) -> Any:
        try:
            return self._rule(value)
        except InvalidRequest as error:
            raise ma.ValidationError(error.detail) from error


class Text(fields.String):
    """A string that every index can hold: valid Unicode without NUL."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"pattern": r"^[^\x00]*$", **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not is_storable(text):
            raise ma.ValidationError("It contains a NUL or a lone surrogate.")
        return text


class MediaType(Text):
    """A content type in its normal form. Parameters that cannot be read are dropped."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        content_type = normalize(super()._deserialize(value, attr, data, **kwargs))
        if content_type is None:
            raise ma.ValidationError("A content type has the form type/subtype, for example image/png.")
        return content_type


class Whole(fields.Integer):
    """A whole JSON number, which may be written as 1.0, as in JSON Schema. Strings and booleans are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool | str):
            raise self.make_error("invalid")
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return super()._deserialize(whole, attr, data, **kwargs)


class Count(fields.Integer):
    """A number in a query, written in digits alone. Python would also accept `1_0` and ` 10`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not (isinstance(value, str) and value.isascii() and value.isdigit()):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Limit(Count):
    """The largest number of entries in a page. A number above `most` is taken for `most`, as it names a limit."""

    def __init__(self, most: int, **kwargs: Any) -> None:
        super().__init__(load_default=most, validate=validate.Range(min=1), **kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return min(super()._deserialize(value, attr, data, **kwargs), self._most)


class Flag(fields.Boolean):
    """A JSON true or false. Numbers and strings are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class ListOf(fields.List[Any]):
    """A JSON array. Its validators see it before its items are read, so an endless array is refused at once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list):
            self._validate(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Object(fields.Dict):
    """A JSON object. Its validators see it before its members are read, so an endless object is refused at once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict):
            self._validate(value)
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]


class JsonObject(fields.Field[dict[str, Any]]):
    """A JSON object as the text of a form field."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            loaded = parse_json(value)
        except InvalidJson as error:
            raise ma.ValidationError(error.detail) from error
        if not isinstance(loaded, dict):
            raise ma.ValidationError("It is not a JSON object.")
        return loaded
