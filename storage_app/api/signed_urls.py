"""Signed URLs over HTTP: views that make them, and views that serve them."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Response
from flask.views import MethodView

from ..auth.signed_urls import Disposition
from ..domain.uploads import UploadConstraints, UploadRequest
from ..errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    FileExists,
    FileNotFound,
    FileTooLarge,
    Forbidden,
    InsufficientStorage,
    InvalidName,
    InvalidRequest,
    InvalidSignedUrl,
    LengthRequired,
    QuotaExceeded,
)
from ..services.signed_urls import SignedLink
from . import archives, downloads, uploads
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .openapi_parts import DIGESTS, READ_CONDITIONS, SIGNED_BODY, WRITE_CONDITIONS, bytes_out, written_headers
from .schemas.requests import NewDownloadSchema, NewUploadSchema, PresignSchema
from .schemas.responses import DownloadLinkSchema, FileRecordSchema, PresignedSchema, UploadLinkSchema, rfc3339

blueprint = Blueprint(
    "Signing", __name__, url_prefix="/files", description="URLs that carry a right, for clients without an account."
)

# The limit in server/configuration.py, and nginx's default.
MAX_REQUEST_LINE_BYTES = 8190

_SIGNING_REFUSALS = (InvalidName, Forbidden, BucketNotFound, *JSON_REFUSALS)
_UPLOAD_SIGNING_REFUSALS = (
    *_SIGNING_REFUSALS,
    FileExists,
    FileTooLarge,
    QuotaExceeded,
    ContentTypeNotAllowed,
    InsufficientStorage,
)


@blueprint.route("/initiate-upload")
class InitiateUpload(MethodView):
    @blueprint.access(Access.CREDENTIAL, *_UPLOAD_SIGNING_REFUSALS)
    @blueprint.doc(operationId="signUpload")
    @blueprint.arguments(NewUploadSchema, example={"bucket_id": "photos", "filename": "cat.jpg"})
    @blueprint.response(201, UploadLinkSchema)
    def post(self, body: dict[str, Any]) -> Any:
        """Sign a URL by which a client without an account can upload one file."""
        constraints = UploadConstraints(
            filename=body["filename"],
            content_type=body.get("content_type"),
            size=body.get("size"),
            sha256=body.get("sha256"),
            metadata=body.get("metadata"),
            notify=body.get("notify"),
        )
        request = UploadRequest(
            body["bucket_id"],
            key=body.get("file_id", body["filename"]),
            overwrite=body["overwrite"],
            constraints=constraints,
        )
        link = g.services.signing.upload(g.principal, request, expires_in=body["expires_in"])
        return {
            "bucket_id": link.bucket_name,
            "file_id": link.key,
            "upload_url": _url(link),
            "method": "PUT",
            "resumable_url": _url(link, "/files/resumable/signed"),
            "headers": {} if constraints.content_type is None else {"Content-Type": constraints.content_type},
            "expires_at": _expires_at(link),
        }


@blueprint.route("/initiate-download")
class InitiateDownload(MethodView):
    @blueprint.access(Access.CREDENTIAL, FileNotFound, *_SIGNING_REFUSALS)
    @blueprint.doc(operationId="signDownload")
    @blueprint.arguments(NewDownloadSchema, example={"bucket_id": "photos", "file_id": "2026/cat.jpg"})
    @blueprint.response(201, DownloadLinkSchema)
    def post(self, body: dict[str, Any]) -> Any:
        """Sign a URL by which a client without an account can download one file, or a zip of many."""
        if "prefix" in body:
            link = g.services.signing.archive(
                g.principal,
                body["bucket_id"],
                body["prefix"],
                filename=body.get("filename"),
                expires_in=body["expires_in"],
            )
            return _download_link(link)
        link = g.services.signing.download(
            g.principal,
            body["bucket_id"],
            body["file_id"],
            disposition=Disposition(body["disposition"]),
            filename=body.get("filename"),
            expires_in=body["expires_in"],
        )
        return _download_link(link)


def _may_presign(bucket_id: str, file_id: str) -> None:
    g.services.uploads.authorize(g.principal, UploadRequest(bucket_id, key=file_id))


@blueprint.route("/presigned-url/upload/<bucket_id>/<key:file_id>")
class PresignUpload(MethodView):
    @blueprint.access(Access.CREDENTIAL, *_UPLOAD_SIGNING_REFUSALS, right=_may_presign)
    @blueprint.doc(operationId="presignUpload")
    @blueprint.arguments(PresignSchema, required=False)
    @blueprint.response(200, PresignedSchema)
    def post(self, body: dict[str, Any], bucket_id: str, file_id: str) -> Any:
        """Sign an upload URL for SelfDB 0.0.2's backend. The upload may replace what the signer may."""
        constraints = UploadConstraints(content_type=body.get("content_type"))
        request = UploadRequest(bucket_id, key=file_id, overwrite=True, constraints=constraints)
        link = g.services.signing.upload(g.principal, request, expires_in=body["expires_in_seconds"])
        return {"upload_url": _url(link), "method": "PUT"}


@blueprint.route("/signed/<token>/<bucket_id>/<key:file_id>")
class Signed(MethodView):
    @blueprint.access(Access.SIGNED, InvalidSignedUrl, *downloads.REFUSALS, any_query=True)
    @blueprint.doc(operationId="downloadSigned", parameters=READ_CONDITIONS, responses=bytes_out())
    def get(self, token: str, bucket_id: str, file_id: str) -> Response:
        """Download by a signed URL. Other credentials are ignored."""
        archive = g.storage.signed_urls.archive(token, file_id)
        if archive is not None:
            return archives.deliver_signed(archive, bucket_id)
        return downloads.deliver_signed(token, bucket_id, file_id)

    @blueprint.access(Access.SIGNED, InvalidSignedUrl, LengthRequired, *uploads.REFUSALS)
    @blueprint.doc(operationId="uploadSigned", requestBody=SIGNED_BODY, parameters=[*WRITE_CONDITIONS, *DIGESTS])
    @blueprint.alt_response(
        200, schema=FileRecordSchema, headers=written_headers(), description="Replaced", success=True
    )
    @blueprint.response(201, FileRecordSchema, headers=written_headers())
    def put(self, token: str, bucket_id: str, file_id: str) -> Response:
        """Upload by a signed URL. Other credentials are ignored, and the file belongs to the signer."""
        return uploads.receive_signed(token, bucket_id, file_id)


def _download_link(link: SignedLink) -> dict[str, str]:
    return {"download_url": _url(link), "method": "GET", "expires_at": _expires_at(link)}


def _url(link: SignedLink, route: str = "/files/signed") -> str:
    g.link_token = link.token
    url = f"{g.storage.settings.public_url}{route}/{link.token}/{link.bucket_name}/{quote(link.key)}"
    if len(f"HEAD {urlsplit(url).path} HTTP/1.1") > MAX_REQUEST_LINE_BYTES:
        raise InvalidRequest(
            f"The signed URL would be longer than the {MAX_REQUEST_LINE_BYTES} bytes that servers take; bind less of "
            "metadata, filename and content type into it."
        )
    return url


def _expires_at(link: SignedLink) -> str:
    return rfc3339(datetime.fromtimestamp(link.expires_at, UTC))
