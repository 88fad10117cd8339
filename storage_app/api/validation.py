"""Refusals of a query, a form or a body that is well-formed and not valid, by field."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

from flask import Request

from ..domain.text import quoted, shortened
from ..errors import ValidationFailed
from .schemas.unknown import MAX_ERRORS, unknown_names

# The most characters of a name in `errors`.
_MAX_NAME = 100


def check_query(req: Request, known: Collection[str]) -> None:
    """Raise `ValidationFailed` if the query has a parameter that is not `known`, or one of them twice."""
    if not req.environ.get("QUERY_STRING"):
        return
    twice = [name for name, values in req.args.lists() if len(values) > 1 and name in known]
    errors = unknown_names(req.args, known, "parameter") | {name: ["It is there more than once."] for name in twice}
    if errors:
        refuse_fields(errors)


def refuse_fields(errors: Mapping[str, Any]) -> NoReturn:
    """Raise `ValidationFailed` with the first MAX_ERRORS of `errors`, which are messages by field."""
    first = _first_of(errors, iter(range(MAX_ERRORS)))
    raise ValidationFailed(_sentence(first), members={"errors": first})


def _first_of(errors: Mapping[Any, Any], budget: Iterator[int]) -> dict[str, Any]:
    """Return the first of `errors`, as many as `budget` has left. Messages may be nested by field."""
    kept: dict[str, Any] = {}
    for name, problem in errors.items():
        if isinstance(problem, Mapping):
            shown: Any = _first_of(problem, budget)
        else:
            shown = None if next(budget, None) is None else problem
        if shown:
            kept[shortened(str(name), _MAX_NAME)] = shown
    return kept


def _sentence(errors: Mapping[str, Any]) -> str:
    """Return a sentence about the first of `errors`."""
    field, problem = next(iter(errors.items()), ("", "it is not valid"))
    while isinstance(problem, (Mapping, list)):
        problem = next(iter(problem.values() if isinstance(problem, Mapping) else problem), "it is not valid")
    where = "The request is not valid" if field in ("", "_schema") else f"{quoted(field)} is not valid"
    return f"{where}: {problem}"
