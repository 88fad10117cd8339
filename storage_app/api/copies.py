"""The routes that copy and move files."""

from typing import Any

import marshmallow as ma
from flask import Response, request
from flask.views import MethodView

from ..domain.copies import CopyRequest, Place
from ..errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    FileExists,
    FileNotFound,
    FileTooLarge,
    Forbidden,
    InsufficientStorage,
    PreconditionFailed,
    QuotaExceeded,
)
from . import uploads
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .http.conditions import write_conditions
from .http.responses import json_response
from .openapi_parts import WRITE_CONDITIONS, written_headers
from .schemas.bulk import CopiedSchema, MovedSchema, bulk_json
from .schemas.copies import CopySchema
from .schemas.responses import FileRecordSchema

blueprint = Blueprint("Copies", __name__, url_prefix="/files", description="Files that have other files' bytes.")

_REFUSALS = (
    Forbidden,
    BucketNotFound,
    FileNotFound,
    FileExists,
    PreconditionFailed,
    FileTooLarge,
    QuotaExceeded,
    ContentTypeNotAllowed,
    InsufficientStorage,
    *JSON_REFUSALS,
)
_EXAMPLE = {
    "source": {"bucket_id": "photos", "file_id": "2026/cat.jpg"},
    "destination": {"bucket_id": "photos", "file_id": "best/cat.jpg"},
}


def _or_file(schema: type[ma.Schema]) -> dict[str, Any]:
    """Describe an answer that is a file or, if many were asked for, `schema`."""
    return {"oneOf": [FileRecordSchema, schema]}


_ATTRIBUTES = ("metadata", "content_type", "filename", "cache_control")


@blueprint.route("/copy")
class FileCopy(MethodView):
    @blueprint.access(Access.CREDENTIAL, *_REFUSALS)
    @blueprint.doc(operationId="copyFiles", parameters=WRITE_CONDITIONS)
    @blueprint.arguments(CopySchema, example=_EXAMPLE)
    @blueprint.alt_response(
        200, schema=_or_file(CopiedSchema), headers=written_headers(), description="Replaced, or many", success=True
    )
    @blueprint.response(201, FileRecordSchema, headers=written_headers())
    def post(self, body: dict[str, Any]) -> Response:
        """Copy a file, within its bucket or to another. Its bytes are shared if the disk can do that.

        With `prefix` in place of `file_id`, copy all files whose keys begin with it. If that answer is not complete,
        send the request again. The conditions in the headers are about the destination.
        """
        asked = _request(body)
        if _is_of_folder(body):
            return json_response(bulk_json(g.services.folders.copy(g.principal, asked), "copied"), 200)
        file, created = g.services.copies.copy(g.principal, asked)
        return uploads.written(asked.destination.bucket_name, file, created=created)


@blueprint.route("/move")
class FileMove(MethodView):
    @blueprint.access(Access.CREDENTIAL, *_REFUSALS)
    @blueprint.doc(operationId="moveFiles", parameters=WRITE_CONDITIONS)
    @blueprint.arguments(CopySchema, example=_EXAMPLE)
    @blueprint.alt_response(
        200, schema=_or_file(MovedSchema), headers=written_headers(), description="Replaced, or many", success=True
    )
    @blueprint.response(201, FileRecordSchema, headers=written_headers())
    def post(self, body: dict[str, Any]) -> Response:
        """Move a file, within its bucket or to another, in one step.

        With `prefix` in place of `file_id`, move all files whose keys begin with it, each in one step. If that answer
        is not complete, send the request again. The conditions in the headers are about the destination.
        """
        asked = _request(body)
        if _is_of_folder(body):
            return json_response(bulk_json(g.services.folders.move(g.principal, asked), "moved"), 200)
        file, created = g.services.copies.move(g.principal, asked)
        return uploads.written(asked.destination.bucket_name, file, created=created)


def _request(body: dict[str, Any]) -> CopyRequest:
    return CopyRequest(
        source=_place(body["source"]),
        destination=_place(body["destination"]),
        overwrite=body["overwrite"],
        conditions=write_conditions(request.headers),
        source_etag=body.get("source_etag"),
        changes={name: body[name] for name in _ATTRIBUTES if name in body},
    )


def _place(place: dict[str, str]) -> Place:
    return Place(place["bucket_id"], place.get("file_id", place.get("prefix", "")))


def _is_of_folder(body: dict[str, Any]) -> bool:
    return "prefix" in body["source"]
