"""What a new OpenAPI document takes from clients that were made for an old one. It covers what our document uses.

A request may be allowed more and not less; an answer may promise more and not less.
"""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_TIGHTER = {"maximum": -1, "maxLength": -1, "maxItems": -1, "minimum": 1, "minLength": 1, "minItems": 1}


def breaking_changes(old: Document, new: Document) -> list[str]:
    """Return a sentence for each breaking change, without doubles."""
    return sorted(set(_Comparison(old, new).operations()))


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new

    def operations(self) -> Iterator[str]:
        there = dict(_operations(self._new))
        for name, (place, old) in _operations(self._old):
            if name not in there:
                yield f"`{name}` is gone"
                continue
            now, new = there[name]
            if now != place:
                yield f"`{name}` is `{now}` now"
            yield from self._parameters(name, old, new)
            yield from self._body(name, old.get("requestBody"), new.get("requestBody"))
            yield from self._answers(name, old["responses"], new["responses"])

    def _parameters(self, name: str, old: Document, new: Document) -> Iterator[str]:
        before, after = ({one["name"]: one for one in each["parameters"]} for each in (old, new))
        for parameter, one in after.items():
            if one.get("required") and not before.get(parameter, {}).get("required"):
                yield f"`{name}` requires `{parameter}`"
        for parameter, one in before.items():
            if parameter not in after:
                yield f"`{name}` does not take `{parameter}`"
            else:
                yield from self._schema(f"{name}.{parameter}", one["schema"], after[parameter]["schema"], sent=True)

    def _body(self, name: str, old: Document | None, new: Document | None) -> Iterator[str]:
        if new is not None and new.get("required") and not (old or {}).get("required"):
            yield f"`{name}` requires a body"
        if old is not None:
            yield from self._content(f"{name}.body", old, new or {}, sent=True)

    def _answers(self, name: str, old: Document, new: Document) -> Iterator[str]:
        for status in (status for status in old if status < "400"):
            if status not in new:
                yield f"`{name}` does not answer {status}"
            else:
                yield from self._content(f"{name}.{status}", old[status], new[status], sent=False)

    def _content(self, where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
        after = new.get("content", {})
        for media_type, content in old.get("content", {}).items():
            if media_type not in after:
                yield f"`{where}` is not `{media_type}`"
            else:
                yield from self._schema(where, content["schema"], after[media_type]["schema"], sent=sent)

    def _schema(self, where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
        where = old.get("$ref", where).rpartition("/")[2]
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        for rule in ("type", "enum"):
            taken, given = (new, old) if sent else (old, new)
            if rule in taken and not _values(given.get(rule)) <= _values(taken[rule]):
                yield f"`{where}` has another {rule}"
        if sent:
            yield from _tighter(where, old, new)
        yield from self._fields(where, old, new, sent=sent)
        for rule in ("items", "additionalProperties"):
            if isinstance(old.get(rule), dict) and isinstance(new.get(rule), dict):
                yield from self._schema(f"{where}[]", old[rule], new[rule], sent=sent)
        for one, other in zip(old.get("oneOf", ()), new.get("oneOf", ()), strict=False):
            yield from self._schema(where, one, other, sent=sent)
        if len(old.get("oneOf", ())) != len(new.get("oneOf", ())):
            yield f"`{where}` has other alternatives"

    def _fields(self, where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required, requires = set(old.get("required", ())), set(new.get("required", ()))
        for field in requires - required if sent else ():
            yield f"`{where}.{field}` is required"
        for field in before.keys() & after.keys():
            if not sent and field in required - requires:
                yield f"`{where}.{field}` may be missing"
            yield from self._schema(f"{where}.{field}", before[field], after[field], sent=sent)
        for field in before.keys() - after.keys():
            yield f"`{where}.{field}` is gone"


def _operations(document: Document) -> Iterator[tuple[str, tuple[str, Document]]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            operation = item[method]
            parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
            yield operation["operationId"], (f"{method.upper()} {path}", {**operation, "parameters": parameters})


def _resolved(document: Document, schema: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    resolved: Document = document["components"]["schemas"][name] if name else schema
    return resolved


def _values(rule: Any) -> set[Any]:
    """Return the types or values that a rule allows. No rule allows everything."""
    return {...} if rule is None else set(rule) if isinstance(rule, list) else {rule}


def _tighter(where: str, old: Document, new: Document) -> Iterator[str]:
    for rule, sign in _TIGHTER.items():
        if rule in new and (rule not in old or (new[rule] - old[rule]) * sign > 0):
            yield f"`{where}` has another {rule}"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"`{where}` has another pattern"
