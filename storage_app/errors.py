"""The error tree: every refusal has one class, which carries its HTTP status and its stable code.

StorageError                        500 internal_error
├── SettingsError                   -   a wrong setting; stops the start
├── StoreUnusable                   -   STORAGE_PATH cannot be used; stops the start
├── InvalidRequest                  400 invalid_request
│   ├── InvalidName                 400 invalid_name
│   ├── InvalidJson                 400 invalid_json
│   ├── TruncatedBody               400 truncated_body
│   └── DigestMismatch              400 digest_mismatch
├── Unauthenticated                 401 unauthenticated
│   └── InvalidCredential           401 invalid_credential
├── Forbidden                       403 forbidden
│   └── InvalidSignedUrl            403 invalid_signed_url
├── NotFound                        404 not_found
│   ├── BucketNotFound              404 bucket_not_found
│   ├── FileNotFound                404 file_not_found
│   └── UploadNotFound              404 upload_not_found
├── MethodNotAllowed                405 method_not_allowed
├── BodyTimeout                     408 body_timeout
├── Conflict                        409 conflict
│   ├── BucketExists                409 bucket_exists
│   ├── BucketNotEmpty              409 bucket_not_empty
│   ├── FileExists                  409 file_exists
│   └── OffsetConflict              409 offset_conflict
├── UploadGone                      410 upload_gone
├── LengthRequired                  411 length_required
├── PreconditionFailed              412 precondition_failed
│   └── UnsupportedTusVersion       412 unsupported_tus_version
├── TooLarge                        413 too_large
│   ├── FileTooLarge                413 file_too_large
│   └── QuotaExceeded               413 quota_exceeded
├── UnsupportedMediaType            415 unsupported_media_type
│   └── ContentTypeNotAllowed       415 content_type_not_allowed
├── RangeNotSatisfiable             416 range_not_satisfiable
├── ValidationFailed                422 validation_failed
├── UploadLocked                    423 upload_locked
├── ChecksumMismatch                460 checksum_mismatch
├── DamagedFile                     500 damaged_file
├── Unavailable                     503 unavailable
│   └── TooManyUploads              503 too_many_uploads
└── InsufficientStorage             507 insufficient_storage

A request that gunicorn cannot parse is answered as InvalidRequest, under the status that gunicorn chose (400, 414, 417,
431 or 501) or 505 (`server/bad_requests.py`).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

# Python 3.11 and 3.12 have the phrases of older RFCs (RFC 9110 sections 15.5.14, 15.5.15, 15.5.17, 15.5.21).
_PHRASES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    460: "Checksum Mismatch",  # of tus alone
}


def phrase(status: int) -> str:
    """Return the phrase of `status`, the same in every version of Python."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


class StorageError(Exception):
    """The base of every error that this service raises on purpose.

    `headers` are sent with the response. `members` extend the problem document (RFC 9457 section 3.2).
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def problem(self, request_id: str, status: int | None = None) -> dict[str, Any]:
        """Return the problem document (RFC 9457 section 3). `status` overrides the status of the class."""
        number = status or self.status
        return {
            "type": "about:blank",  # so `title` is the status phrase (RFC 9457 section 4.2.1); `code` says more
            "title": phrase(number),
            "status": number,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            **self.members,
        }


class SettingsError(StorageError):
    """A setting is missing or invalid. The message names the variable."""

    code = "settings_error"


class StoreUnusable(StorageError):
    """The store at STORAGE_PATH cannot be used, so the service must not start."""

    code = "store_unusable"


class InvalidRequest(StorageError):
    """The request is malformed, or carries a value that breaks a rule."""

    status = 400
    code = "invalid_request"


class InvalidName(InvalidRequest):
    """A bucket name, a key or a file name breaks the rules in `domain`."""

    code = "invalid_name"


class InvalidJson(InvalidRequest):
    """The text is not JSON (RFC 8259), or is nested too deeply."""

    code = "invalid_json"


class TruncatedBody(InvalidRequest):
    """The body ended before its declared length, or its framing is broken (RFC 9112 section 8)."""

    code = "truncated_body"


class DigestMismatch(InvalidRequest):
    """The bytes received do not have the SHA-256 that the client, or the signed URL, declared."""

    code = "digest_mismatch"


class Unauthenticated(StorageError):
    """The request needs a credential and has none (RFC 6750 section 3)."""

    status = 401
    code = "unauthenticated"

    def __init__(self, detail: str, *, challenge: str = "Bearer") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class InvalidCredential(Unauthenticated):
    """The credential is invalid or has expired (RFC 6750 section 3.1)."""

    code = "invalid_credential"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, challenge='Bearer error="invalid_token"')


class Forbidden(StorageError):
    """The principal lacks the right to do this."""

    status = 403
    code = "forbidden"


class InvalidSignedUrl(Forbidden):
    """The token of a signed URL is forged, has expired, or is for another file or method."""

    code = "invalid_signed_url"


class NotFound(StorageError):
    """There is no such route, bucket or file."""

    status = 404
    code = "not_found"


class BucketNotFound(NotFound):
    """No bucket has this name."""

    code = "bucket_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no bucket '{name}'; create it with POST /buckets.")


class FileNotFound(NotFound):
    """The bucket has no file with this key."""

    code = "file_not_found"

    def __init__(self, bucket: str, key: str) -> None:
        super().__init__(f"There is no file '{key}' in bucket '{bucket}'.")


class UploadNotFound(NotFound):
    """No resumable upload was ever created under this id."""

    code = "upload_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such upload; create one with POST /files/resumable.")


class MethodNotAllowed(StorageError):
    """The route does not support this method. `Allow` lists those it supports (RFC 9110 section 15.5.6)."""

    status = 405
    code = "method_not_allowed"


class BodyTimeout(StorageError):
    """The client stopped sending the body (RFC 9110 section 15.5.9)."""

    status = 408
    code = "body_timeout"


class Conflict(StorageError):
    """The request contradicts the state of the bucket or the file (RFC 9110 section 15.5.10)."""

    status = 409
    code = "conflict"


class BucketExists(Conflict):
    """Another bucket has this name."""

    code = "bucket_exists"


class BucketNotEmpty(Conflict):
    """The bucket holds files, and the request did not ask to delete them too."""

    code = "bucket_not_empty"


class FileExists(Conflict):
    """The key has a file, and the upload did not ask to replace it."""

    code = "file_exists"


class OffsetConflict(Conflict):
    """The bytes do not begin where those of the upload end (tus 1.0.0, "PATCH")."""

    code = "offset_conflict"


class UploadGone(StorageError):
    """A resumable upload has expired, was terminated or refused, or its bucket was deleted."""

    status = 410
    code = "upload_gone"

    def __init__(self, detail: str = "The upload has expired, was terminated, or was refused; create another.") -> None:
        super().__init__(detail)


class LengthRequired(StorageError):
    """The body has neither a Content-Length nor chunks (RFC 9110 section 15.5.12)."""

    status = 411
    code = "length_required"


class PreconditionFailed(StorageError):
    """A conditional header does not hold (RFC 9110 section 13)."""

    status = 412
    code = "precondition_failed"


class UnsupportedTusVersion(PreconditionFailed):
    """The client speaks no version of tus that this service does (tus 1.0.0, "Tus-Resumable")."""

    code = "unsupported_tus_version"


class TooLarge(StorageError):
    """The request body exceeds a limit."""

    status = 413
    code = "too_large"


class FileTooLarge(TooLarge):
    """The file is larger than the service or the bucket allows."""

    code = "file_too_large"


class QuotaExceeded(TooLarge):
    """The file would exceed the quota of its bucket."""

    code = "quota_exceeded"


class UnsupportedMediaType(StorageError):
    """The route does not accept a body of this type or content coding (RFC 9110 section 15.5.16)."""

    status = 415
    code = "unsupported_media_type"


class ContentTypeNotAllowed(UnsupportedMediaType):
    """The bucket, or the signed URL, does not allow a file of this content type."""

    code = "content_type_not_allowed"


class RangeNotSatisfiable(StorageError):
    """No requested range overlaps the file (RFC 9110 section 15.5.17)."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The requested range lies outside the file, whose size in bytes is {size}.",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )


class ValidationFailed(StorageError):
    """The body or the query is well formed but invalid. `errors` in the problem document says why, by field."""

    status = 422
    code = "validation_failed"


class UploadLocked(StorageError):
    """Another request sends bytes of the same upload (RFC 4918 section 11.3)."""

    status = 423
    code = "upload_locked"


class ChecksumMismatch(StorageError):
    """The bytes are not those of `Upload-Checksum` (tus 1.0.0, "Checksum")."""

    status = 460
    code = "checksum_mismatch"


class DamagedFile(StorageError):
    """The sidecar cannot be read, or the blob that it names is missing or incomplete."""

    status = 500
    code = "damaged_file"


class Unavailable(StorageError):
    """The operation failed for a reason that may pass. `retry_after` is in seconds.

    A write that ends like this may or may not have happened.
    """

    status = 503
    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class TooManyUploads(Unavailable):
    """MAX_UPLOADS bodies are already in progress."""

    code = "too_many_uploads"


class InsufficientStorage(StorageError):
    """The disk is full, or would keep less than MIN_FREE_BYTES free (RFC 4918 section 11.5)."""

    status = 507
    code = "insufficient_storage"
