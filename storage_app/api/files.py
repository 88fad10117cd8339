"""The routes that list, show, edit and delete files."""

from typing import Any

from flask import Response, request
from flask.views import MethodView

from ..domain.pages import Listing
from ..errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    FileNotFound,
    Forbidden,
    InsufficientStorage,
    InvalidName,
    PreconditionFailed,
)
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .http import cursors
from .http.conditions import write_conditions
from .lanes import LISTS
from .openapi_parts import WRITE_CONDITIONS, link_header, total_header
from .schemas.queries import FileListSchema
from .schemas.requests import MetadataSchema
from .schemas.responses import FILE_LIST, FileRecordSchema, entry_text, file_json

blueprint = Blueprint(
    "Files", __name__, url_prefix="/files", description="The records of files: lists, edits, deletions."
)


@blueprint.route("/list/<bucket_id>")
class FileList(MethodView):
    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, lane=LISTS)
    @blueprint.doc(operationId="listFiles")
    @blueprint.arguments(FileListSchema(), location="query")
    @blueprint.response(200, FILE_LIST, headers={**link_header(), **total_header()})
    def get(self, query: dict[str, Any], bucket_id: str) -> Any:
        """List the files of a bucket, a page at a time.

        A page may have fewer entries than `limit`, or none, and a `Link` all the same: a request looks through 5,000
        files at most for `search`, and for `prefix` with `order=-created_at`.
        """
        files, limit, by_creation = g.services.files, query["limit"], query["order"] == "-created_at"
        place: Any = {
            "prefix": query["prefix"],
            "search": query["search"],
            "position": cursors.start(query, by_creation=by_creation),
            "limit": limit + 1,
        }
        if by_creation:
            found = files.list_by_creation(g.principal, bucket_id, **place)
        else:
            found = files.list_by_key(g.principal, bucket_id, delimiter=query.get("delimiter"), **place)
        return list_response(bucket_id, found, limit=limit)


@blueprint.route("/info/<bucket_id>/<key:file_id>")
class FileInfo(MethodView):
    @blueprint.access(Access.ANYONE, InvalidName, Forbidden, BucketNotFound, FileNotFound)
    @blueprint.doc(operationId="getFileRecord")
    @blueprint.response(200, FileRecordSchema)
    def get(self, bucket_id: str, file_id: str) -> Any:
        """Show the record of a file."""
        _, file = g.services.files.get(g.principal, bucket_id, file_id)
        return file_json(g.storage.settings, bucket_id, file)


@blueprint.route("/metadata/<bucket_id>/<key:file_id>")
class FileMetadata(MethodView):
    @blueprint.access(
        Access.CREDENTIAL,
        InvalidName,
        Forbidden,
        BucketNotFound,
        FileNotFound,
        PreconditionFailed,
        ContentTypeNotAllowed,
        InsufficientStorage,
        *JSON_REFUSALS,
        right=lambda bucket_id, file_id: g.services.files.authorize_change(g.principal, bucket_id, file_id),
    )
    @blueprint.doc(operationId="updateFileRecord", parameters=WRITE_CONDITIONS)
    @blueprint.arguments(MetadataSchema, required=False, example={"metadata": {"album": "cats"}})
    @blueprint.response(200, FileRecordSchema)
    def put(self, changes: dict[str, Any], bucket_id: str, file_id: str) -> Any:
        """Replace the given fields in the record of a file, and keep the others. `PUT` and `PATCH` are the same."""
        _, file = g.services.files.edit(
            g.principal, bucket_id, file_id, changes=changes, conditions=write_conditions(request.headers)
        )
        return file_json(g.storage.settings, bucket_id, file)

    patch = put


@blueprint.route("/<bucket:bucket_id>/<key:file_id>")
class FileItem(MethodView):
    @blueprint.access(
        Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, FileNotFound, PreconditionFailed, InsufficientStorage
    )
    @blueprint.doc(operationId="deleteFile", parameters=WRITE_CONDITIONS)
    @blueprint.response(204)
    def delete(self, bucket_id: str, file_id: str) -> Response:
        """Delete a file."""
        g.services.files.delete(g.principal, bucket_id, file_id, conditions=write_conditions(request.headers))
        return Response(status=204)


def list_response(bucket_name: str, found: Listing, *, limit: int, member: str | None = None) -> Response:
    """Return a page of the bucket's entries that were `found`."""
    settings = g.storage.settings
    listed = (
        (None if entry is None else entry_text(settings, bucket_name, entry), following)
        for entry, following in found.entries
    )
    return cursors.page_response(listed, limit=limit, total=found.total, member=member)
