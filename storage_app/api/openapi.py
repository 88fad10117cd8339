"""The OpenAPI document and Swagger UI, whose assets this service serves itself."""

import json
from typing import Any
from urllib.parse import urlsplit

import flask_smorest
import marshmallow as ma
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask, Response, request
from flask_swagger_ui import get_swaggerui_blueprint

from ..settings import Settings
from ..version import __version__
from . import (
    archives,
    buckets,
    copies,
    downloads,
    files,
    folders,
    health,
    metrics,
    resumables,
    selfdb,
    signed_urls,
    uploads,
)
from .blueprint import Access
from .schemas.bodies import BodySchema
from .schemas.requests import FormSchema
from .validation import check_query

_DESCRIPTION = """\
Buckets and files over HTTP.

**Authorize** takes a JWT signed with the service's `SECRET_KEY`, the `ANON_KEY` or the `SERVICE_KEY`.
Refusals are `application/problem+json` with a stable `code`, unless a route says otherwise. Times are RFC 3339 in UTC,
sizes are bytes.
Every `GET` answers `HEAD` too, with the same headers and no body.

**Lists** come in pages. While there is another page, the answer has `Link: <?limit=100&cursor=…>; rel="next"`. Its
target is relative to the URL of the request: resolve it (`urljoin` in Python, `new URL(target, url)` in JavaScript) and
get it, or take the parameter `cursor` out of it. A page may hold fewer than `limit` entries and still have a next one.

Answers may get more fields in later versions; ignore those that you do not know.
"""
_CONTACT = {"name": "SelfDB", "url": "https://github.com/Selfdb-io/SelfDB"}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A JWT, or a key."},
    "apikey": {"type": "apiKey", "in": "header", "name": "apikey", "description": "The ANON_KEY or the SERVICE_KEY."},
    "metrics": {"type": "http", "scheme": "bearer", "description": "The METRICS_TOKEN."},
}


class Api(flask_smorest.Api):
    """flask-smorest without its error handlers, which are all in `problems`."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Register none. Those of flask-smorest would drop the headers of a refusal."""

    def _register_responses(self) -> None:
        """Describe none of flask-smorest's errors, because the service sends others."""

    def _register_pagination_header(self) -> None:
        """Describe none, because `Link` leads to the next page."""


def init_app(app: Flask, settings: Settings) -> None:
    """Register every blueprint, that of SelfDB 0.05 if SERVICE_KEY is set, and then `/openapi.json` and `/docs`."""
    prefix = urlsplit(settings.public_url).path.rstrip("/")
    app.config.update(
        API_TITLE="SelfDB storage",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {"description": _DESCRIPTION, "contact": _CONTACT, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": prefix or "/"}],
            "components": {"securitySchemes": _SECURITY_SCHEMES},
        },
    )
    api = Api(app)
    for describe in (_property_names, _default_in_words):
        api.ma_plugin.converter.add_attribute_function(describe)
    for module in (
        buckets,
        uploads,
        resumables,
        downloads,
        files,
        copies,
        folders,
        archives,
        signed_urls,
        health,
        metrics,
    ):
        api.register_blueprint(module.blueprint)
    resumables.init_app(app)
    if settings.service_key is not None:
        api.register_blueprint(selfdb.blueprint)
    _register_document(app, api, prefix)


def _property_names(converter: OpenAPIConverter, field: ma.fields.Field[Any], *, ret: dict[str, Any]) -> dict[str, Any]:
    """Describe the keys of an object. apispec describes only its values, and takes its size for that of a string."""
    keys = getattr(field, "key_field", None)
    if isinstance(field, ma.fields.Dict):
        ret.pop("maxLength", None)
    return {} if keys is None else {"propertyNames": converter.field2property(keys)}


def _default_in_words(_: OpenAPIConverter, field: ma.fields.Field[Any], *, ret: dict[str, Any]) -> dict[str, Any]:
    """Tell the default of a field of a body in its description. Generators require a field that has a `default`."""
    if not isinstance(getattr(field, "parent", None), BodySchema | FormSchema) or "default" not in ret:
        return {}
    return {"description": f"{ret.get('description', '')} The default is {json.dumps(ret.pop('default'))}.".strip()}


def _register_document(app: Flask, api: Api, prefix: str) -> None:
    document = json.dumps(api.spec.to_dict(), indent=2)

    def openapi() -> Response:
        check_query(request, ())
        return Response(document, content_type="application/json")

    openapi.access = Access.PUBLIC  # type: ignore[attr-defined]
    app.add_url_rule("/openapi.json", "openapi", openapi)
    swagger_ui = get_swaggerui_blueprint(
        f"{prefix}/docs",
        f"{prefix}/openapi.json",
        config={"app_name": "SelfDB storage", "persistAuthorization": False, "validatorUrl": None},
    )
    swagger_ui.before_request(lambda: check_query(request, ()))
    app.register_blueprint(swagger_ui, url_prefix="/docs")
