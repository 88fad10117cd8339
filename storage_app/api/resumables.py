"""Resumable uploads over HTTP: tus 1.0.0."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask import Flask, Response, request
from flask.views import MethodView
from werkzeug.http import http_date

from ..auth.signed_urls import SignedUpload
from ..domain.files import check_cache_control, check_filename
from ..domain.principals import Principal
from ..domain.text import parse_json
from ..domain.uploads import UNCONSTRAINED, FileAttributes, UploadConstraints, UploadRequest
from ..errors import (
    BucketNotFound,
    ChecksumMismatch,
    InvalidRequest,
    InvalidSignedUrl,
    OffsetConflict,
    StorageError,
    UnsupportedTusVersion,
    UploadGone,
    UploadLocked,
    UploadNotFound,
)
from ..services.resumables.creation import Creation
from . import tus_parts as parts
from . import uploads
from .blueprint import Access, Blueprint
from .context import g
from .http import tus
from .http.bodies import RequestBody, Write, refuse_encoded
from .http.conditions import write_conditions
from .http.responses import ReadyResponse, relative
from .openapi_parts import WRITE_CONDITIONS

_PATH = "/files/resumable"
# Less than for other uploads, so that many large pieces at once take little memory.
_STEP_BYTES = 256 * 1024
# The keys of Upload-Metadata that mean something here. A client may send others, and gets all of them back.
_BUCKET, _KEY = "bucket_id", "file_id"

blueprint = Blueprint(
    "Resumable uploads",
    __name__,
    url_prefix=_PATH,
    description="Uploads that survive a lost connection, by [tus 1.0.0](https://tus.io/protocols/resumable-upload). "
    f"Bodies are `{tus.CONTENT_TYPE}`. OPTIONS tells the extensions and, if there is a limit, the largest size.",
)

_HELD: tuple[type[StorageError], ...] = (UnsupportedTusVersion, UploadNotFound, UploadGone, UploadLocked)
_CREATION: tuple[type[StorageError], ...] = (UnsupportedTusVersion, ChecksumMismatch, *uploads.REFUSALS)


def init_app(app: Flask) -> None:
    """Have every answer of these routes tell its version, refusals too, and OPTIONS what this service can."""
    app.after_request(_complete)


def _complete(response: Response) -> Response:
    if request.path.startswith(_PATH):
        response.headers["Tus-Resumable"] = tus.VERSION
        response.headers["Cache-Control"] = "no-store"
        if request.method == "OPTIONS":
            response.headers.update(tus.capabilities(g.storage.settings.max_file_size))
        elif response.status_code >= 400:
            _tell_end(response)
    return response


def _tell_end(response: Response) -> None:
    """Have a refusal tell when its upload ends, if that is still open ("Expiration": "every PATCH response")."""
    upload_id = (request.view_args or {}).get("upload_id")
    if upload_id is not None and response.status_code not in (404, 410):
        with suppress(StorageError):
            response.headers["Upload-Expires"] = http_date(g.services.appending.expires_at(upload_id))


class _Piece(RequestBody):
    """The body of a request, which is a piece of an upload. Without a length and chunks, it is empty."""

    def __init__(self) -> None:
        super().__init__(request)
        refuse_encoded(request)
        if self.length is None and "HTTP_TRANSFER_ENCODING" not in request.environ:
            self.length = 0

    def copy_to(self, write: Write) -> None:
        while data := self.read(_STEP_BYTES):
            write(data)


def _empty(status: int, headers: Mapping[str, str]) -> Response:
    length = {} if status == 204 else {"Content-Length": "0"}
    return ReadyResponse(status=status, headers={**headers, **length})


@blueprint.route("")
class NewResumable(MethodView):
    @blueprint.access(Access.CREDENTIAL, BucketNotFound, *_CREATION, UploadNotFound, UploadGone, UploadLocked)
    @blueprint.doc(operationId="createResumable", parameters=[*parts.CREATION, *WRITE_CONDITIONS])
    @blueprint.response(201, headers=parts.created())
    def post(self) -> Response:
        """Create a resumable upload, with its first bytes or without, or one that is made of partial ones.

        `Upload-Metadata` names the bucket as `bucket_id`, and the file's key as `file_id`, or else as `filename`.
        `filetype`, `metadata` (a JSON object), `cache_control` and `overwrite` (`true`) describe the file.
        """
        tus.check_version(request.headers)
        given = _metadata()
        bucket_name, key = given.get(_BUCKET), given.get(_KEY, given.get("filename"))
        if bucket_name is None:
            raise InvalidRequest("Upload-Metadata names no bucket; name it as bucket_id, for partial uploads too.")
        if key is None and not tus.is_partial(request.headers):
            raise InvalidRequest("Upload-Metadata names no file; name it as file_id, or as filename.")
        g.body = {_BUCKET: bucket_name, _KEY: key}  # for the logs
        return _created(g.principal, _request(bucket_name, key, given, overwrite=_overwrite(given)))


@blueprint.route("/signed/<token>/<bucket_id>/<key:file_id>")
class NewSignedResumable(MethodView):
    @blueprint.access(Access.SIGNED, InvalidSignedUrl, *_CREATION, UploadNotFound, UploadGone, UploadLocked)
    @blueprint.doc(
        operationId="createSignedResumable",
        parameters=[*parts.CREATION, *WRITE_CONDITIONS],
    )
    @blueprint.response(201, headers=parts.created())
    def post(self, token: str, bucket_id: str, file_id: str) -> Response:
        """Create a resumable upload by a signed URL, the `resumable_url` of an initiated upload.

        The URL decides about the bucket, the key, and whatever was bound into it. Other credentials are ignored.
        """
        tus.check_version(request.headers)
        grant = g.storage.signed_urls.upload(token, file_id, waited=g.waited)
        given = _metadata()
        for name, decided in ((_BUCKET, bucket_id), (_KEY, grant.key)):
            if given.get(name, decided) != decided:
                raise InvalidRequest(f"The signed URL decides the {name}; leave it out of Upload-Metadata.")
        asked = _request(bucket_id, grant.key, given, overwrite=grant.overwrite, constraints=grant.constraints)
        return _created(grant, asked)


@blueprint.route("/<upload_id>")
class ResumableUpload(MethodView):
    @blueprint.access(Access.SIGNED, *_HELD, *uploads.REFUSALS)
    @blueprint.doc(operationId="headResumable", parameters=[parts.VERSION])
    @blueprint.response(200, headers=parts.described())
    def head(self, upload_id: str) -> Response:
        """Tell how many bytes of an upload have come."""
        tus.check_version(request.headers)
        state = g.services.appending.state(upload_id)
        return _empty(200, tus.described(state.upload, state.offset))

    @blueprint.access(Access.SIGNED, *_HELD, OffsetConflict, ChecksumMismatch, *uploads.REFUSALS)
    @blueprint.doc(operationId="appendToResumable", parameters=parts.APPEND)
    @blueprint.response(204, headers=parts.about())
    def patch(self, upload_id: str) -> Response:
        """Send the next bytes of an upload. With the last ones, it becomes a file."""
        tus.check_version(request.headers)
        tus.check_content_type(request.headers)
        offset = tus.number(request.headers, "Upload-Offset")
        if offset is None:
            raise InvalidRequest("Send Upload-Offset, the number of bytes that the upload has.")
        length = tus.number(request.headers, "Upload-Length")
        checksum = tus.checksum(request.headers)
        state = g.services.appending.append(upload_id, offset, _Piece(), length=length, checksum=checksum)
        return _empty(204, tus.about(state.upload, state.offset))

    @blueprint.access(Access.SIGNED, *_HELD)
    @blueprint.doc(operationId="endResumable", parameters=[parts.VERSION])
    @blueprint.response(204)
    def delete(self, upload_id: str) -> Response:
        """End an upload. A file that it has become stays."""
        tus.check_version(request.headers)
        g.services.appending.terminate(upload_id)
        return _empty(204, {})

    @blueprint.access(Access.SIGNED, *_HELD, OffsetConflict, ChecksumMismatch, *uploads.REFUSALS)
    @blueprint.doc(operationId="overrideResumable", parameters=parts.OVERRIDE)
    @blueprint.response(204, headers=parts.about())
    def post(self, upload_id: str) -> Response:
        """Do what PATCH or DELETE would, for clients that can send neither, as `X-HTTP-Method-Override` says."""
        methods: dict[str, Callable[[str], Response]] = {"PATCH": self.patch, "DELETE": self.delete}
        method = methods.get(request.headers.get("X-HTTP-Method-Override", "").strip().upper())
        if method is None:
            raise InvalidRequest("A POST to an upload needs 'X-HTTP-Method-Override: PATCH' or DELETE.")
        return method(upload_id)


def _created(who: Principal | SignedUpload, asked: UploadRequest) -> Response:
    """Create the upload that the headers of the request describe."""
    headers = request.headers
    part_ids, service = tus.part_ids(headers), g.services.creations
    piece = _Piece()
    if piece.length != 0:
        tus.check_content_type(headers)
    if part_ids is None:
        creation = Creation(asked, tus.new_length(headers), *_as_sent())
        state = service.create(who, creation, piece, tus.checksum(headers))
    elif piece.length != 0:
        raise InvalidRequest("A final upload has the bytes of its parts; send no body.")
    else:
        state = service.concatenate(who, Creation(asked, None, *_as_sent()), part_ids)
    g.link_token = state.upload.id
    location = relative(request.environ, f"{_PATH}/{state.upload.id}")
    return _empty(201, tus.about(state.upload, state.offset) | {"Location": location})


def _as_sent() -> tuple[str | None, str | None]:
    return request.headers.get("Upload-Metadata") or None, request.headers.get("Upload-Concat")


def _request(
    bucket_name: str,
    key: str | None,
    given: Mapping[str, str],
    *,
    overwrite: bool,
    constraints: UploadConstraints = UNCONSTRAINED,
) -> UploadRequest:
    is_partial = tus.is_partial(request.headers)
    return UploadRequest(
        bucket_name,
        key=None if is_partial else key,
        overwrite=overwrite,
        conditions=write_conditions(request.headers),
        attributes=FileAttributes() if is_partial else _attributes(given),
        constraints=constraints,
        by_link=constraints is not UNCONSTRAINED,
    )


def _metadata() -> dict[str, str]:
    """Return `Upload-Metadata` as text. An empty value is as good as none."""
    known = {_BUCKET, _KEY, "filename", "filetype", "metadata", "cache_control", "overwrite"}
    given = {name: value for name, value in tus.metadata(request.headers).items() if name in known and value}
    try:
        return {name: value.decode() for name, value in given.items()}
    except UnicodeDecodeError as error:
        raise InvalidRequest("A value of Upload-Metadata is not UTF-8.") from error


def _attributes(given: Mapping[str, str]) -> FileAttributes:
    """Return the attributes of the file. Raises `InvalidName` and `InvalidRequest`."""
    filename, cache_control = given.get("filename"), given.get("cache_control")
    return FileAttributes(
        filename=None if filename is None else check_filename(filename),
        content_type=given.get("filetype"),
        metadata=_object(given["metadata"]) if "metadata" in given else {},
        cache_control=None if cache_control is None else check_cache_control(cache_control),
    )


def _object(text: str) -> dict[str, Any]:
    value = parse_json(text.encode())
    if not isinstance(value, dict):
        raise InvalidRequest("The metadata in Upload-Metadata is no JSON object.")
    return value


def _overwrite(given: Mapping[str, str]) -> bool:
    value = given.get("overwrite", "false")
    if value not in ("true", "false"):
        raise InvalidRequest("The overwrite in Upload-Metadata must be true or false.")
    return value == "true"
