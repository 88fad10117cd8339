"""The calls of SelfDB 0.05's backend, translated to the services. They exist if SERVICE_KEY is set.

That backend parses `application/json` alone, so a refusal has this type here. It compares the text of a missing bucket.
Parameters and fields that this service does not know are ignored.
"""

import json
from typing import Any
from urllib.parse import quote, unquote

from flask import Response, request
from flask.views import MethodView

from ..auth.signed_urls import Disposition
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.pages import Position
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
    Unavailable,
    ValidationFailed,
)
from . import downloads, nginx, uploads
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .http import cursors, problems
from .http.conditions import write_conditions
from .http.responses import json_text
from .openapi_parts import RAW_BODY, READ_CONDITIONS, bytes_out, link_header, total_header
from .schemas.queries import PageSchema
from .schemas.responses import HealthSchema, bucket_json, entry_text, file_json
from .schemas.selfdb import (
    ChangedBucketSchema,
    DoneSchema,
    NewOwnedBucketSchema,
    OneBucketSchema,
    SeveralBucketsSchema,
    SeveralFilesSchema,
    StoredSchema,
)

blueprint = Blueprint("SelfDB", __name__, description="The calls of SelfDB 0.05's backend.")

_NO_BUCKET = {"detail": "Bucket not found"}
_DONE = {"status": "success"}


@blueprint.route("/api/v1/buckets")
class BucketCollection(MethodView):
    @blueprint.access(
        Access.CREDENTIAL,
        Forbidden,
        InvalidName,
        InsufficientStorage,
        *JSON_REFUSALS,
        any_query=True,
        right=lambda: g.services.buckets.authorize_create(g.principal),
    )
    @blueprint.doc(operationId="selfdbCreateBucket")
    @blueprint.arguments(NewOwnedBucketSchema, example={"name": "photos", "owner_id": "alice", "public": False})
    @blueprint.response(200, OneBucketSchema)
    def post(self, settings: dict[str, Any]) -> Any:
        """Create a bucket for a user, or show the one that has the name already."""
        name, owner_id = settings.pop("name").lower(), settings.pop("owner_id", None)
        buckets = g.services.buckets
        try:
            found = buckets.create(g.principal, name, settings, owner_id=owner_id)
        except BucketExists:
            found = buckets.get(g.principal, name)
        return _one(*found)

    @blueprint.access(Access.CREDENTIAL, ValidationFailed, any_query=True)
    @blueprint.doc(operationId="selfdbListBuckets")
    @blueprint.arguments(PageSchema(), location="query")
    @blueprint.response(200, SeveralBucketsSchema, headers=link_header())
    def get(self, page: dict[str, Any]) -> Any:
        """List the buckets that the principal may see, by name."""
        position = cursors.decode(page.get("cursor"))
        after = None if position is None else position.key
        found = g.services.buckets.list_by_name(g.principal, after=after, limit=page["limit"] + 1)
        listed = ((json_text(_bucket(bucket, totals)), Position(bucket.name)) for bucket, totals in found)
        return cursors.page_response(listed, limit=page["limit"], member="buckets")


@blueprint.route("/api/v1/buckets/<bucket_id>")
class BucketItem(MethodView):
    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, any_query=True)
    @blueprint.doc(operationId="selfdbGetBucket")
    @blueprint.response(200, OneBucketSchema)
    def get(self, bucket_id: str) -> Any:
        """Show a bucket."""
        return _one(*g.services.buckets.get(g.principal, bucket_id.lower()))

    @blueprint.access(
        Access.CREDENTIAL,
        InvalidName,
        Forbidden,
        BucketNotFound,
        InsufficientStorage,
        *JSON_REFUSALS,
        any_query=True,
        right=lambda bucket_id: g.services.buckets.authorize_change(g.principal, bucket_id.lower()),
    )
    @blueprint.doc(operationId="selfdbUpdateBucket")
    @blueprint.arguments(ChangedBucketSchema, required=False, example={"public": True})
    @blueprint.response(200, OneBucketSchema)
    def put(self, settings: dict[str, Any], bucket_id: str) -> Any:
        """Replace the given settings of a bucket."""
        return _one(*g.services.buckets.change(g.principal, bucket_id.lower(), settings))

    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, InsufficientStorage, any_query=True)
    @blueprint.doc(operationId="selfdbDeleteBucket")
    @blueprint.response(200, DoneSchema)
    def delete(self, bucket_id: str) -> Any:
        """Delete a bucket with its files."""
        g.services.buckets.delete(g.principal, bucket_id.lower(), force=True)
        return {"success": True, **_DONE}


@blueprint.route("/api/v1/buckets/<bucket_id>/files")
class FileCollection(MethodView):
    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, ValidationFailed, any_query=True)
    @blueprint.doc(operationId="selfdbListFiles")
    @blueprint.arguments(PageSchema(), location="query")
    @blueprint.response(200, SeveralFilesSchema, headers={**link_header(), **total_header()})
    def get(self, page: dict[str, Any], bucket_id: str) -> Any:
        """List the files of a bucket, by key."""
        name, limit = bucket_id.lower(), page["limit"]
        position = cursors.decode(page.get("cursor"))
        found = g.services.files.list_by_key(
            g.principal, name, prefix="", delimiter=None, position=position, limit=limit + 1
        )
        listed = ((entry_text(g.storage.settings, name, entry), following) for entry, following in found.entries)
        return cursors.page_response(listed, limit=limit, total=found.total, member="files")


@blueprint.route("/api/v1/files/<bucket_id>/<key:file_id>")
class FileItem(MethodView):
    @blueprint.access(Access.CREDENTIAL, BucketNotFound, LengthRequired, *uploads.REFUSALS, any_query=True)
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
        if received is None:
            return Response(status=204)
        file = file_json(g.storage.settings, upload.bucket_name, received[0])
        return {**_DONE, "file_id": file["id"], "size": file["size"], "url": file["url"]}

    @blueprint.access(Access.CREDENTIAL, BucketNotFound, *downloads.REFUSALS, any_query=True)
    @blueprint.doc(operationId="selfdbDownloadFile", parameters=READ_CONDITIONS, responses=bytes_out())
    def get(self, bucket_id: str, file_id: str) -> Response:
        """Download a file."""
        return downloads.deliver(bucket_id.lower(), file_id, Disposition.ATTACHMENT, more_headers=_file_name_header)

    @blueprint.access(
        Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, FileNotFound, PreconditionFailed, any_query=True
    )
    @blueprint.doc(operationId="selfdbDeleteFile")
    @blueprint.response(200, DoneSchema)
    def delete(self, bucket_id: str, file_id: str) -> Any:
        """Delete a file."""
        return _deleted(bucket_id, file_id)


@blueprint.route("/<bucket:bucket_id>/<key:file_id>")
class RootFileItem(MethodView):
    @blueprint.access(
        Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, FileNotFound, PreconditionFailed, any_query=True
    )
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
        response.content_type = "application/json"
    return response


def _one(bucket: Bucket, totals: Totals) -> dict[str, Any]:
    return {"success": True, "bucket": _bucket(bucket, totals)}


def _bucket(bucket: Bucket, totals: Totals) -> dict[str, Any]:
    manages = g.services.buckets.may_change(g.principal, bucket)
    shown = bucket_json(bucket, totals, manages=manages)
    return shown | {"internal_bucket_name": bucket.name, "public": bucket.is_public}


def _deleted(bucket_name: str, key: str) -> dict[str, Any]:
    g.services.files.delete(g.principal, bucket_name.lower(), key, conditions=write_conditions(request.headers))
    return {"success": True, **_DONE}


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
