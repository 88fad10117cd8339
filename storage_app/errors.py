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
│   └── FileNotFound                404 file_not_found
├── MethodNotAllowed                405 method_not_allowed
├── BodyTimeout                     408 body_timeout
├── Conflict                        409 conflict
│   ├── BucketExists                409 bucket_exists
│   ├── BucketNotEmpty              409 bucket_not_empty
│   └── FileExists                  409 file_exists
├── LengthRequired                  411 length_required
├── PreconditionFailed              412 precondition_failed
├── TooLarge                        413 too_large
│   ├── FileTooLarge                413 file_too_large
│   └── QuotaExceeded               413 quota_exceeded
├── UnsupportedMediaType            415 unsupported_media_type
│   └── ContentTypeNotAllowed       415 content_type_not_allowed
├── RangeNotSatisfiable             416 range_not_satisfiable
├── ValidationFailed                422 validation_failed
├── DamagedFile                     500 damaged_file
├── Unavailable                     503 unavailable
│   └── TooManyUploads              503 too_many_uploads
└── InsufficientStorage             507 insufficient_storage

What is no request of HTTP is InvalidRequest with the status that HTTP has for it: 400, 414, 417, 431 or 501
(malformed.py).

A subclass exists where a client would treat it differently. The message is one sentence that names the thing and the
way out; it is shown to the client, so it says nothing of the inside.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar


class StorageError(Exception):
    """Something this service refuses or cannot do.

    `headers` are sent with the refusal; `members` become extra members of the problem document (RFC 9457 section 3.2).
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
        """Return the problem document (RFC 9457 section 3), with another status than that of the class if given."""
        known = HTTPStatus(status or self.status)
        return {
            "type": "about:blank",  # `title` is the status phrase then (RFC 9457 section 4.2.1); `code` tells more
            "title": known.phrase,
            "status": known.value,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            **self.members,
        }


class SettingsError(StorageError):
    """A setting is missing or wrong; the sentence names the variable."""

    code = "settings_error"


class StoreUnusable(StorageError):
    """The store at STORAGE_PATH cannot be opened; the service must not start."""

    code = "store_unusable"


class InvalidRequest(StorageError):
    status = 400
    code = "invalid_request"


class InvalidName(InvalidRequest):
    """A bucket name, a file id or a file name breaks the rules in `domain`."""

    code = "invalid_name"


class InvalidJson(InvalidRequest):
    code = "invalid_json"


class TruncatedBody(InvalidRequest):
    """The body ended before its declared length, or its framing is broken (RFC 9112 section 8)."""

    code = "truncated_body"


class DigestMismatch(InvalidRequest):
    code = "digest_mismatch"


class Unauthenticated(StorageError):
    """No credential where one is needed (RFC 6750 section 3)."""

    status = 401
    code = "unauthenticated"

    def __init__(self, detail: str, *, challenge: str = "Bearer") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class InvalidCredential(Unauthenticated):
    """A credential was sent and is wrong (RFC 6750 section 3.1)."""

    code = "invalid_credential"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, challenge='Bearer error="invalid_token"')


class Forbidden(StorageError):
    status = 403
    code = "forbidden"


class InvalidSignedUrl(Forbidden):
    code = "invalid_signed_url"


class NotFound(StorageError):
    status = 404
    code = "not_found"


class BucketNotFound(NotFound):
    code = "bucket_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no bucket '{name}'; create it with POST /buckets.")


class FileNotFound(NotFound):
    code = "file_not_found"

    def __init__(self, bucket: str, key: str) -> None:
        super().__init__(f"There is no file '{key}' in bucket '{bucket}'.")


class MethodNotAllowed(StorageError):
    """The route exists but not with this method; `Allow` says which (RFC 9110 section 15.5.6)."""

    status = 405
    code = "method_not_allowed"


class BodyTimeout(StorageError):
    status = 408
    code = "body_timeout"


class Conflict(StorageError):
    status = 409
    code = "conflict"


class BucketExists(Conflict):
    code = "bucket_exists"


class BucketNotEmpty(Conflict):
    code = "bucket_not_empty"


class FileExists(Conflict):
    code = "file_exists"


class LengthRequired(StorageError):
    status = 411
    code = "length_required"


class PreconditionFailed(StorageError):
    status = 412
    code = "precondition_failed"


class TooLarge(StorageError):
    status = 413
    code = "too_large"


class FileTooLarge(TooLarge):
    code = "file_too_large"


class QuotaExceeded(TooLarge):
    code = "quota_exceeded"


class UnsupportedMediaType(StorageError):
    status = 415
    code = "unsupported_media_type"


class ContentTypeNotAllowed(UnsupportedMediaType):
    code = "content_type_not_allowed"


class RangeNotSatisfiable(StorageError):
    """No range of the request lies in the file (RFC 9110 section 15.5.17)."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The requested range lies outside the file, which has {size} bytes.",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )


class ValidationFailed(StorageError):
    """The body or the query is well formed and means nothing; `errors` says why, by field."""

    status = 422
    code = "validation_failed"


class DamagedFile(StorageError):
    """The record is there and its bytes are not, or a sidecar cannot be read."""

    status = 500
    code = "damaged_file"


class Unavailable(StorageError):
    """Something cannot be done right now and may be tried again. Of a write it is unknown whether it happened."""

    status = 503
    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class TooManyUploads(Unavailable):
    code = "too_many_uploads"


class InsufficientStorage(StorageError):
    """The disk is full, or would have less than MIN_FREE_BYTES left (RFC 4918 section 11.5)."""

    status = 507
    code = "insufficient_storage"
