"""Uploads over HTTP: forms and raw bodies, also by signed URL."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from flask import Response, request
from flask.views import MethodView
from marshmallow import ValidationError

from ..auth.signed_urls import SignedUpload
from ..domain.files import File
from ..domain.principals import Principal
from ..domain.uploads import FileAttributes, UploadRequest
from ..errors import (
    BodyTimeout,
    BucketNotFound,
    ContentTypeNotAllowed,
    DigestMismatch,
    FileExists,
    FileTooLarge,
    Forbidden,
    InsufficientStorage,
    InvalidName,
    InvalidRequest,
    LengthRequired,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    TooLarge,
    TooManyUploads,
    TruncatedBody,
    UnsupportedMediaType,
)
from ..services.upload_bodies import Body
from . import nginx
from .blueprint import Access, Blueprint
from .context import g
from .http.conditions import write_conditions
from .http.forms import Form, FormBody, is_form
from .http.responses import json_response, relative
from .openapi_parts import DIGESTS, RAW_BODY, WRITE_CONDITIONS, form_body, written_headers
from .schemas.queries import OverwriteSchema
from .schemas.requests import UploadFormSchema, UploadFormWithFileSchema
from .schemas.responses import FileRecordSchema, file_json
from .validation import refuse_fields

blueprint = Blueprint(
    "Uploads", __name__, url_prefix="/files", description="New and replaced files, as a form or as raw bytes."
)

_FORM = UploadFormSchema()

REFUSALS: tuple[type[StorageError], ...] = (
    InvalidName,
    TruncatedBody,
    DigestMismatch,
    Forbidden,
    BodyTimeout,
    FileExists,
    PreconditionFailed,
    TooLarge,
    FileTooLarge,
    QuotaExceeded,
    UnsupportedMediaType,
    ContentTypeNotAllowed,
    TooManyUploads,
    InsufficientStorage,
)


@blueprint.route("/upload/<bucket_id>")
class FormUpload(MethodView):
    @blueprint.access(Access.CREDENTIAL, BucketNotFound, *REFUSALS)
    @blueprint.doc(
        operationId="uploadForm",
        requestBody=form_body(UploadFormWithFileSchema),
        parameters=[*WRITE_CONDITIONS, *DIGESTS],
    )
    @blueprint.alt_response(
        200, schema=FileRecordSchema, headers=written_headers(), description="Replaced", success=True
    )
    @blueprint.response(201, FileRecordSchema, headers=written_headers())
    def post(self, bucket_id: str) -> Response:
        """Upload a file as a form."""
        upload = UploadRequest(bucket_id, conditions=write_conditions(request.headers))
        return _received(g.principal, upload, _form_body(_with_fields))


@blueprint.route("/upload-direct/<bucket_id>/<key:file_id>")
class RawUpload(MethodView):
    @blueprint.access(Access.CREDENTIAL, BucketNotFound, LengthRequired, *REFUSALS)
    @blueprint.doc(operationId="uploadFile", requestBody=RAW_BODY, parameters=[*WRITE_CONDITIONS, *DIGESTS])
    @blueprint.arguments(OverwriteSchema(), location="query")
    @blueprint.alt_response(
        201, schema=FileRecordSchema, headers=written_headers(), description="Created", success=True
    )
    @blueprint.response(200, FileRecordSchema, headers=written_headers())
    def put(self, query: dict[str, str], bucket_id: str, file_id: str) -> Response:
        """Upload a file as a raw body. It replaces an existing file."""
        upload = UploadRequest(
            bucket_id,
            key=file_id,
            overwrite=query["overwrite"] == "true",
            conditions=write_conditions(request.headers),
        )
        return _received(g.principal, upload, nginx.raw_body(request, g.services.spool))


def receive_signed(token: str, bucket_id: str, file_id: str) -> Response:
    """Answer `PUT /files/signed/...`, with a raw body or with a form."""
    grant = g.storage.signed_urls.upload(token, file_id, waited=g.waited)
    upload = UploadRequest(
        bucket_id,
        key=grant.key,
        overwrite=grant.overwrite,
        conditions=write_conditions(request.headers),
        constraints=grant.constraints,
        by_link=True,
    )
    body = _form_body(_with_part) if is_form(request) else nginx.raw_body(request, g.services.spool)
    return _received(grant, upload, body)


def _received(who: Principal | SignedUpload, upload: UploadRequest, body: Body) -> Response:
    received = receive(who, upload, body)
    if isinstance(received, Response):
        return received
    file, created = received
    return written(upload.bucket_name, file, created=created)


def written(bucket_name: str, file: File, *, created: bool) -> Response:
    """Answer with a file that was written: 201 if its key is new, and 200 if it replaces another."""
    shown = file_json(g.storage.settings, bucket_name, file)
    location = f"/storage/{bucket_name}/{quote(file.key)}"
    headers = {"ETag": shown["etag"], "Location": relative(request.environ, location)}
    return json_response(shown, 201 if created else 200, headers)


def receive(who: Principal | SignedUpload, upload: UploadRequest, body: Body) -> tuple[File, bool] | Response:
    """Receive the file, as `Uploads.receive` does. If nginx only asks whether to spool it, return the answer."""
    uploads, upload_id = g.services.uploads, nginx.upload_id(request)
    if upload_id is not None and nginx.is_check(request):
        return nginx.verdict(uploads.reserve(who, upload, body, reservation_id=upload_id))
    received: tuple[File, bool] = uploads.receive(who, upload, body, reservation_id=upload_id)
    return received


def _form_body(interpret: Callable[[Form, UploadRequest], UploadRequest]) -> Body:
    return FormBody(request, interpret, known=_FORM.fields, is_here=nginx.has_whole_body(request))


def _with_fields(form: Form, upload: UploadRequest) -> UploadRequest:
    """Return `upload` with the key, the options and the attributes from an upload form."""
    fields = _form_fields(form)
    attributes = FileAttributes(
        filename=form.filename,
        content_type=form.content_type,
        metadata=fields.get("metadata", {}),
        cache_control=fields.get("cache_control"),
    )
    key = fields.get("file_id", form.filename)
    if key is None:
        raise InvalidRequest("The part 'file' has no filename; give it one, or name the file in a field 'file_id'.")
    return replace(upload, key=key, overwrite=fields["overwrite"] == "true", attributes=attributes)


def _with_part(form: Form, upload: UploadRequest) -> UploadRequest:
    """Return `upload` with the attributes of the file part. The fields of an upload form are the signer's choice."""
    if form.fields:
        refuse_fields({name: ["The signed URL decides it; leave the field out."] for name in form.fields})
    return replace(upload, attributes=FileAttributes(filename=form.filename, content_type=form.content_type))


def _form_fields(form: Form) -> dict[str, Any]:
    """Return the fields of an upload form, checked. Raises `ValidationFailed`."""
    twice = [name for name, values in form.fields.lists() if len(values) > 1]
    if twice:
        refuse_fields({name: ["The field is there more than once."] for name in twice})
    try:
        fields: dict[str, Any] = _FORM.load(form.fields.to_dict())
    except ValidationError as error:
        refuse_fields(error.normalized_messages())  # type: ignore[no-untyped-call]
    return fields
