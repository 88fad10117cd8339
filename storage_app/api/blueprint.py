"""Our flask-smorest: views declare who may call them and which problems they return, and JSON is parsed strictly."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

import flask_smorest
import marshmallow as ma
from flask import Request, Response, request
from webargs import missing
from webargs.flaskparser import FlaskParser

from ..domain.principals import PrincipalKind
from ..domain.text import parse_json
from ..errors import (
    BodyTimeout,
    InvalidCredential,
    InvalidJson,
    InvalidRequest,
    StorageError,
    TooLarge,
    TruncatedBody,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from .context import g
from .http import problems
from .http.bodies import RequestBody, refuse_encoded
from .http.responses import json_response
from .lanes import Lane
from .schemas.bodies import BodySchema
from .schemas.kinds import PATH_PARAMETERS
from .schemas.responses import ProblemSchema
from .validation import check_query, refuse_fields

# A JSON body is short, so a client has this long for all of it.
JSON_SECONDS = 10

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")

View = TypeVar("View", bound=Callable[..., Any])


class Access(Enum):
    """The callers that a view admits. The services decide what a principal may do there."""

    PUBLIC = "public"  # credentials are ignored
    ANYONE = "anyone"  # a credential is optional, but must be valid if sent
    CREDENTIAL = "credential"  # a credential is required
    SIGNED = "signed"  # the token or the id in the path is the credential
    METRICS = "metrics"  # METRICS_TOKEN, if it is set


_PROBLEM = {problems.MEDIA_TYPE: {"schema": ProblemSchema}}
# Given before a view is chosen.
_TOO_LONG = {
    "414": {"description": f"Code `{InvalidRequest.code}`: the URL is longer than 8,190 bytes", "content": _PROBLEM}
}

# The refusals of a view that takes a JSON body.
JSON_REFUSALS: tuple[type[StorageError], ...] = (
    InvalidJson,
    TruncatedBody,
    BodyTimeout,
    TooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)

SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.ANYONE: [{}, {"bearer": []}, {"apikey": []}],
    Access.CREDENTIAL: [{"bearer": []}, {"apikey": []}],
    Access.SIGNED: [],
    Access.METRICS: [{}, {"metrics": []}],
}


class JsonParser(FlaskParser):
    """Parses arguments, and turns errors in them into ours."""

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Return the JSON body, or `missing` if there is none."""
        assert isinstance(schema, BodySchema), "each JSON body has a limit"
        body = _read_json_body(req, schema.max_bytes)
        if not body.strip():
            return missing
        g.body = parse_json(body)
        return g.body

    def handle_error(self, error: ma.ValidationError, req: Request, schema: ma.Schema, **_: Any) -> NoReturn:
        # webargs nests the errors by location: {"json": {"name": [...]}}
        located = error.normalized_messages()  # type: ignore[no-untyped-call]
        errors: dict[str, Any] = {}
        for fields in located.values():
            errors.update(fields if isinstance(fields, Mapping) else {"_schema": fields})
        refuse_fields(errors)


class Blueprint(flask_smorest.Blueprint):
    """A blueprint whose views declare who may call them, and their refusals."""

    ARGUMENTS_PARSER = JsonParser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks += [_add_parameters, _name_patch]

    def add_url_rule(self, rule: str, *args: Any, **kwargs: Any) -> None:
        """Register a rule, and document the parameters in its path."""
        described = [PATH_PARAMETERS[name] for name in _VARIABLE.findall(rule)]
        super().add_url_rule(rule, *args, **{**kwargs, "parameters": described})

    def access(
        self,
        who: Access,
        *refusals: type[StorageError],
        right: Callable[..., object] | None = None,
        any_query: bool = False,
        lane: Lane | None = None,
    ) -> Callable[[View], View]:
        """Decorate a view, outermost: check the credential, the query and the right, and document the refusals.

        `right` gets the variables of the path, and raises if the principal may not call the view. It is called before
        the body is read. The query may hold the parameters that `arguments` declares, or with `any_query` all others.
        Requests of a view in a `lane` may be overtaken by others.
        """

        def decorate(view: View) -> View:
            known = None if any_query else _query_names(view)

            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                if who in (Access.ANYONE, Access.CREDENTIAL):
                    kind = g.principal.kind  # raises if the credential is invalid
                    if who is Access.CREDENTIAL and kind is PrincipalKind.NOBODY:
                        raise Unauthenticated("A credential is needed here: send 'Authorization: Bearer <token>'.")
                if known is not None:
                    check_query(request, known)
                if right is not None:
                    right(**kwargs)
                return view(*args, **kwargs)

            every = refusals if any_query else (*refusals, ValidationFailed)
            documented: Any = self.doc(security=SECURITY[who], responses=self._described(who, every))(guarded)
            documented.access = who
            documented.lane = lane
            return documented  # type: ignore[no-any-return]

        return decorate

    def arguments(
        self, schema: type[ma.Schema] | ma.Schema, *, location: str = "json", **kwargs: Any
    ) -> Callable[[View], View]:
        """Decorate a view: parse `location` of the request by `schema`, and pass the result as its next argument.

        Of several such decorators, the outermost passes the first argument.
        """
        made = schema() if isinstance(schema, type) else schema  # webargs would make one for each request
        return cast(Callable[[View], View], super().arguments(made, location=location, **kwargs))

    def response(self, status_code: int, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        """Decorate a view: document its response, and send its result, or a pair of result and headers, as JSON."""
        document = super().response(status_code, *args, **kwargs)

        def decorate(view: View) -> View:
            @wraps(view)
            def answering(*args: Any, **kwargs: Any) -> Response:
                result = view(*args, **kwargs)
                if isinstance(result, Response):
                    return result
                shown, headers = result if isinstance(result, tuple) else (result, None)
                return json_response(shown, status_code, headers)

            return _documenting(document)(cast(View, answering))

        return decorate

    def refusal_content(self, refusals: Collection[type[StorageError]]) -> dict[str, Any]:
        """Describe the body of `refusals`, which have one status, by its media types."""
        return _PROBLEM

    def _described(self, who: Access, refusals: Iterable[type[StorageError]]) -> dict[str, Any]:
        """Describe `refusals`, and those that every view for `who` has, by their status."""
        by_status: dict[int, dict[type[StorageError], None]] = defaultdict(dict)  # the refusals are in order
        for refusal in (*_refusals_of_every_view(who), *refusals):
            by_status[refusal.status][refusal] = None
        return _TOO_LONG | {
            str(status): {
                "description": "Code " + ", ".join(f"`{each.code}`" for each in of_status),
                "content": self.refusal_content(of_status),
                **_refusal_headers(status),
            }
            for status, of_status in by_status.items()
        }

    # Each decorator of flask-smorest wraps the view. Here, those that only document return it unwrapped.

    def doc(self, **kwargs: Any) -> Callable[[View], View]:
        """Decorate a view: document it by hand."""
        return _documenting(super().doc(**kwargs))

    def alt_response(self, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        """Decorate a view: document another response."""
        return _documenting(super().alt_response(*args, **kwargs))


def _documenting(decorator: Callable[[Any], Any]) -> Callable[[View], View]:
    """Return a decorator that documents a view as `decorator` does, without wrapping it."""

    def decorate(view: View) -> View:
        view._apidoc = decorator(view)._apidoc  # type: ignore[attr-defined]  # noqa: SLF001  flask-smorest reads it
        return view

    return decorate


def _add_parameters(doc: dict[str, Any], info: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Append the parameters given to `doc` to those of `arguments`. flask-smorest would replace them."""
    given = info.get("manual_doc", {}).pop("parameters", [])
    return {**doc, "parameters": [*doc.get("parameters", []), *given]}


def _name_patch(doc: dict[str, Any], info: dict[str, Any], *, method: str, **_: Any) -> dict[str, Any]:
    """Give PATCH, which is the view of PUT, an `operationId` of its own: `patchBucket` beside `updateBucket`."""
    if method == "patch":
        info["manual_doc"]["operationId"] = "patch" + info["manual_doc"]["operationId"].removeprefix("update")
    return doc


def _refusals_of_every_view(who: Access) -> Iterator[type[StorageError]]:
    yield from (InvalidRequest, StorageError)
    if who is not Access.PUBLIC:
        yield Unavailable
    if who in (Access.ANYONE, Access.CREDENTIAL):
        yield from (Unauthenticated, InvalidCredential)


def _refusal_headers(status: int) -> dict[str, Any]:
    name = {401: "WWW-Authenticate", 416: "Content-Range", 503: "Retry-After"}.get(status)
    return {} if name is None else {"headers": {name: {"schema": {"type": "string"}}}}


def _query_names(view: Callable[..., Any]) -> frozenset[str]:
    """Return the parameters that the `arguments` of a view declare for its query."""
    declared = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", ())
    return frozenset(name for each in declared if each["in"] == "query" for name in each["schema"].fields)


def _read_json_body(req: Request, max_bytes: int) -> bytes:
    """Read the body, which may be empty. Raises `TooLarge`, `UnsupportedMediaType`, and as `RequestBody.read` does."""
    body, data = RequestBody(req, seconds=JSON_SECONDS), bytearray()
    if body.length == 0 or (body.length is None and "HTTP_TRANSFER_ENCODING" not in req.environ):
        return b""
    refuse_encoded(req)
    if not req.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    while (body.length or 0) <= max_bytes and len(data) <= max_bytes:
        step = body.read()
        if not step:
            return bytes(data)
        data += step
    raise TooLarge(f"The JSON body has more than {max_bytes} bytes; send less.", members={"limit": max_bytes})
