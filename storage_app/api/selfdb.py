"""The calls of SelfDB 0.05's backend, translated to the services. They exist if SERVICE_KEY is set.

That backend parses `application/json` alone, so a refusal has this type here. It compares the text of a missing bucket.
Parameters and fields that this service does not know are ignored.
"""

import json
from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from flask import Response, request
from flask.views import MethodView
from werkzeug.exceptions import HTTPException

from ..auth.signed_urls import Disposition
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.uploads import UploadConstraints, UploadRequest
from ..errors import (
    BucketExists,
    BucketNotFound,
    FileNotFound,
    Forbidden,
    InsufficientStorage,
    InvalidName,
    LengthRequired,
    PreconditionFailed,
    StorageError,
    Unavailable,
    ValidationFailed,
)
from . import buckets, downloads, files, nginx, uploads
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .http import cursors, problems
from .http.conditions import write_conditions
from .lanes import LISTS
from .openapi_parts import RAW_BODY, READ_CONDITIONS, bytes_out, link_header, total_header
from .schemas.queries import PageSchema
from .schemas.responses import AnswerSchema, HealthSchema, ProblemSchema, file_json
from .schemas.selfdb import (
    ChangedBucketSchema,
    DoneSchema,
    MissingBucketSchema,
    NewOwnedBucketSchema,
    OneBucketSchema,
    SeveralBucketsSchema,
    SeveralFilesSchema,
    StoredSchema,
)

_JSON = "application/json"
_NO_BUCKET = {"detail": "Bucket not found"}
_DONE = {"success": True, "status": "success"}

# nginx and gunicorn give refusals with these statuses too, which do not pass through `_as_json`.
_GIVEN_BEFORE = frozenset({400, 413, 500, 503, 507})


class SelfdbBlueprint(Blueprint):
    """A blueprint whose refusals are `application/json`."""

    def refusal_content(self, refusals: Collection[type[StorageError]]) -> dict[str, Any]:
        """Describe the body of `refusals`, which have one status, by its media types."""
        schemas: list[type[AnswerSchema]] = [MissingBucketSchema] if BucketNotFound in refusals else []
        if len(schemas) < len(refusals):
            schemas.append(ProblemSchema)
        content = {_JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
        is_given_before = any(refusal.status in _GIVEN_BEFORE for refusal in refusals)
        return content | (super().refusal_content(refusals) if is_given_before else {})


blueprint = SelfdbBlueprint(
    "SelfDB", __name__, description=f"The calls of SelfDB 0.05's backend. Refusals are `{_JSON}` here."
)

_for_backend = partial(blueprint.access, Access.CREDENTIAL, any_query=True)
_in_bucket = partial(_for_backend, InvalidName, Forbidden, BucketNotFound)
_to_delete_file = _in_bucket(FileNotFound, PreconditionFailed, InsufficientStorage)


@blueprint.route("/api/v1/buckets")
class BucketCollection(MethodView):
    @_for_backend(
        Forbidden,
        InvalidName,
        InsufficientStorage,
        *JSON_REFUSALS,
        right=lambda: g.services.buckets.authorize_create(g.principal),
    )
    @blueprint.doc(operationId="selfdbCreateBucket")
    @blueprint.arguments(NewOwnedBucketSchema, example={"name": "photos", "owner_id": "alice", "public": False})
    @blueprint.response(200, OneBucketSchema)
    def post(self, settings: dict[str, Any]) -> Any:
        """Create a bucket for a user, or show the one that has the name already."""
        name, owner_id = settings.pop("name").lower(), settings.pop("owner_id", None)
        try:
            return _one(*g.services.buckets.create(g.principal, name, settings, owner_id=owner_id))
        except BucketExists:
            return _one(*g.services.buckets.get(g.principal, name))

    @_for_backend(ValidationFailed, lane=LISTS)
    @blueprint.doc(operationId="selfdbListBuckets")
    @blueprint.arguments(PageSchema(), location="query")
    @blueprint.response(200, SeveralBucketsSchema, headers=link_header())
    def get(self, page: dict[str, Any]) -> Any:
        """List the buckets that the principal may see, by name."""
        return buckets.list_response(page, _bucket, member="buckets")


@blueprint.route("/api/v1/buckets/<bucket_id>")
class BucketItem(MethodView):
    @_in_bucket()
    @blueprint.doc(operationId="selfdbGetBucket")
    @blueprint.response(200, OneBucketSchema)
    def get(self, bucket_id: str) -> Any:
        """Show a bucket."""
        return _one(*g.services.buckets.get(g.principal, bucket_id.lower()))

    @_in_bucket(
        InsufficientStorage,
        *JSON_REFUSALS,
        right=lambda bucket_id: g.services.buckets.authorize_change(g.principal, bucket_id.lower()),
    )
    @blueprint.doc(operationId="selfdbUpdateBucket")
    @blueprint.arguments(ChangedBucketSchema, required=False, example={"public": True})
    @blueprint.response(200, OneBucketSchema)
    def put(self, settings: dict[str, Any], bucket_id: str) -> Any:
        """Replace the given settings of a bucket."""
        return _one(*g.services.buckets.change(g.principal, bucket_id.lower(), settings))

    @_in_bucket(InsufficientStorage)
    @blueprint.doc(operationId="selfdbDeleteBucket")
    @blueprint.response(200, DoneSchema)
    def delete(self, bucket_id: str) -> Any:
        """Delete a bucket with its files."""
        g.services.buckets.delete(g.principal, bucket_id.lower(), force=True)
        return _DONE


@blueprint.route("/api/v1/buckets/<bucket_id>/files")
class FileCollection(MethodView):
    @_in_bucket(ValidationFailed, lane=LISTS)
    @blueprint.doc(operationId="selfdbListFiles")
    @blueprint.arguments(PageSchema(), location="query")
    @blueprint.response(200, SeveralFilesSchema, headers={**link_header(), **total_header()})
    def get(self, page: dict[str, Any], bucket_id: str) -> Any:
        """List the files of a bucket, by key."""
        name, limit = bucket_id.lower(), page["limit"]
        found = g.services.files.list_by_key(g.principal, name, position=cursors.start(page), limit=limit + 1)
        return files.list_response(name, found, limit=limit, member="files")


@blueprint.route("/api/v1/files/<bucket_id>/<key:file_id>")
class FileItem(MethodView):
    @_for_backend(BucketNotFound, LengthRequired, *uploads.REFUSALS)
    @blueprint.doc(operationId="selfdbUploadFile", requestBody=RAW_BODY)
    @blueprint.response(200, StoredSchema)
    def post(self, bucket_id: str, file_id: str) -> Any:
        """Upload a raw body, with a length or in chunks. It replaces an existing file."""
        upload = UploadRequest(
            bucket_id.lower(),
            key=file_id,
            overwrite=True,
            conditions=write_conditions(request.headers),
            constraints=UploadConstraints(filename=_sent_filename()),
        )
        received = uploads.receive(g.principal, upload, nginx.raw_body(request, g.services.spool))
        if isinstance(received, Response):
            return received
        file = file_json(g.storage.settings, upload.bucket_name, received[0])
        return {"status": "success", "file_id": file["id"], "size": file["size"], "url": file["url"]}

    @_for_backend(BucketNotFound, *downloads.REFUSALS)
    @blueprint.doc(operationId="selfdbDownloadFile", parameters=READ_CONDITIONS, responses=bytes_out())
    def get(self, bucket_id: str, file_id: str) -> Response:
        """Download a file."""
        return downloads.deliver(bucket_id.lower(), file_id, Disposition.ATTACHMENT, more_headers=_file_name_header)

    @_to_delete_file
    @blueprint.doc(operationId="selfdbDeleteFile")
    @blueprint.response(200, DoneSchema)
    def delete(self, bucket_id: str, file_id: str) -> Any:
        """Delete a file."""
        return _deleted(bucket_id, file_id)


@blueprint.route("/<bucket:bucket_id>/<key:file_id>")
class RootFileItem(MethodView):
    @_to_delete_file
    @blueprint.doc(operationId="selfdbDeleteFileAtRoot")
    @blueprint.response(200, DoneSchema)
    def delete(self, bucket_id: str, file_id: str) -> Any:
        """Delete a file, by the shorter path that SelfDB 0.05 uses too."""
        return _deleted(bucket_id, file_id)


@blueprint.route("/api/v1/storage/status")
class Status(MethodView):
    @blueprint.access(Access.PUBLIC, Unavailable, any_query=True)
    @blueprint.doc(operationId="selfdbCheckHealth")
    @blueprint.response(200, HealthSchema)
    def get(self) -> Any:
        """Answer as `/health` does."""
        g.storage.ensure_open()
        return {"status": "healthy"}


@blueprint.after_request
def _as_json(response: Response) -> Response:
    """Send a refusal as `application/json`, and that of a missing bucket with the text that the backend compares."""
    if response.mimetype == problems.MEDIA_TYPE:
        if json.loads(response.get_data())["code"] == BucketNotFound.code:
            response.set_data(json.dumps(_NO_BUCKET))
        response.content_type = _JSON
    return response


@blueprint.app_errorhandler(404)
@blueprint.app_errorhandler(405)
def _refuse_without_route(error: HTTPException) -> Response:
    """Refuse what is no route. Such a request belongs to no blueprint, so its path tells who sent it."""
    response = problems.from_framework(error)
    return _as_json(response) if request.path.startswith("/api/v1/") else response


def _one(bucket: Bucket, totals: Totals) -> dict[str, Any]:
    return {"success": True, "bucket": _bucket(bucket, totals)}


def _bucket(bucket: Bucket, totals: Totals) -> dict[str, Any]:
    return buckets.shown(bucket, totals) | {"internal_bucket_name": bucket.name, "public": bucket.is_public}


def _deleted(bucket_name: str, key: str) -> dict[str, Any]:
    g.services.files.delete(g.principal, bucket_name.lower(), key, conditions=write_conditions(request.headers))
    return _DONE


def _sent_filename() -> str | None:
    """Return the filename of an upload. A client may percent-encode it. Raises `InvalidName` if it is not UTF-8."""
    sent = request.headers.get("X-Filename")
    if not sent:
        return None
    try:
        return unquote(sent.encode("latin-1").decode())
    except UnicodeError as error:
        raise InvalidName("The filename in X-Filename is not UTF-8; percent-encode it.") from error


def _file_name_header(file: File) -> dict[str, str]:
    return {"X-File-Name": quote(file.filename, safe=" !#$&'()+,;=@[]^_`{}~")}
