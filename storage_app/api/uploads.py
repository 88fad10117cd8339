"""Bytes in over HTTP: forms, raw bodies, and both by signed URL."""

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from flask import Request, Response, g
from flask.views import MethodView
from marshmallow import ValidationError

from ..auth.signed_urls import SignedUpload
from ..domain.files import File
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
    LengthRequired,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    TooLarge,
    TooManyUploads,
    TruncatedBody,
    UnsupportedMediaType,
    ValidationFailed,
)
from ..services.signed_urls import described, planned
from ..services.upload_rules import Description, Plan
from ..services.uploads import Upload
from . import nginx
from .blueprint import Access, Blueprint, refuse_fields
from .context import services, storage, this_request
from .http.bodies import MAX_FORM_BYTES, Form, check_raw, declared_digests, is_form, raw_body, read_form
from .http.conditions import write_conditions
from .http.responses import json_response
from .openapi_parts import DIGESTS, RAW_BODY, WRITE_CONDITIONS, form_body, written_headers
from .schemas.requests import OverwriteSchema, UploadFormSchema, UploadFormWithFileSchema
from .schemas.responses import FileSchema, file_json

blueprint = Blueprint("Uploads", __name__, url_prefix="/files", description="Bytes in.")

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
    @blueprint.access(Access.CREDENTIAL, BucketNotFound, ValidationFailed, *REFUSALS)
    @blueprint.doc(requestBody=form_body(UploadFormWithFileSchema), parameters=[*WRITE_CONDITIONS, *DIGESTS])
    @blueprint.alt_response(200, schema=FileSchema, headers=written_headers(), description="Replaced", success=True)
    @blueprint.response(201, FileSchema, headers=written_headers())
    def post(self, bucket_id: str) -> Response:
        """Upload a file as a form."""
        request = this_request()
        bucket, right = services().uploads.right(g.principal, bucket_id)
        if not is_form(request):
            raise UnsupportedMediaType("Send a form as multipart/form-data, or the raw file to /files/upload-direct.")
        plan = Plan(bucket, right, least_size=_least_size(request), conditions=write_conditions(request.headers))
        with ExitStack() as stack:
            upload, form = _receive_form(stack, request, plan)
            fields = _form_fields(form)
            description = Description(
                filename=form.filename,
                content_type=form.content_type,
                metadata=fields.get("metadata", {}),
                cache_control=fields.get("cache_control"),
            )
            key = fields.get("file_id", form.filename)
            file, created = upload.finish_as(key, description, overwrite=fields["overwrite"] == "true")
        return _written(bucket_id, file, created)


@blueprint.route("/upload-direct/<bucket_id>/<key:file_id>")
class RawUpload(MethodView):
    @blueprint.access(Access.CREDENTIAL, BucketNotFound, LengthRequired, ValidationFailed, *REFUSALS)
    @blueprint.doc(requestBody=RAW_BODY, parameters=[*WRITE_CONDITIONS, *DIGESTS])
    @blueprint.arguments(OverwriteSchema(), location="query")
    @blueprint.alt_response(201, schema=FileSchema, headers=written_headers(), description="Created", success=True)
    @blueprint.response(200, FileSchema, headers=written_headers())
    def put(self, query: dict[str, str], bucket_id: str, file_id: str) -> Response:
        """Upload a file as it is; it replaces the one that is there."""
        request = this_request()
        bucket, right, seen = services().uploads.look(g.principal, bucket_id, file_id)
        plan = Plan(
            bucket,
            right,
            key=file_id,
            seen=seen,
            overwrite=query["overwrite"] == "true",
            conditions=write_conditions(request.headers),
        )
        description = Description(content_type=request.content_type, sha256=declared_digests(request))
        return _receive_raw(bucket_id, request, plan, description)


def receive_signed(token: str, bucket_id: str, file_id: str) -> Response:
    """Answer `PUT /files/signed/...`: the file as it is, or a form with the one part `file`."""
    request = this_request()
    grant = storage().signed_urls.upload(token, file_id, waited=nginx.seconds_waited(request))
    plan = planned(
        grant,
        *services().uploads.look_signed(grant, bucket_id),
        least_size=_least_size(request) if is_form(request) else 0,
        conditions=write_conditions(request.headers),
    )
    if is_form(request):
        return _written(bucket_id, *_receive_signed_form(request, plan, grant))
    description = described(grant, filename=None, content_type=request.content_type, sha256=declared_digests(request))
    return _receive_raw(bucket_id, request, plan, description)


def _receive_signed_form(request: Request, plan: Plan, grant: SignedUpload) -> tuple[File, bool]:
    with ExitStack() as stack:
        upload, form = _receive_form(stack, request, plan)
        if form.fields:
            refuse_fields({name: ["Unknown field."] for name in form.fields})
        return upload.finish(
            described(grant, filename=form.filename, content_type=form.content_type, sha256=frozenset())
        )


def _receive_raw(bucket_id: str, request: Request, plan: Plan, description: Description) -> Response:
    check_raw(request)
    if nginx.has_spooled(request):
        plan = replace(plan, content_type=description.content_type, size=nginx.length(request))
        return _receive_spooled(bucket_id, request, plan, description)
    body = raw_body(request)
    plan = replace(plan, content_type=description.content_type, size=body.length)
    with services().uploads.begin(plan, is_here=nginx.has_whole_body(request)) as upload:
        body.copy_to(upload.write)
        return _written(bucket_id, *upload.finish(description))


def _receive_spooled(bucket_id: str, request: Request, plan: Plan, description: Description) -> Response:
    """Answer a raw PUT whose body nginx takes, before it does or afterwards."""
    if nginx.is_check(request):
        services().uploads.check_ahead(plan)
        return Response(status=204)
    with ExitStack() as stack:
        return _written(bucket_id, *_take_over(stack, request, plan).finish(description))


def _take_over(stack: ExitStack, request: Request, plan: Plan) -> Upload:
    path = nginx.spool_path(request)
    if path is None and plan.size == 0:  # nginx writes no file for nothing
        return stack.enter_context(services().uploads.begin(plan, is_here=True))
    body = stack.enter_context(services().spool.opened(path or ""))
    if body.seek(0, os.SEEK_END) != plan.size:
        raise TruncatedBody("The body ended before its declared length; send it again.")
    return stack.enter_context(services().uploads.take_over(plan, body))


def _receive_form(stack: ExitStack, request: Request, plan: Plan) -> tuple[Upload, Form]:
    """Read the form; its file goes into an upload that lives as long as `stack`."""
    upload = stack.enter_context(services().uploads.begin(plan, is_here=nginx.has_whole_body(request)))
    return upload, read_form(request, upload.write)


def _form_fields(form: Form) -> dict[str, Any]:
    """Check the fields of an upload form."""
    twice = [name for name, values in form.fields.lists() if len(values) > 1]
    if twice:
        refuse_fields({name: ["The field is there more than once."] for name in twice})
    try:
        fields: dict[str, Any] = _FORM.load(form.fields.to_dict())
    except ValidationError as error:
        refuse_fields(error.normalized_messages())  # type: ignore[no-untyped-call]
    return fields


def _least_size(request: Request) -> int:
    """Return how long the file in a form is at least: the rest may take no more than the form's limit."""
    return max(0, (request.content_length or 0) - MAX_FORM_BYTES)


def _written(bucket_id: str, file: File, created: bool) -> Response:
    headers = {"ETag": file.etag, "Location": f"/storage/{bucket_id}/{quote(file.key)}"}
    return json_response(file_json(storage().settings, bucket_id, file), 201 if created else 200, headers)
