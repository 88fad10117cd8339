"""The schema of a JSON body: its size, names that it must not use, and what `null` means in it."""

from typing import Any, ClassVar

import marshmallow as ma

from .unknown import unknown_names

MAX_JSON_BYTES = 64 * 1024


class BodySchema(ma.Schema):
    """A JSON object of up to `max_bytes`. Unknown fields are refused, unless `Meta.unknown` says EXCLUDE.

    `null` for an optional field is as good as leaving it out, unless the field gives it a meaning by `allow_none`.
    """

    max_bytes: ClassVar[int] = MAX_JSON_BYTES
    error_messages = {"type": "Send a JSON object, as in {}."}  # noqa: RUF012 -- marshmallow declares it so

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Let `null` through to optional fields, and into their description."""
        field_obj.allow_none = field_obj.allow_none or not field_obj.required

    @ma.pre_load
    def leave_out(self, data: Any, **_: Any) -> Any:
        """Refuse unknown fields at once, because there may be thousands, and leave out what `null` leaves out."""
        if not isinstance(data, dict):
            return data
        if self.unknown == ma.RAISE and (unknown := unknown_names(data, self.fields, "field")):
            raise ma.ValidationError(unknown)
        known = {name: data[name] for name in self.fields if name in data}
        return {name: value for name, value in known.items() if value is not None or self._reads_null(name)}

    def _reads_null(self, name: str) -> bool:
        declared = self._declared_fields[name]  # `on_bind_field` changed the field that was copied from it
        return bool(declared.allow_none) or declared.required
